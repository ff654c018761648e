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
        # one at a time: faiss multiplies in another order for many at once, and rounds otherwise
        return [self._nearest(vector, k) for vector in self._encoder.encode(texts)]

    def _nearest(self, vector: np.ndarray, k: int) -> list[tuple[Example, float]]:
        fetched = min(k + _OVERFETCH, len(self._examples))
        while True:
            (scores,), (rows,) = self._index.search(vector[None], fetched)
            found = [(self._examples[row], round(float(score), _TIE)) for row, score in zip(rows, scores, strict=True)]
            found.sort(key=lambda pair: (-pair[1], pair[0].example_id))
            if fetched == len(self._examples) or found[-1][1] < found[k - 1][1]:  # no tie with the k-th is left out
                return found[:k]
            fetched = min(2 * fetched, len(self._examples))


class NoRetriever:
    """`Retriever` of a job that shows no examples: it keeps none and finds none."""

    def __len__(self) -> int:
        return 0

    def add(self, examples: Sequence[Example]) -> None:
        pass

    def search(self, texts: Sequence[str], k: int) -> list[list[tuple[Example, float]]]:
        return [[] for _ in texts]
