"""What a job will do, worked out before a model is loaded: prompts, their lengths, tokens through the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from nc_latent_tod.api.backends import Builder, act_tagging, dialogues_of, schema_of, state_tracking
from nc_latent_tod.api.inputs import Dialogues, EntitiesLike, SchemaLike, make_job
from nc_latent_tod.api.label import JobLike, as_job
from nc_latent_tod.api.models import token_counter_of
from nc_latent_tod.config.job import Job, unused_keys
from nc_latent_tod.config.sections import TaskSection
from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import ConfigError, TurnError
from nc_latent_tod.labels import Example
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.pipeline.run import Backends
from nc_latent_tod.ranking.noisy_channel import scores_text, uses_channel
from nc_latent_tod.tasks import Task

LABEL_TOKENS = 20  # assumed length of a label: nothing has been sampled yet

Count = Callable[[Sequence[str]], Sequence[int]]


@dataclass(frozen=True)
class TaskPlan:
    """One task of a job. Lengths are in tokens."""

    name: str
    model: str
    prompt: str  # a real direct prompt of this job, without examples unless the group has some
    preamble_tokens: int
    prompt_tokens: tuple[int, ...]  # expected length of each turn's prompt, with an empty state and k examples
    example_tokens: float  # assumed mean of an in-context example
    k_examples: int
    context_length: int
    over_long: tuple[tuple[str, int, int], ...]  # (dialogue_id, turn_id, tokens) that need examples or text dropped
    tokens_to_sample: int  # through the model, prompts and samples of all turns
    tokens_to_score: int  # through the model, candidates and, but for `pmi`, texts under the channel prompt
    skipped: int  # turns with nothing to label


@dataclass(frozen=True)
class Plan:
    """A job, checked."""

    run_id: str
    group_id: str
    dialogues: int
    turns: int
    tasks: tuple[TaskPlan, ...]
    notes: tuple[str, ...]  # keys that change nothing here, lengths that are estimates
    runs: int = 0  # finished ones of the group, whose pace `seconds` is estimated by
    seconds: float | None = None  # of labelling, one worker; None where no run gives a pace

    @property
    def tokens_per_turn(self) -> float:
        """Mean tokens through the model, both tasks."""
        return _tokens(self.tasks) / self.turns


def plan(dialogues: Dialogues | None = None, schema: SchemaLike | None = None, *, entities: EntitiesLike = None,
         model: str = "none", job: JobLike | None = None, options: Mapping[str, Any] | None = None,
         split: str | None = None) -> Plan:
    """What `label` with the same arguments would do: real prompts, their lengths and the tokens through the model.

    Loads dialogues and tokenizers, no model. Raises what `label` would before it labels.
    """
    if job is not None:
        return plan_job(as_job(job))
    if dialogues is None:
        raise ConfigError("What is to be planned? Give dialogues and a schema, or a job.")
    with TemporaryDirectory(prefix="nc_latent_tod-") as folder:
        return plan_job(make_job(dialogues, schema, Path(folder), entities=entities, model=model, options=options, split=split))


def plan_job(job: Job) -> Plan:
    """Check `job` and work out its plan. Loads dialogues and tokenizers, no model. Raises what the job itself would."""
    schema, backends = schema_of(job), Builder().backends(job)
    dialogues = dialogues_of(job)
    finished = _finished(job, backends)
    examples = list(backends.labels(finished[0])) if finished and job.manifest.seed_retrievers_from_manifest else []
    tasks = []
    for section, task in ((job.dst, state_tracking(job, schema)), (job.act_tag, act_tagging(job, schema))):
        count, context_length = token_counter_of(section.model)
        tasks.append(plan_task(section, task, dialogues, examples, count, context_length))
    return make_plan(job, dialogues, tasks, [*unused_keys(job), *_reuse(job)], finished)


def _finished(job: Job, backends: Backends) -> Sequence[ManifestEntry]:
    """Runs of the group that seeds the job, or of its own; of a table on AWS only where the job reads it too."""
    if job.manifest.type != "local" and not job.manifest.seed_retrievers_from_manifest:
        return []
    return backends.manifest.entries(job.manifest.seed_group_id or job.manifest.group_id)


def _reuse(job: Job) -> list[str]:
    group_id = job.manifest.reuse_group_id
    return [f"Labels that are taken over from {group_id} are not deducted here."] if group_id else []


def plan_task(section: TaskSection, task: Task[Any], dialogues: Sequence[Dialogue], examples: Sequence[Example], count: Count,
              context_length: int) -> TaskPlan:
    """Work out one task over all turns. `examples` are shown in the sample prompt, as many as the job asks for.

    With prompts read once each, a turn costs its own part, twice where the channel prompt scores, the labels that are sampled
    and n that are scored there: each with the text after it, but for `pmi`.
    """
    if section.model.model_type == "none":
        return _without_model(task, dialogues)
    generation = section.generation_cfg
    draws, n = generation.sampling_args.draws, generation.sampling_args.n
    k = section.retriever.k_examples if section.retriever.is_enabled else 0
    turns = [turn for dialogue in dialogues for turn in dialogue.turns if _has_text(task, turn)]
    lengths = tuple(count([task.question(turn, {}, "direct") for turn in turns]))
    observed = count([task.observed(turn) for turn in turns])
    example_tokens = fmean(lengths) + LABEL_TOKENS if lengths else 0.0
    preamble = count([task.preamble])[0]
    room = context_length - generation.sampling_args.max_new_tokens
    own = sum(lengths) + len(turns) * k * example_tokens
    ranking = generation.generation_mode
    texts = sum(observed) if scores_text(ranking) else 0
    score = own + n * (LABEL_TOKENS * len(turns) + texts) if uses_channel(ranking) else 0
    prompts = [preamble + round(k * example_tokens) + tokens for tokens in lengths]
    over_long = tuple((*turn.key, tokens) for turn, tokens in zip(turns, prompts, strict=True)
                      if tokens > room)
    return TaskPlan(
        name=task.name, model=_model_name(section), prompt=_sample_prompt(task, turns, examples[:k]),
        preamble_tokens=preamble, prompt_tokens=tuple(prompts), example_tokens=example_tokens, k_examples=k,
        context_length=context_length, over_long=over_long, skipped=sum(len(d.turns) for d in dialogues) - len(turns),
        tokens_to_sample=round(own + draws * LABEL_TOKENS * len(turns)) + preamble,
        tokens_to_score=round(score) + (preamble if score else 0))


def _without_model(task: Task[Any], dialogues: Sequence[Dialogue]) -> TaskPlan:
    """Proposals alone: no prompt, no tokens."""
    skipped = sum(not _has_text(task, turn) for dialogue in dialogues for turn in dialogue.turns)
    return TaskPlan(name=task.name, model="none", prompt="", preamble_tokens=0, prompt_tokens=(), example_tokens=0.0,
                    k_examples=0, context_length=0, over_long=(), tokens_to_sample=0, tokens_to_score=0, skipped=skipped)


def make_plan(job: Job, dialogues: Sequence[Dialogue], tasks: Sequence[TaskPlan], notes: Sequence[str],
              finished: Sequence[ManifestEntry] = ()) -> Plan:
    """Put the parts together. `finished`: runs by whose tokens a second the time is estimated."""
    turns = sum(len(dialogue.turns) for dialogue in dialogues)
    tokens, seconds = sum(entry.tokens for entry in finished), sum(entry.seconds for entry in finished)
    estimate = _tokens(tasks) * seconds / tokens if tokens and seconds else None
    return Plan(job.run, job.manifest.group_id, len(dialogues), turns, tuple(tasks), tuple(notes),
                len(finished) if estimate is not None else 0, estimate)


def _tokens(tasks: Sequence[TaskPlan]) -> int:
    return sum(task.tokens_to_sample + task.tokens_to_score for task in tasks)


def _model_name(section: TaskSection) -> str:
    return "scripted" if section.model.model_type == "scripted" else section.model.model_name_or_path


def _has_text(task: Task[Any], turn: Turn) -> bool:
    try:
        return bool(task.observed(turn))
    except TurnError:
        return False


def _sample_prompt(task: Task[Any], turns: Sequence[Turn], examples: Sequence[Example]) -> str:
    if not turns:
        return ""
    shown = "".join(task.example(example, "direct") for example in examples)
    return task.preamble + shown + task.question(turns[len(turns) // 2], {}, "direct")
