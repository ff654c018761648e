"""A ranker of proposals that some hundred corrections can teach: a log-linear model with a prior on every weight.

p(y) of a turn's changes is proportional to exp(sum of weight times value of y's features), and what is maximised is the log of
the share that the right changes have together, less half the strength times the squared distance of the weights from where they
began: a Gaussian prior (Chen & Rosenfeld 1999, "A Gaussian Prior for Smoothing Maximum Entropy Models"). They begin at 0, that
of the proposal's own score at 1, so that nothing learnt ranks as before, and few corrections change little. No randomness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from nc_latent_tod.proposals.conventions import SCORE

_SCORE_STRENGTH = 100.0  # on that of the proposal's own score
_ITERATIONS = 200
_DIGITS = 6  # of a weight: sums of equal data in another order give equal files


class Vocabulary:
    """Features by number, in the order in which they were first seen."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {SCORE: 0}

    def __len__(self) -> int:
        return len(self.numbers)

    def row(self, features: Mapping[str, float]) -> Row:
        """Features with their values, as numbers."""
        numbers = [self.numbers.setdefault(name, len(self.numbers)) for name in features]
        return Row(np.array(numbers, dtype=np.int32), np.array(list(features.values()), dtype=np.float32))

    def weights(self, named: Mapping[str, float]) -> np.ndarray:
        """Named weights by number; those of features that were never seen have no number and no effect."""
        found = np.zeros(len(self))
        for name, weight in named.items():
            if name in self.numbers:
                found[self.numbers[name]] = weight
        return found


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """The features of one change."""

    numbers: np.ndarray  # (features,), int32
    values: np.ndarray  # (features,), float32


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One corrected turn: its changes, and which of them are right. Some are, and not all."""

    rows: Sequence[Row]
    right: Sequence[bool]
    weight: float = 1.0


UNTAUGHT: Mapping[str, float] = {SCORE: 1.0}
"""Weights that rank as the proposals do by themselves."""


def teach(lessons: Sequence[Lesson], vocabulary: Vocabulary, *, strength: float) -> dict[str, float]:
    """Weights by feature; equal lessons give equal weights. Those of no lesson are left out.

    `strength`: of the prior on a weight; the reciprocal of its variance.
    """
    if not lessons:
        return dict(UNTAUGHT)
    data = _Lessons(lessons, len(vocabulary), strength)
    found = minimize(data.loss, data.start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
    names = list(vocabulary.numbers)
    learnt = {names[number]: round(float(weight), _DIGITS) for number, weight in zip(data.used, found.x, strict=True)}
    return {SCORE: 1.0, **{name: weight for name, weight in sorted(learnt.items()) if weight or name == SCORE}}


class _Lessons:
    """All changes of all lessons as one matrix over the features that they have."""

    def __init__(self, lessons: Sequence[Lesson], features: int, strength: float) -> None:
        rows = [row for lesson in lessons for row in lesson.rows]
        ends = np.cumsum([0, *(len(row.numbers) for row in rows)])
        every = csr_matrix((np.concatenate([row.values for row in rows]).astype(float),
                            np.concatenate([row.numbers for row in rows]), ends), shape=(len(rows), features))
        self.used = np.unique(every.indices)
        self._matrix = every[:, self.used]  # (changes, features)
        sizes = [len(lesson.rows) for lesson in lessons]
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._of = np.repeat(np.arange(len(lessons)), sizes)  # (changes,): the lesson of each
        self._right = np.concatenate([np.asarray(lesson.right, bool) for lesson in lessons])
        self._weight = np.array([lesson.weight for lesson in lessons])
        is_score = self.used == 0
        self.start = is_score.astype(float)
        self._strength = np.where(is_score, _SCORE_STRENGTH, strength)

    def loss(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """What is minimised, in nats, and its gradient."""
        scores = self._matrix @ weights
        every, right = self._totals(scores), self._totals(np.where(self._right, scores, -np.inf))
        residue = np.exp(scores - every[self._of]) - np.where(self._right, np.exp(scores - right[self._of]), 0.0)
        away = weights - self.start
        return (float(self._weight @ (every - right) + 0.5 * (self._strength * away) @ away),
                self._matrix.T @ (residue * self._weight[self._of]) + self._strength * away)

    def _totals(self, scores: np.ndarray) -> np.ndarray:
        """Log of the sum of exp over each lesson: (changes,) -> (lessons,)."""
        top = np.maximum.reduceat(scores, self._starts)
        return top + np.log(np.add.reduceat(np.exp(scores - top[self._of]), self._starts))
