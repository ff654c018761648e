"""Any causal language model of the transformers library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, TypeVar

import torch

from nc_latent_tod.errors import ModelError, TurnError
from nc_latent_tod.lm import Completion, Sampling, TokenCount
from nc_latent_tod.lm.batching import group_by_length
from nc_latent_tod.lm.decoding import Branch, decode
from nc_latent_tod.lm.fingerprint import fingerprint_of
from nc_latent_tod.lm.lengths import UNBOUNDED
from nc_latent_tod.lm.loading import load_parts
from nc_latent_tod.lm.nucleus import check_sampling, random_stream
from nc_latent_tod.lm.prefill import CachedModel, Contexts
from nc_latent_tod.lm.scoring import score
from nc_latent_tod.lm.tokenising import TextTokens

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")


def load(model_name_or_path: str, *, dtype: str = "float32", device_map: Any = None,
         attn_implementation: str | None = None, load_in_8bit: bool = False, load_in_4bit: bool = False,
         adapter: str | None = None, batch_size: int = 16) -> HuggingFaceLM:
    """Load a model from a folder, or from the Hub by its id; a folder is never looked up on the network.

    `dtype` is float32, bfloat16, float16 or auto (as stored). Without a `device_map` the model goes to the first GPU, or to
    the CPU where there is none. `adapter` is a peft adapter's folder or id. Raises `ConfigError` for options that
    contradict each other, `ModelError` for a model that is missing, gated, damaged or too large.
    """
    model, tokenizer = load_parts(model_name_or_path, dtype=dtype, device_map=device_map,
                                  attn_implementation=attn_implementation, load_in_8bit=load_in_8bit,
                                  load_in_4bit=load_in_4bit, adapter=adapter)
    return HuggingFaceLM(model, tokenizer, batch_size=batch_size)


class HuggingFaceLM:
    """A `LanguageModel`. Keeps the keys and values of up to eight shared prefixes for its life.

    `batch_size` is rows through the model at a time: a row is a sample or a candidate. `shared_prefix` and the rest of a
    prompt are always tokenised apart, so that results are the same whether or not the prefix is cached.
    In float32, what shares a batch changes log-probabilities by rounding alone (about 1e-6 nats a token); in half
    precision rounding is large enough to change, now and then, which token is sampled.
    """

    def __init__(self, model: Any, tokenizer: Any, *, batch_size: int = 16) -> None:
        self._cached = CachedModel(model)
        self._text = TextTokens(tokenizer, _end_ids(model))
        self._batch_size = max(1, batch_size)
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or UNBOUNDED
        self.max_length = positions - len(self._text.leading)
        self.fingerprint = fingerprint_of(model, tokenizer)

    @property
    def tokens(self) -> TokenCount:
        """Tokens through the model so far. `computed + shared` is what one pass a sample and a candidate would compute."""
        return self._cached.tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens, without special tokens."""
        return [len(ids) for ids in self._text.encode_all(texts)]

    def sample(self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
               shared_prefix: str = "") -> list[list[Completion]]:
        """Draw continuations: see `LanguageModel.sample`. At temperature 0 one is decoded and repeated."""
        branches = self.sample_branches(prompts, sampling, seeds, shared_prefix)
        return [[branch.completion() for branch in of_prompt] for of_prompt in branches]

    @torch.inference_mode()
    def sample_branches(self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
                        shared_prefix: str = "") -> list[list[Branch]]:
        """Like `sample`, with the sampled token ids and the log-probability of each."""
        check_sampling(sampling.top_p, sampling.temperature, sampling.n)
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts but {len(seeds)} seeds: give one seed a prompt.")
        if sampling.temperature == 0 and sampling.n > 1:
            once = self.sample_branches(prompts, replace(sampling, n=1), seeds, shared_prefix)
            return [of_prompt * sampling.n for of_prompt in once]
        preamble, rests = self._split(prompts, shared_prefix)
        self._check_room(preamble, rests, [sampling.max_new_tokens] * len(prompts))

        def draw() -> list[list[Branch]]:
            branches = [[Branch(random_stream(seed, index)) for index in range(sampling.n)] for seed in seeds]
            for contexts, rows in self._waves(preamble, rests, [sampling.n] * len(prompts), sampling.max_new_tokens):
                decode(self._cached, contexts, [branches[prompt][index] for prompt, index in rows], sampling, self._text)
            return branches

        return self._within_memory(draw)

    @torch.inference_mode()
    def loglikelihood(self, requests: Sequence[tuple[str, Sequence[Sequence[str]]]],
                      shared_prefix: str = "") -> list[list[tuple[float, ...]]]:
        """Score continuations: see `LanguageModel.loglikelihood`. An empty segment has 0.0 nats.

        Raises `TurnError('prompt_too_long')` where a context and a continuation are longer than `max_length`.
        """
        preamble, rests = self._split([context for context, _ in requests], shared_prefix)
        cut = [[self._text.encode_all(segments) for segments in continuations] for _, continuations in requests]
        joined = [[[token for segment in segments for token in segment] for segments in of_request] for of_request in cut]
        room = [max(map(len, of_request), default=0) for of_request in joined]
        self._check_room(preamble, rests, room)
        worth = [[index for index, ids in enumerate(of_request) if ids] for of_request in joined]

        def scored() -> list[list[list[float]]]:
            scores: list[list[list[float]]] = [[[] for _ in of_request] for of_request in joined]
            for contexts, rows in self._waves(preamble, rests, list(map(len, worth)), max(room, default=0)):
                places = [(request, worth[request][row]) for request, row in rows]
                answers = score(self._cached, contexts, [joined[request][index] for request, index in places])
                for (request, index), answer in zip(places, answers, strict=True):
                    scores[request][index] = answer
            return scores

        return [[_sums(segments, answer) for segments, answer in zip(*pair, strict=True)]
                for pair in zip(cut, self._within_memory(scored), strict=True)]

    def _within_memory(self, run: Callable[[], _Result]) -> _Result:
        """Run from the start with half the batch each time the GPU's memory does not hold it, and keep the smaller batch.

        Raises `ModelError` where not even one row fits.
        """
        while True:
            try:
                return run()
            except torch.OutOfMemoryError as error:
                if self._batch_size == 1:
                    raise ModelError(f"the GPU's memory does not hold a batch of one row: {error}. Load the model in bfloat16 "
                                     "or with load_in_8bit, or take fewer examples (k_examples).") from error
            # Only here, where the error and what it kept alive are gone, is there memory to give back.
            self._batch_size //= 2
            logger.warning("the GPU's memory does not hold the batch: it is halved to %d rows", self._batch_size)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _split(self, prompts: Sequence[str], shared_prefix: str) -> tuple[list[int], list[list[int]]]:
        """Token ids of the shared prefix and of what each prompt has of its own, which is never empty."""
        strange = [prompt for prompt in prompts if not prompt.startswith(shared_prefix)]
        if strange:
            raise ValueError(f"a prompt does not begin with the shared prefix: {strange[0][:80]!r} against "
                             f"{shared_prefix[:80]!r}. Pass prompts that hold it, or no shared_prefix.")
        rests = self._text.encode_all([prompt[len(shared_prefix):] for prompt in prompts])
        preamble = self._text.leading + self._text.encode(shared_prefix)
        if shared_prefix and all(rests):
            return preamble, rests
        whole = [preamble + rest for rest in rests]
        return [], [ids or self._text.beginning() for ids in whole]

    def _check_room(self, preamble: Sequence[int], rests: Sequence[Sequence[int]], room: Sequence[int]) -> None:
        limit = self.max_length + len(self._text.leading)
        for rest, more in zip(rests, room, strict=True):
            length = len(preamble) + len(rest)
            if length + more > limit:
                raise TurnError("prompt_too_long", f"the prompt has {length} tokens and {more} are to follow, but the model "
                                                   f"holds {limit}. Give fewer examples or shorten the turn.")

    def _waves(self, preamble: Sequence[int], rests: Sequence[Sequence[int]], counts: Sequence[int],
               room: int) -> Iterator[tuple[Contexts, list[tuple[int, int]]]]:
        """Read every prompt once; yield contexts of at most `batch_size` rows, each with its (prompt, row of the prompt)."""
        lengths = [len(preamble) + len(rest) for rest in rests]
        window = self._cached.longest_padded
        limit = None if window is None else window - room
        for group in group_by_length(lengths, counts, self._batch_size, may_pad_to=limit):
            contexts = self._cached.prefill(preamble, [rests[prompt] for prompt in group])
            self.tokens.shared += sum((counts[prompt] - 1) * lengths[prompt] for prompt in group)
            rows = [(place, prompt, row) for place, prompt in enumerate(group) for row in range(counts[prompt])]
            for at in range(0, len(rows), self._batch_size):
                chunk = rows[at:at + self._batch_size]
                yield contexts.select([place for place, _, _ in chunk]), [(prompt, row) for _, prompt, row in chunk]


def _sums(segments: Sequence[Sequence[int]], logprobs: Sequence[float]) -> tuple[float, ...]:
    """Sum of each segment's part of the log-probabilities."""
    ends = list(accumulate(map(len, segments)))
    return tuple(float(sum(logprobs[end - len(segment):end])) for segment, end in zip(segments, ends, strict=True))


def _end_ids(model: Any) -> list[int]:
    """End-of-text tokens that the model itself names: one, several or none."""
    named = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    if named is None:
        named = getattr(model.config, "eos_token_id", None)
    if named is None:
        return []
    return [named] if isinstance(named, int) else list(named)
