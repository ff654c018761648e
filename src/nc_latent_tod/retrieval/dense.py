"""Examples by inner product of sentence embeddings: a sentence-transformer and an exact faiss index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import faiss
import numpy as np

from nc_latent_tod.labels import Example

_TIE = 4  # decimals: scores that differ less are ties, ordered by example id
_OVERFETCH = 8


class Encoder(Protocol):
    """Texts to unit vectors."""

    dimension: int

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: (len(texts), dimension), float32."""


class DenseRetriever:
    """`Retriever` over `text_of(example)`. Exact search; adding is incremental."""

    def __init__(self, encoder: Encoder, text_of: Callable[[Example], str]) -> None:
        self._encoder = encoder
        self._text_of = text_of
        self._examples: list[Example] = []
        self._index = faiss.IndexFlatIP(encoder.dimension)

    def __len__(self) -> int:
        return len(self._examples)

    def add(self, examples: Sequence[Example]) -> None:
        if examples:
            self._index.add(self._encoder.encode([self._text_of(e) for e in examples]))
            self._examples.extend(examples)

    def search(self, texts: Sequence[str], k: int) -> list[list[tuple[Example, float]]]:
        if not self._examples or not texts or k <= 0:
            return [[] for _ in texts]
        fetched = min(k + _OVERFETCH, len(self._examples))
        scores, rows = self._index.search(self._encoder.encode(texts), fetched)
        return [self._nearest(s, r)[:k] for s, r in zip(scores, rows, strict=True)]

    def _nearest(self, scores: np.ndarray, rows: np.ndarray) -> list[tuple[Example, float]]:
        found = [(self._examples[row], round(float(score), _TIE)) for row, score in zip(rows, scores, strict=True)]
        return sorted(found, key=lambda pair: (-pair[1], pair[0].example_id))


class NoRetriever:
    """`Retriever` of a job that shows no examples: it keeps none and finds none."""

    def __len__(self) -> int:
        return 0

    def add(self, examples: Sequence[Example]) -> None:
        pass

    def search(self, texts: Sequence[str], k: int) -> list[list[tuple[Example, float]]]:
        return [[] for _ in texts]
