"""Job sections to models behind a completions server."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from nc_latent_tod.config.sections import ModelSection, TaskSection
from nc_latent_tod.config.server import ServerSection
from nc_latent_tod.config.trust import OF_THE_CALLER, Trust
from nc_latent_tod.errors import require_extra
from nc_latent_tod.lm import LanguageModel
from nc_latent_tod.ranking.noisy_channel import uses_channel


def server_model(section: ModelSection, tokenizer: str | None, trust: Trust = OF_THE_CALLER) -> LanguageModel:
    """The model that `section.server` has. No request is made.

    Raises `ConfigError` without the openai package, or where `trust` does not let a job ask the server.
    """
    require_extra("model_type 'openai'", "openai", "openai")
    from nc_latent_tod.lm.openai.model import OpenAILM
    from nc_latent_tod.lm.openai.server import CompletionsServer

    at = _server_of(section)
    variable = trust.variable(at)
    server = CompletionsServer(at.base_url, section.model_name_or_path, api_key=os.environ.get(variable) if variable else None,
                               timeout_s=at.timeout_s, retries=at.retries)
    return OpenAILM(server, max_length=at.context_length, tokenizer=tokenizer, concurrency=at.concurrency, scoring=at.scoring)


def server_token_counter(section: ModelSection, tokenizer: str | None) -> tuple[Callable[[Sequence[str]], Sequence[int]], int]:
    """A counter of tokens and the context length in tokens; the server is not asked."""
    from nc_latent_tod.lm.openai.prompt_text import PromptTexts

    texts = PromptTexts(tokenizer)
    return texts.count, _server_of(section).context_length - len(texts.leading)


def check_scoring(lm: LanguageModel, section: TaskSection) -> None:
    """Raise `ConfigError` where the job ranks by scores of given texts and the model's server has none."""
    check = getattr(lm, "check_scoring", None)
    if check and (section.proposals or uses_channel(section.generation_cfg.generation_mode)):
        check()


def _server_of(section: ModelSection) -> ServerSection:
    assert section.server is not None  # the section refuses `openai` without one
    return section.server
