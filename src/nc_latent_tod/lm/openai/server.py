"""Requests to a completions server, and its answers as values: what is missing from one is an error, never a zero."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from typing import Any

import openai

from nc_latent_tod.errors import ConfigError, ModelError, RetryableError, TurnError
from nc_latent_tod.lm import Completion, Sampling, TokenCount
from nc_latent_tod.lm.openai.prompt_text import PromptScores

_TOO_LONG = re.compile(r"context_length_exceeded|context (length|window|size)|maximum.{0,20}(length|tokens)|prompt is too long",
                       re.IGNORECASE)
_NO_KEY = "none"  # servers on one's own machine ask for none, and the client insists on one


class CompletionsServer:
    """One model of one server. Thread-safe. A request is repeated `retries` times, with growing pauses, where that may help."""

    def __init__(self, base_url: str, model: str, *, api_key: str | None = None, timeout_s: float = 60.0,
                 retries: int = 4) -> None:
        self.base_url, self.model = base_url, model
        self.tokens = TokenCount()
        self._counting = threading.Lock()
        self._client = openai.OpenAI(base_url=base_url, api_key=api_key or _NO_KEY, timeout=timeout_s, max_retries=retries,
                                     http_client=openai.DefaultHttpxClient(follow_redirects=False))  # to nobody but it

    def complete(self, prompt: str | list[int], **options: Any) -> list[Any]:
        """The answer's choices in order.

        Raises `TurnError('prompt_too_long')`, `ConfigError` where key, model or URL are refused, `ModelError` where the
        server does not understand the request, `RetryableError` where it fails or is not reached.
        """
        body: dict[str, Any] = {"model": self.model, "prompt": prompt, **options}
        try:
            answer = self._client.completions.create(**body)
        except openai.APIConnectionError as error:  # timeouts included
            raise RetryableError(f"The server at {self.base_url} does not answer: {error}. Start it, or correct "
                                 "server.base_url.") from error
        except openai.APIStatusError as error:
            raise self._refused(error) from error
        except (openai.APIError, ValueError) as error:
            raise ModelError(f"{self.base_url} answered what is no completion: {error}. Is it an OpenAI-compatible server "
                             "(server.base_url usually ends in /v1)?") from error
        if not getattr(answer, "choices", None):
            raise ModelError(f"{self.base_url} answered without choices. Is it an OpenAI-compatible completions server "
                             "(server.base_url usually ends in /v1)?")
        self._count(answer.usage)
        return sorted(answer.choices, key=lambda choice: choice.index)

    def _refused(self, error: openai.APIStatusError) -> Exception:
        said = f"{error.status_code}: {error.message}"
        match error.status_code:
            case 401 | 403:
                return ConfigError(f"{self.base_url} refuses the key ({said}). Set the environment variable that "
                                   "server.api_key_variable names.")
            case 404:
                return ConfigError(f"{self.base_url} has no model {self.model!r}, or no completions there ({said}). Correct "
                                   "model_name_or_path, or server.base_url, which usually ends in /v1.")
            case 408 | 409 | 429:
                return RetryableError(f"{self.base_url} is busy ({said}). Try again, or lower server.concurrency.")
            case code if code >= 500:
                return RetryableError(f"{self.base_url} failed ({said}). Try again; see the server's log.")
        if _TOO_LONG.search(str(error.message)):
            return TurnError("prompt_too_long", f"{self.base_url} refuses the prompt ({said}). Set server.context_length.")
        return ModelError(f"{self.base_url} refuses the request ({said}).")

    def _count(self, usage: Any) -> None:
        if usage is None:
            return
        cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None) or 0
        with self._counting:
            self.tokens.computed += (usage.prompt_tokens or 0) - cached + (usage.completion_tokens or 0)
            self.tokens.shared += cached


def sampled(server: CompletionsServer, prompt: str | list[int], sampling: Sampling, *, n: int, seed: int) -> list[Completion]:
    """Continuations of one prompt: `n`, or fewer from a server that gives fewer."""
    choices = server.complete(prompt, n=n, seed=seed, max_tokens=sampling.max_new_tokens, temperature=sampling.temperature,
                              top_p=sampling.top_p, stop=list(sampling.stop) or None, logprobs=1)
    return [_completion(choice, sampling, server.base_url) for choice in choices]


def prompt_scores(server: CompletionsServer, prompt: str | list[int], way: str) -> PromptScores:
    """Log-probabilities of a prompt's own tokens. Raises `ModelError` where the server gives none."""
    # one token is asked for, not none: some servers take 0 as "as many as there is room for"
    options: dict[str, Any] = {"max_tokens": 1, "temperature": 0.0}
    if way == "prompt_logprobs":
        [choice, *_] = server.complete(prompt, extra_body={"prompt_logprobs": 0}, **options)
        return _from_prompt_logprobs(choice, prompt, server.base_url)
    [choice, *_] = server.complete(prompt, echo=True, logprobs=1, **options)
    logprobs = _logprobs(choice, server.base_url)
    starts = range(len(logprobs)) if isinstance(prompt, list) else list(choice.logprobs.text_offset or ())
    count = len(prompt) if isinstance(prompt, list) else sum(start < len(prompt) for start in starts)
    is_echoed = isinstance(prompt, list) or choice.text.startswith(prompt)
    if not is_echoed or len(logprobs) < count or len(starts) != len(logprobs) or count < 2:
        raise ModelError(f"{server.base_url} does not echo a prompt with its log-probabilities.")
    return PromptScores(_finite(logprobs[:count], server.base_url), starts[:count])


def _from_prompt_logprobs(choice: Any, prompt: str | list[int], base_url: str) -> PromptScores:
    found = getattr(choice, "prompt_logprobs", None) or []
    try:
        logprobs = [None if of_token is None else float(of_token[str(token)]["logprob"])
                    for token, of_token in zip(prompt, found, strict=True)]
    except (KeyError, TypeError, ValueError):
        raise ModelError(f"{base_url} does not give `prompt_logprobs` of the prompt's tokens.") from None
    return PromptScores(_finite(logprobs, base_url), range(len(logprobs)))


def _completion(choice: Any, sampling: Sampling, base_url: str) -> Completion:
    text = choice.text
    places = [place for stop in sampling.stop if (place := text.find(stop)) >= 0]
    logprobs = [value for value in _finite(_logprobs(choice, base_url), base_url) if value is not None]
    return Completion(text[: min(places)] if places else text, float(sum(logprobs)), choice.finish_reason == "stop",
                      len(logprobs))


def _logprobs(choice: Any, base_url: str) -> Sequence[float | None]:
    logprobs = getattr(choice.logprobs, "token_logprobs", None)
    if logprobs is None:
        raise ModelError(f"{base_url} gives no log-probabilities of its tokens, which all rankings need. Start it so that it "
                         "does (llama-cpp-python: --logits_all true), or take another server.")
    return list(logprobs)


def _finite(logprobs: Sequence[float | None], base_url: str) -> Sequence[float | None]:
    strange = [value for value in logprobs if value is not None and not (math.isfinite(value) and value <= 1e-3)]
    if strange:
        raise ModelError(f"{base_url} gave {strange[0]} as a log-probability. Its numbers cannot be used.")
    return logprobs
