"""Sections of a job to language models, and to counters of their tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from nc_latent_tod.api.completions import server_model, server_token_counter
from nc_latent_tod.config.sections import ModelSection
from nc_latent_tod.config.server import ServerSection
from nc_latent_tod.config.trust import Trust
from nc_latent_tod.corpus.schemas import PACKAGED
from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.lm import LanguageModel

PACKAGED_MODEL = "packaged:tiny-starcoder"
PACKAGED_MODELS = (PACKAGED_MODEL, "packaged:tiny-agent")

_ROWS_A_PROMPT = 8  # the job's batch size counts prompts, a model's counts the samples or candidates of all of them


def token_counter_of(section: ModelSection) -> tuple[Callable[[Sequence[str]], Sequence[int]], int]:
    """A counter of tokens and the context length in tokens, without loading the model. Raises `ModelError`."""
    if section.model_type == "none":
        return lambda texts: [0] * len(texts), 0
    if section.server:
        return server_token_counter(section, _tokenizer_of(section.server))
    if section.model_type == "scripted":
        from nc_latent_tod.lm.scripted import ScriptedLM

        scripted = ScriptedLM()
        return scripted.count_tokens, scripted.max_length
    from nc_latent_tod.lm.huggingface.lengths import token_counter

    return token_counter(model_path(section))


def packaged_model(name: str) -> Path:
    """The folder of a model that comes with the package."""
    return Path(str(resources.files("nc_latent_tod"))) / "data" / name


def model_path(section: ModelSection) -> str:
    """The folder or Hub id of a model; a packaged name becomes its folder."""
    if section.model_name_or_path in PACKAGED_MODELS:
        return str(packaged_model(section.model_name_or_path.removeprefix(PACKAGED)))
    if section.model_name_or_path.startswith(PACKAGED):
        raise ConfigError(f"There is no packaged model {section.model_name_or_path!r}."
                          f"{nearest(section.model_name_or_path, PACKAGED_MODELS)} There are: {', '.join(PACKAGED_MODELS)}.")
    return section.model_name_or_path


def _tokenizer_of(server: ServerSection) -> str | None:
    return server.tokenizer and model_path(ModelSection(model_name_or_path=server.tokenizer))


def load_model(section: ModelSection, trust: Trust) -> LanguageModel:
    """The model of a section. Raises `ConfigError` or `ModelError`."""
    if section.model_type == "scripted":
        from nc_latent_tod.lm.scripted import ScriptedLM

        return ScriptedLM()
    if section.server:
        return server_model(section, _tokenizer_of(section.server), trust)
    from nc_latent_tod.lm.huggingface.model import load

    return load(model_path(section), dtype=section.torch_dtype, device_map=section.device_map, adapter=section.adapter,
                attn_implementation=section.attn_implementation, load_in_8bit=section.load_in_8bit,
                load_in_4bit=section.load_in_4bit, batch_size=section.batch_size * _ROWS_A_PROMPT)
