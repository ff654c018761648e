"""The configuration of an agent: which services, which database, and which model answers each question."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from nc_latent_tod.config.generation import GenerationMode, GenerationSection, SamplingSection
from nc_latent_tod.config.places import Place
from nc_latent_tod.config.section import Section
from nc_latent_tod.config.sections import DstSection, ModelSection, RetrieverSection, TaskSection

_TASKS = ("dst", "policy", "response")


class DatabaseSection(Section):
    """Where entities come from, and how they are searched."""

    entities_path: Place
    """An entity table: a JSON file, a folder of `<service>_db.json` files, or `packaged:entities`."""
    not_before: tuple[str, ...] = ()
    """Slots whose time is the earliest that suits, such as a departure; others must equal."""
    not_after: tuple[str, ...] = ()
    """Slots whose time is the latest that suits, such as an arrival."""


class AnswerSampling(SamplingSection):
    n: PositiveInt = 1
    max_new_tokens: PositiveInt = 160


class AnswerGeneration(GenerationSection):
    """How an answer is chosen: by default the likeliest, without samples."""

    prompt_mode: Literal["answer"] = "answer"
    generation_mode: GenerationMode = "greedy"
    noisy_channel_prompt_mode: Literal["noisy_channel_answer"] = "noisy_channel_answer"
    sampling_args: AnswerSampling = AnswerSampling()


class AnswerRetriever(RetrieverSection):
    type: Literal["mpnet", "sentence_transformer", "none"] = "none"
    use_retriever: bool = False
    retrieval_input_format: Literal["context_system_user"] = "context_system_user"


class PolicySection(TaskSection):
    """Which acts the agent answers with."""

    module_type: Literal["policy"] = "policy"
    retriever: AnswerRetriever = AnswerRetriever()
    generation_cfg: AnswerGeneration = AnswerGeneration()


class ResponseSection(TaskSection):
    """In which words."""

    module_type: Literal["response"] = "response"
    retriever: AnswerRetriever = AnswerRetriever()
    generation_cfg: AnswerGeneration = AnswerGeneration()


class AgentConfig(Section):
    """An agent's configuration file."""

    schema_path: Place
    """A schema-guided `schema.json`; `packaged:schema` for the one that comes with the package."""
    database: DatabaseSection
    model: ModelSection | None = None
    """The model of every task that names none itself."""
    dst: DstSection = DstSection()
    policy: PolicySection = PolicySection()
    response: ResponseSection = ResponseSection()
    examples_path: Place | None = None
    """A label file whose turns serve as in-context examples, for the tasks with a retriever."""
    seed: NonNegativeInt = 0
    batch_size: PositiveInt = Field(16)
    """Dialogues that are answered together in `evaluate-agent`. Answers do not depend on it."""


def with_shared_model(data: Any) -> Any:
    """Decoded JSON of a configuration, in which the tasks that name no model have the shared one."""
    if not (isinstance(data, dict) and isinstance(shared := data.get("model"), dict)):
        return data
    tasks = {task: data.get(task, {}) for task in _TASKS}
    return {**data, **{task: {"model": shared, **given} if isinstance(given, dict) else given for task, given in tasks.items()}}
