"""Retrieval of in-context examples."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from nc_latent_tod.labels import Example


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Examples with their embeddings. Pools of many jobs share one block."""

    examples: tuple[Example, ...]
    vectors: Any  # (examples, dimension), float32


class Retriever(Protocol):
    """A growing pool of labelled turns, searched by text."""

    encoder: str  # fingerprint of what embeds; "" where embeddings are not worth keeping
    kind: Hashable  # equal for retrievers that can share blocks: the same encoder and the same texts

    def add(self, examples: Sequence[Example]) -> None:
        """Add examples to the pool."""

    def embed(self, examples: Sequence[Example], stored: Mapping[bytes, Any]) -> Block:
        """Examples as a block, with the embeddings in `stored` (see `stored.unpack`), and computed ones where it has none."""

    def add_block(self, block: Block) -> None:
        """Add the examples of a block to the pool, without a copy of their embeddings."""

    def embeddings(self, examples: Sequence[Example]) -> dict[bytes, Any]:
        """The embedding of each example's text, to be stored: see `stored.pack`."""

    def search(self, texts: Sequence[str], k: int) -> list[list[tuple[Example, float]]]:
        """For each text the `k` nearest examples (fewer in a small pool) with their scores, nearest first.

        Equal scores are ordered by example id, so a pool gives the same answer whatever the order it was filled in.
        """

    def __len__(self) -> int: ...
