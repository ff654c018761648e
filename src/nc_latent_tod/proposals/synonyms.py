"""Words that a schema does not use, read as those that it does, by the likeness of their vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from nc_latent_tod.proposals.words import FUNCTION_WORDS, MONTHS, NUMBER_WORDS, WEEKDAYS, Token, root

Encode = Callable[[Sequence[str]], np.ndarray]
"""Texts to unit vectors: (len(texts), dimension)."""

_MIN_NAME_LIKENESS = 0.55  # cosine from which an unknown word stands for one of a name
_MIN_CUE_LIKENESS = 0.62  # for one of a description
_MIN_VALUE_LIKENESS = 0.78  # for a possible value, where a neighbour would be a wrong value
_MIN_LETTERS = 3


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words of a schema by what they are good for."""

    names: frozenset[str]  # of services and slots
    cues: frozenset[str]  # of descriptions
    values: frozenset[str]  # possible values
    known: frozenset[str]  # words that mean what they say, and stand for no other


class Synonyms:
    """The nearest word of the schema for words that it does not have."""

    def __init__(self, encode: Encode, words: Vocabulary) -> None:
        self._encode = encode
        least = dict.fromkeys(words.values, _MIN_VALUE_LIKENESS)
        least.update(dict.fromkeys(words.cues, _MIN_CUE_LIKENESS))
        least.update(dict.fromkeys(words.names, _MIN_NAME_LIKENESS))
        self._words = sorted(word for word in least if _may_stand(word))
        self._least = np.array([least[word] for word in self._words])
        self._vectors = encode(self._words)  # (words, dimension)
        self._known = {root(word) for word in (*self._words, *words.known)}
        self._nearest: dict[str, str | None] = {}

    def read(self, tokens: Sequence[Token], skipped: frozenset[int] = frozenset()) -> list[Token]:
        """Tokens with the root of their synonym, where the schema does not have their own. `skipped`: positions."""
        return [token if i in skipped else self._read(token) for i, token in enumerate(tokens)]

    def _read(self, token: Token) -> Token:
        if token.root in self._known or not _may_stand(token.text):
            return token
        if token.text not in self._nearest:
            self._nearest[token.text] = self._find(token.text)
        synonym = self._nearest[token.text]
        return replace(token, meant=root(synonym)) if synonym else token

    def _find(self, word: str) -> str | None:
        if not self._words:
            return None
        excess = self._vectors @ self._encode([word])[0] - self._least
        best = int(excess.argmax())
        return self._words[best] if excess[best] >= 0 else None


def _may_stand(word: str) -> bool:
    return (len(word) >= _MIN_LETTERS and word.isalpha() and word not in FUNCTION_WORDS and word not in WEEKDAYS
            and word not in MONTHS and word not in NUMBER_WORDS)
