"""Examples by inner product of sentence embeddings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from nc_latent_tod.labels import Example
from nc_latent_tod.retrieval import Block
from nc_latent_tod.retrieval.nearest import EXACT_UP_TO, VectorPool
from nc_latent_tod.retrieval.stored import text_key

logger = logging.getLogger(__name__)

_TIE = 4  # decimals: scores that differ less are ties, ordered by example id


class Encoder(Protocol):
    """Texts to unit vectors. A text's vector is the same whatever is embedded with it."""

    dimension: int
    fingerprint: str  # changes with what it computes; "" where its vectors are not worth storing

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: (len(texts), dimension), float32."""


class DenseRetriever:
    """`Retriever` over `text_of(example)`: exact up to `exact_up_to` examples, approximate above (see `nearest`)."""

    def __init__(self, encoder: Encoder, text_of: Callable[[Example], str], *, kind: Hashable = None,
                 exact_up_to: int = EXACT_UP_TO) -> None:
        """`kind`: what the texts depend on; retrievers of equal kinds and encoders share blocks."""
        self.encoder = encoder.fingerprint
        self.kind: Hashable = (encoder.fingerprint, kind) if kind else id(self)
        self._encoder = encoder
        self._text_of = text_of
        self._examples: list[Example] = []
        self._vectors = VectorPool(encoder.dimension, exact_up_to=exact_up_to)

    def __len__(self) -> int:
        return len(self._examples)

    def add(self, examples: Sequence[Example]) -> None:
        """Embed examples and add them to the pool."""
        self.add_block(self.embed(examples, {}))

    def embed(self, examples: Sequence[Example], stored: Mapping[bytes, Any]) -> Block:
        """Examples as a block: see `Retriever.embed`."""
        texts = [self._text_of(example) for example in examples]
        keys = [text_key(text) for text in texts]
        new = [text for text, key in zip(texts, keys, strict=True) if key not in stored]
        if new and stored:
            logger.info("encoding %d of %d examples, which have no stored embedding", len(new), len(texts))
        computed = iter(self._encoder.encode(new))
        vectors = [stored[key] if key in stored else next(computed) for key in keys]
        return Block(tuple(examples), np.stack(vectors) if vectors else np.zeros((0, self._encoder.dimension), np.float32))

    def add_block(self, block: Block) -> None:
        """Add the examples of a block to the pool, without a copy of their embeddings."""
        self._vectors.add(block.vectors)
        self._examples.extend(block.examples)

    def embeddings(self, examples: Sequence[Example]) -> dict[bytes, Any]:
        """The embedding of each example's text by the text's hash."""
        texts = [self._text_of(example) for example in examples]
        return dict(zip(map(text_key, texts), self._encoder.encode(texts), strict=True))

    def search(self, texts: Sequence[str], k: int) -> list[list[tuple[Example, float]]]:
        """The `k` nearest examples of each text: see `Retriever.search`."""
        if not self._examples or not texts or k <= 0:
            return [[] for _ in texts]
        answers = []
        for numbers, scores in self._vectors.nearest(self._encoder.encode(texts), k):
            found = [(self._examples[number], round(score, _TIE)) for number, score in
                     zip(numbers.tolist(), scores.tolist(), strict=True)]
            answers.append(sorted(found, key=lambda pair: (-pair[1], pair[0].example_id))[:k])
        return answers


class NoRetriever:
    """`Retriever` of a job that shows no examples: it keeps none and finds none."""

    encoder = ""
    kind: Hashable = None

    def __len__(self) -> int:
        return 0

    def add(self, examples: Sequence[Example]) -> None:
        """Nothing."""

    def embed(self, examples: Sequence[Example], stored: Mapping[bytes, Any]) -> Block:
        """An empty block."""
        return Block((), None)

    def add_block(self, block: Block) -> None:
        """Nothing."""

    def embeddings(self, examples: Sequence[Example]) -> dict[bytes, Any]:
        """None."""
        return {}

    def search(self, texts: Sequence[str], k: int) -> list[list[tuple[Example, float]]]:
        return [[] for _ in texts]
