"""A language model behind an OpenAI-compatible completions server: vLLM, llama-cpp-python, OpenAI's own, and others.

Every such server samples. A given text is scored only by those that `echo` a prompt with its log-probabilities, or that have
vLLM's `prompt_logprobs`; which it is, is asked once. https://platform.openai.com/docs/api-reference/completions
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, TypeVar

from nc_latent_tod.errors import ConfigError, ModelError, TurnError
from nc_latent_tod.lm import Completion, Sampling, TokenCount
from nc_latent_tod.lm.openai.prompt_text import PromptTexts, segment_sums
from nc_latent_tod.lm.openai.server import CompletionsServer, prompt_scores, sampled

logger = logging.getLogger(__name__)

Scoring = Literal["auto", "echo", "prompt_logprobs", "none"]

_PROBES = ('agent.find(name="one")]\n', "def label(turn):\n    return [", "x = 1\ny =")
_TOLERANCE_NATS = 0.05  # between two answers of one server on one token; servers batch and round
_T = TypeVar("_T")
_A = TypeVar("_A")


class OpenAILM:
    """A `LanguageModel`. Of what it promises, that results depend on prompts and seeds alone is up to the server.

    With a `tokenizer` (a folder or Hub id) prompts are sent as token ids, split where an engine in this process splits them;
    without one they are sent as text, lengths are estimated, and a token belongs to the segment in which it begins.
    """

    def __init__(self, server: CompletionsServer, *, max_length: int, tokenizer: str | None = None, concurrency: int = 8,
                 scoring: Scoring = "auto") -> None:
        """`max_length`: tokens of prompt and completion that the server takes. `concurrency`: requests at a time."""
        self._server, self._concurrency, self._scoring = server, concurrency, scoring
        self._texts = PromptTexts(tokenizer)
        self._is_checked = False
        self._gives_n = True  # until an answer holds fewer choices than were asked for
        self.max_length = max_length - len(self._texts.leading)
        self.fingerprint = hashlib.sha256(f"openai {server.model} {tokenizer or ''}".encode()).hexdigest()

    @property
    def tokens(self) -> TokenCount:
        """What the server says that it computed: a prompt once for all its samples, less what it took from a cache."""
        return self._server.tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens; an estimate (three bytes a token) where there is no tokenizer."""
        return self._texts.count(texts)

    def sample(self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
               shared_prefix: str = "") -> list[list[Completion]]:
        """Draw continuations: see `LanguageModel.sample`. Log-probabilities are the server's.

        Raises `RetryableError` where the server fails or cannot be reached, `ConfigError` where it refuses key or model.
        """
        written = [self._texts.prompt(prompt, shared_prefix) for prompt in prompts]
        for prompt in written:
            self._check_room(prompt, sampling.max_new_tokens)
        with self.tokens.phases.timed("decode"):
            return self._at_once(lambda asked: self._draw(asked[0], sampling, asked[1]), zip(written, seeds, strict=True))

    def loglikelihood(self, requests: Sequence[tuple[str, Sequence[Sequence[str]]]],
                      shared_prefix: str = "") -> list[list[tuple[float, ...]]]:
        """Score continuations: see `LanguageModel.loglikelihood`, one request each. Raises as `sample` and `check_scoring`."""
        self.check_scoring()
        asked = [(context, list(segments)) for context, continuations in requests for segments in continuations]
        with self.tokens.phases.timed("score"):
            scores = iter(self._at_once(lambda pair: self._score(*pair, shared_prefix), asked))
        return [[next(scores) for _ in continuations] for _, continuations in requests]

    def check_scoring(self) -> None:
        """Raise `ConfigError` where the server cannot score a given text. Asks it, the first time."""
        if self._is_checked:
            return
        if self._scoring == "prompt_logprobs" and not self._texts.has_ids:
            raise ConfigError("server.scoring is 'prompt_logprobs', which is by token ids: give server.tokenizer, the model's "
                              "tokenizer.")
        ways: list[Scoring] = ["echo", "prompt_logprobs"] if self._texts.has_ids else ["echo"]
        wanted = ways if self._scoring == "auto" else [self._scoring]
        self._scoring = next((way for way in wanted if way != "none" and self._is_sound(way)), "none")
        if self._scoring == "none":
            raise ConfigError(f"The server at {self._server.base_url} samples from {self._server.model!r} but does not score a "
                              "given text: neither `echo` nor, given server.tokenizer, `prompt_logprobs` gives it the "
                              "log-probabilities of a prompt that its own samples have. generation_mode 'greedy' and 'direct' "
                              "work with it; the noisy channel, 'pmi' and proposals need another server, such as vLLM, or the "
                              "model in this process.")
        self._is_checked = True

    def _is_sound(self, way: Scoring) -> bool:
        """Whether the server scores a given text, and its own likeliest token as it did when it wrote it."""
        for probe in _PROBES:
            prompt = self._texts.prompt(probe, "")
            try:
                [written, *_] = sampled(self._server, prompt, Sampling(temperature=0.0, max_new_tokens=1, stop=()), n=1, seed=0)
                whole, bounds = self._texts.with_segments(probe, [written.text], "")
                scores = prompt_scores(self._server, whole, way)
            except (ModelError, TurnError):
                return False
            if list(scores.starts).count(bounds[0]) != 1 or bounds[0] != scores.starts[-1]:
                continue  # tokenised otherwise than it was written: this probe says nothing
            if abs(segment_sums(scores, bounds)[0] - written.logprob) > _TOLERANCE_NATS:
                logger.warning("%s scores the token %r with %.3f nats and wrote it with %.3f: its scores of given texts are "
                               "wrong", self._server.base_url, written.text, segment_sums(scores, bounds)[0], written.logprob)
                return False
        return True

    def _draw(self, prompt: str | list[int], sampling: Sampling, seed: int) -> list[Completion]:
        wanted = 1 if sampling.temperature == 0 else sampling.n
        drawn: list[Completion] = []
        while len(drawn) < wanted:
            n = wanted - len(drawn) if self._gives_n else 1
            answers = sampled(self._server, prompt, sampling, n=n, seed=_seed_of(seed, len(drawn)))
            self._gives_n = self._gives_n and len(answers) >= n
            drawn += answers[:n]
        return drawn * sampling.n if sampling.temperature == 0 else drawn

    def _score(self, context: str, segments: Sequence[str], shared_prefix: str) -> tuple[float, ...]:
        prompt, bounds = self._texts.with_segments(context, segments, shared_prefix)
        if bounds[0] == bounds[-1]:
            return (0.0,) * len(segments)
        self._check_room(prompt, 1)
        return segment_sums(prompt_scores(self._server, prompt, self._scoring), bounds)

    def _check_room(self, prompt: str | list[int], more: int) -> None:
        length = len(prompt) if isinstance(prompt, list) else self._texts.count([prompt])[0]
        limit = self.max_length + len(self._texts.leading)
        if length + more > limit and isinstance(prompt, list):  # an estimate refuses nothing: the server knows
            raise TurnError("prompt_too_long", f"the prompt has {length} tokens and {more} are to follow, but "
                                               f"server.context_length is {limit}. Give fewer examples or shorten the turn.")

    def _at_once(self, ask: Callable[[_T], _A], questions: Iterable[_T]) -> list[_A]:
        executor = ThreadPoolExecutor(self._concurrency, "completions")
        try:
            return list(executor.map(ask, questions))
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def _seed_of(seed: int, index: int) -> int:
    """31 bits, which is what all servers take."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:4], "big") >> 1
