"""Any causal language model of the transformers library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from typing import Any, Literal, TypeVar

import torch

from nc_latent_tod.errors import ModelError, TurnError
from nc_latent_tod.lm import Completion, Sampling, TokenCount
from nc_latent_tod.lm.huggingface.batching import group_by_length
from nc_latent_tod.lm.huggingface.constraining import Grammars
from nc_latent_tod.lm.huggingface.decoding import Branch, decode
from nc_latent_tod.lm.huggingface.fingerprint import fingerprint_of
from nc_latent_tod.lm.huggingface.lengths import UNBOUNDED
from nc_latent_tod.lm.huggingface.loading import load_parts
from nc_latent_tod.lm.huggingface.nucleus import check_sampling, random_stream
from nc_latent_tod.lm.huggingface.prefill import CachedModel, Limits
from nc_latent_tod.lm.huggingface.reading import Prompts, Reader
from nc_latent_tod.lm.huggingface.scoring import score
from nc_latent_tod.lm.huggingface.sharing import SharingModel, can_share
from nc_latent_tod.lm.tokenising import TextTokens

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

# Positions in a pass. More gives a CPU nothing and costs it memory; the GPU's are not measured, and halved where too many.
_POSITIONS_ON_CPU, _POSITIONS_ON_GPU = 2_048, 16_384
# What a pass costs besides its positions: the weights are read, and kernels started.
_PASS_COST_ON_CPU, _PASS_COST_ON_GPU = 32, 512


def load(model_name_or_path: str, *, dtype: str = "float32", device_map: Any = None,
         attn_implementation: str | None = None, load_in_8bit: bool = False, load_in_4bit: bool = False,
         adapter: str | None = None, batch_size: int = 16, attention: Literal["shared", "plain"] = "shared") -> HuggingFaceLM:
    """Load a model from a folder, or from the Hub by its id; a folder is never looked up on the network.

    `dtype` is float32, bfloat16, float16 or auto (as stored). Without a `device_map` the model goes to the first GPU, or to
    the CPU where there is none. `adapter` is a peft adapter's folder or id. Raises `ConfigError` for options that
    contradict each other, `ModelError` for a model that is missing, gated, damaged or too large.
    """
    model, tokenizer = load_parts(model_name_or_path, dtype=dtype, device_map=device_map,
                                  attn_implementation=attn_implementation, load_in_8bit=load_in_8bit,
                                  load_in_4bit=load_in_4bit, adapter=adapter)
    return HuggingFaceLM(model, tokenizer, batch_size=batch_size, attention=attention)


class HuggingFaceLM:
    """A `LanguageModel`. Keeps the keys and values of up to eight shared prefixes for its life.

    `batch_size` is rows through the model at a time: a row is a sample or a candidate. `token_budget` is positions in one
    forward pass over prompts or candidates; None takes what suits the device. Both are halved where memory does not hold
    them. `shared_prefix` and the rest of a prompt are always tokenised apart, so that results are the same whether or not
    the prefix is cached. `attention`: `shared` never copies the keys and values of a prompt to its rows, where the model's
    attention takes that; `plain` is the reference that does.
    In float32, what shares a batch changes log-probabilities by rounding alone (about 1e-6 nats a token); in half
    precision rounding is large enough to change, now and then, which token is sampled.
    Raises `ModelError` for a model that does not go on from a prompt that was read before (recurrent layers).
    """

    def __init__(self, model: Any, tokenizer: Any, *, batch_size: int = 16, token_budget: int | None = None,
                 attention: Literal["shared", "plain"] = "shared") -> None:
        self.tokens = TokenCount()
        self._cached = CachedModel(model.eval(), self.tokens)
        self._sharing = SharingModel(model, self.tokens) if attention == "shared" and can_share(model) else None
        if self._sharing is None:
            self._cached.check()
        self._text = TextTokens(tokenizer, _end_ids(model))
        self._grammars = Grammars(tokenizer, model.get_output_embeddings().weight.shape[0])
        self._batch_size = max(1, batch_size)
        self._token_budget = token_budget or (_POSITIONS_ON_CPU if model.device.type == "cpu" else _POSITIONS_ON_GPU)
        self._pass_cost = _PASS_COST_ON_CPU if model.device.type == "cpu" else _PASS_COST_ON_GPU
        positions = getattr(model.config.get_text_config(), "max_position_embeddings", None) or UNBOUNDED
        self.max_length = positions - len(self._text.leading)
        self.fingerprint = fingerprint_of(model, tokenizer)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens, without special tokens."""
        return [len(ids) for ids in self._text.encode_all(texts)]

    def sample(self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
               shared_prefix: str = "") -> list[list[Completion]]:
        """Draw continuations: see `LanguageModel.sample`. At temperature 0 one is decoded and repeated."""
        branches = self.sample_branches(prompts, sampling, seeds, shared_prefix)
        return [[branch.completion() for branch in of_prompt] for of_prompt in branches]

    def sample_within(self, grammars: Sequence[str], prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
                      shared_prefix: str = "") -> list[list[Completion]]:
        """Draw continuations within a grammar a prompt: see `GrammarSampler.sample_within`."""
        branches = self.sample_branches(prompts, sampling, seeds, shared_prefix, grammars)
        return [[branch.completion() for branch in of_prompt] for of_prompt in branches]

    @torch.inference_mode()
    def sample_branches(self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
                        shared_prefix: str = "", grammars: Sequence[str] = ()) -> list[list[Branch]]:
        """Like `sample` and `sample_within`, with the sampled token ids and the log-probability of each."""
        check_sampling(sampling.top_p, sampling.temperature, sampling.n)
        if len(prompts) != len(seeds):
            raise ValueError(f"{len(prompts)} prompts but {len(seeds)} seeds: give one seed a prompt.")
        if sampling.temperature == 0 and sampling.n > 1:
            once = self.sample_branches(prompts, replace(sampling, n=1), seeds, shared_prefix, grammars)
            return [of_prompt * sampling.n for of_prompt in once]
        preamble, rests = self._split(prompts, shared_prefix)
        self._check_room(preamble, rests, [sampling.max_new_tokens] * len(prompts))

        def draw() -> list[list[Branch]]:
            branches = [[Branch(random_stream(seed, index)) for index in range(sampling.n)] for seed in seeds]
            for of_prompt, grammar in zip(branches, grammars, strict=False):  # none where there are no grammars
                for branch, matcher in zip(of_prompt, self._grammars.matchers(grammar, sampling.n), strict=True):
                    branch.matcher = matcher
            for model, read, rows in self._waves(preamble, rests, [sampling.n] * len(prompts), sampling.max_new_tokens):
                with self._phase("decode"):
                    decode(model, read, [place for place, _, _ in rows],
                           [branches[prompt][index] for _, prompt, index in rows], sampling, self._text)
            return branches

        return self._within_memory(draw)

    @torch.inference_mode()
    def loglikelihood(self, requests: Sequence[tuple[str, Sequence[Sequence[str]]]],
                      shared_prefix: str = "") -> list[list[tuple[float, ...]]]:
        """Score continuations: see `LanguageModel.loglikelihood`. An empty segment has 0.0 nats.

        Raises `TurnError('prompt_too_long')` where a context and a continuation are longer than `max_length`.
        """
        preamble, rests = self._split([context for context, _ in requests], shared_prefix)
        with self.tokens.phases.timed("tokenise"):
            cut = [[self._text.encode_all(segments) for segments in continuations] for _, continuations in requests]
        joined = [[[token for segment in segments for token in segment] for segments in of_request] for of_request in cut]
        room = [max(map(len, of_request), default=0) for of_request in joined]
        self._check_room(preamble, rests, room)
        worth = [[index for index, ids in enumerate(of_request) if ids] for of_request in joined]

        def scored() -> list[list[list[float]]]:
            scores: list[list[list[float]]] = [[[] for _ in of_request] for of_request in joined]
            for model, read, rows in self._waves(preamble, rests, list(map(len, worth)), max(room, default=0)):
                places = [(request, worth[request][row]) for _, request, row in rows]
                with self._phase("score"):
                    answers = score(model, read, [place for place, _, _ in rows],
                                    [joined[request][index] for request, index in places], self._limits)
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
            self._token_budget = max(1, self._token_budget // 2)
            logger.warning("the GPU's memory does not hold the batch: it is halved to %d rows and %d positions",
                           self._batch_size, self._token_budget)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

    def _split(self, prompts: Sequence[str], shared_prefix: str) -> tuple[list[int], list[list[int]]]:
        """Token ids of the shared prefix and of what each prompt has of its own, which is never empty."""
        strange = [prompt for prompt in prompts if not prompt.startswith(shared_prefix)]
        if strange:
            raise ValueError(f"a prompt does not begin with the shared prefix: {strange[0][:80]!r} against "
                             f"{shared_prefix[:80]!r}. Pass prompts that hold it, or no shared_prefix.")
        with self.tokens.phases.timed("tokenise"):
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
               room: int) -> Iterator[tuple[Reader, Prompts, list[tuple[int, int, int]]]]:
        """Read every prompt once; yield prompts and the rows that follow them, at most `batch_size` of them.

        A row is (place among what was read, prompt, row of the prompt). `room`: the most tokens that are to follow.
        """
        lengths = [len(preamble) + len(rest) for rest in rests]
        window = self._cached.longest_padded
        is_shared = self._sharing is not None and (window is None or max(lengths, default=0) + room <= window)
        model: Reader = self._sharing if self._sharing and is_shared else self._cached
        may_pad_to = None if is_shared or window is None else window - room
        for group in group_by_length(lengths, counts, self._batch_size, may_pad_to=may_pad_to):
            with self._phase("prefill"):
                read = model.read(preamble, [rests[prompt] for prompt in group], self._limits)
            self.tokens.shared += sum((counts[prompt] - 1) * lengths[prompt] for prompt in group)
            rows = [(place, prompt, row) for place, prompt in enumerate(group) for row in range(counts[prompt])]
            for at in range(0, len(rows), self._batch_size):
                yield model, read, rows[at:at + self._batch_size]

    @property
    def _limits(self) -> Limits:
        return Limits(self._token_budget, self._batch_size, self._pass_cost)

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        """Time a phase and count the tokens that it computes."""
        before = self.tokens.computed
        with self.tokens.phases.timed(name):
            yield
            if torch.cuda.is_available():
                torch.cuda.synchronize()  # what was started is done, so its time is this phase's
        self.tokens.phases.count(name, self.tokens.computed - before)


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
