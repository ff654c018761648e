"""How varied the words of a system are, over all of its responses."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log2

WINDOW = 50  # tokens

_PUNCTUATION = re.compile(r"[^\w\s-]")


@dataclass(frozen=True, slots=True)
class Richness:
    """Placeholders count as words; punctuation does not."""

    mean_tokens: float  # a response
    entropy: float  # bits a token
    conditional_entropy: float  # bits a token, given the one before it in the response
    msttr_50: float | None  # mean share of distinct tokens in windows of 50; None for fewer than 50 tokens
    distinct_unigrams: int
    distinct_bigrams: int
    distinct_trigrams: int


def richness(responses: Sequence[str]) -> Richness:
    """Measure normalised responses; at least one."""
    turns = [_PUNCTUATION.sub("", response.lower()).split() for response in responses]
    tokens = [token for turn in turns for token in turn]
    unigrams = Counter(tokens)
    bigrams = Counter(pair for turn in turns for pair in pairwise(turn))
    trigrams = {triple for turn in turns for triple in zip(turn, turn[1:], turn[2:], strict=False)}
    windows = [tokens[start:start + WINDOW] for start in range(0, len(tokens) - WINDOW + 1, WINDOW)]
    total = max(len(tokens), 1)
    return Richness(
        mean_tokens=len(tokens) / len(turns),
        entropy=-sum(count / total * log2(count / total) for count in unigrams.values()),
        conditional_entropy=-sum(count / total * log2(count / unigrams[pair[0]]) for pair, count in bigrams.items()),
        msttr_50=sum(len(set(window)) / WINDOW for window in windows) / len(windows) if windows else None,
        distinct_unigrams=len(unigrams), distinct_bigrams=len(bigrams), distinct_trigrams=len(trigrams))
