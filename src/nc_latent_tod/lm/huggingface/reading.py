"""What the two ways of reading prompts have in common: the plain one (`prefill`) and the sharing one (`sharing`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor

from nc_latent_tod.lm import TokenCount
from nc_latent_tod.lm.huggingface.prefill import Limits


class Prompts(Protocol):
    """Texts that a model has read, and what it predicts after each."""

    lengths: Tensor  # (texts,) tokens, padding excluded
    logits: Tensor  # (texts, vocab) after the last token

    def select(self, rows: Sequence[int], /) -> Prompts:
        """Texts in ascending order, each as often as it is named, that can grow without the original."""


class Reader(Protocol):
    """A model that reads prompts once and goes on from there, one row a continuation."""

    tokens: TokenCount

    def read(self, preamble: Sequence[int], rests: Sequence[Sequence[int]], limits: Limits) -> Prompts:
        """Read prompts, each `preamble` + its rest, none of which is empty."""

    def extend(self, rows: Any, ids: Tensor, real: Tensor, keep: Tensor) -> Tensor:
        """Read more tokens, in place; logits where `keep`, (rows, new), is True: (positions, vocab) in row order."""
