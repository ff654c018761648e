"""Retrieval of in-context examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from nc_latent_tod.labels import Example


class Retriever(Protocol):
    """A growing pool of labelled turns, searched by text."""

    def add(self, examples: Sequence[Example]) -> None:
        """Add examples to the pool."""

    def search(self, texts: Sequence[str], k: int) -> list[list[tuple[Example, float]]]:
        """For each text the `k` nearest examples (fewer in a small pool) with their scores, nearest first.

        Equal scores are ordered by example id, so a pool gives the same answer whatever the order it was filled in.
        """

    def __len__(self) -> int: ...
