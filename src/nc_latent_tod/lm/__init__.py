"""Language models: sample continuations of a prompt, and score given continuations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from nc_latent_tod.system.stopwatch import Phases


@dataclass(frozen=True, slots=True)
class Sampling:
    """How continuations are drawn. `top_p=1, temperature=1` draws from the model itself; `temperature=0` is greedy."""

    n: int = 1  # continuations a prompt
    top_p: float = 1.0
    temperature: float = 1.0
    max_new_tokens: int = 96
    stop: tuple[str, ...] = ("\n",)


@dataclass(frozen=True, slots=True)
class Completion:
    """One continuation, cut before the first stop string."""

    text: str
    logprob: float  # nats at temperature 1, summed over the sampled tokens, the one that completed the stop string included
    finished: bool  # False where the token limit came before a stop string or the end-of-text token
    tokens: int  # that `logprob` is the sum over


@dataclass(slots=True)
class TokenCount:
    """Tokens that went through a model, and those that sharing saved. Grows for the life of the model."""

    computed: int = 0  # positions that a forward pass ran over, padding excluded
    shared: int = 0  # prompt positions whose keys and values were taken from a cache instead
    padding: int = 0  # positions computed for nothing
    phases: Phases = field(default_factory=Phases)  # seconds and computed tokens of tokenise, prefill, decode and score

    @property
    def padding_share(self) -> float:
        """Padding among all positions that were computed; 0.0 where none was."""
        return self.padding / (self.computed + self.padding) if self.padding else 0.0

    def copy(self) -> TokenCount:
        """What was counted so far."""
        return TokenCount(self.computed, self.shared, self.padding, self.phases.copy())

    def __add__(self, other: TokenCount) -> TokenCount:
        return TokenCount(self.computed + other.computed, self.shared + other.shared, self.padding + other.padding,
                          self.phases + other.phases)

    def __sub__(self, earlier: TokenCount) -> TokenCount:
        """What came since `earlier`."""
        return TokenCount(self.computed - earlier.computed, self.shared - earlier.shared, self.padding - earlier.padding,
                          self.phases - earlier.phases)


class LanguageModel(Protocol):
    """Not thread-safe. Results depend on the prompts and seeds alone, never on what shares a batch."""

    max_length: int  # tokens of prompt + continuation that the model can hold
    fingerprint: str  # changes with weights or tokenizer

    @property
    def tokens(self) -> TokenCount:
        """What went through the model so far."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens."""

    def sample(self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
               shared_prefix: str = "") -> list[list[Completion]]:
        """Draw `sampling.n` continuations of each prompt, from the random stream of the prompt's seed.

        `shared_prefix` is text that all prompts begin with; an implementation may keep its keys and values.
        Raises `TurnError('prompt_too_long')` where a prompt leaves no room for `max_new_tokens`.
        """

    def loglikelihood(self, requests: Sequence[tuple[str, Sequence[Sequence[str]]]],
                      shared_prefix: str = "") -> list[list[tuple[float, ...]]]:
        """Score continuations of contexts.

        A request is a context and its continuations; a continuation is a sequence of text segments. The answer has, for
        each request and continuation, the log-probability of every segment given all before it: nats, summed over its
        tokens. Context and segments are tokenised apart, so no token spans a boundary and none is scored twice.
        """


@runtime_checkable
class GrammarSampler(Protocol):
    """A language model that can sample within a grammar."""

    def sample_within(self, grammars: Sequence[str], prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
                      shared_prefix: str = "") -> list[list[Completion]]:
        """Like `LanguageModel.sample`, with tokens drawn only where the prompt's grammar (Lark's notation) allows them.

        The nucleus is that of the allowed tokens; `logprob` is the model's own, as without the grammar. A continuation that
        is `finished` is a text of the grammar.
        """
