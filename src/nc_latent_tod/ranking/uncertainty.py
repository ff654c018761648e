"""How much a turn's candidates leave open: scores in [0, 1], 0 where one reading has all the mass, 1 where all are alike.

The mass of a reading is its share of the samples, with those that did not parse together as one class; where there are no two
samples, the softmax of the scores. Sums of token log-probabilities saturate there: of -120, -135 and -140 nats the first has
all but 3e-7. So scores of a model are compared in nats a token. The measures are those of active learning (Settles 2009,
section 3.1), each divided by its largest value for so many readings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from nc_latent_tod.labels import Candidate, TaskLabel
from nc_latent_tod.ranking.noisy_channel import posterior

MEASURES = ("least_confidence", "margin", "entropy")

_TYPICAL_TOKENS = 20  # of a reading whose length nobody counted


UNPARSABLE = ""
"""Stands for all readings that did not parse, as one class."""


def classes(outcome: TaskLabel | None, temperature: float | None = None) -> list[tuple[str, float]]:
    """The readings that have mass, each with its share; last `UNPARSABLE`, if samples did not parse. Shares sum to 1.

    `temperature`: of the softmax; by default 1 for proposals, and the mean number of tokens for a model's scores. Samples are
    counted only where none is given.
    """
    candidates = outcome.candidates if outcome else ()
    samples = sum(candidate.count for candidate in candidates)
    parsed = [candidate for candidate in candidates if candidate.error is None]
    if samples > 1 and temperature is None:
        lost = sum(c.count for c in candidates if c.error is not None) / samples
        return [*((c.text, c.count / samples) for c in parsed if c.count), *([(UNPARSABLE, lost)] if lost else [])]
    if not parsed:
        return [(UNPARSABLE, 1.0)] if candidates else []
    found = posterior(parsed, temperature or _temperature(parsed))
    return [(c.text, share) for c, share in zip(parsed, found if any(found) else [1 / len(parsed)] * len(parsed), strict=True)]


def shares(outcome: TaskLabel | None, temperature: float | None = None) -> list[float]:
    """The shares of `classes`."""
    return [share for _, share in classes(outcome, temperature)]


def least_confidence(found: Sequence[float]) -> float:
    """1 less the largest share."""
    return (1 - max(found)) * len(found) / (len(found) - 1) if len(found) > 1 else 0.0


def margin(found: Sequence[float]) -> float:
    """1 less the lead of the largest share over the next."""
    first, second = sorted(found, reverse=True)[:2] if len(found) > 1 else (1.0, 0.0)
    return 1 - (first - second)


def entropy(found: Sequence[float]) -> float:
    """The entropy of the shares over its largest value."""
    return sum(-p * math.log(p) for p in found if p > 0) / math.log(len(found)) if len(found) > 1 else 0.0


MEASURE: Mapping[str, Callable[[Sequence[float]], float]] = {
    "least_confidence": least_confidence, "margin": margin, "entropy": entropy}


def uncertainty(outcome: TaskLabel | None, measure: str = "margin", temperature: float | None = None) -> float:
    """One measure of one task. 1 where nothing parsed although something was read; 0 where there was nothing to read."""
    if outcome is None or (not outcome.candidates and outcome.failure is None):
        return 0.0
    if outcome.chosen is None:
        return 1.0
    return min(1.0, max(0.0, MEASURE[measure](shares(outcome, temperature))))


def by_slot(readings: Sequence[tuple[Mapping[tuple[str, str], str | None], float]], measure: str = "margin") -> dict[
        tuple[str, str], float]:
    """One measure of each slot, given the slots of every reading with the reading's share: over its values and its absence."""
    total = sum(share for _, share in readings)
    found: dict[tuple[str, str], float] = {}
    for key in sorted({key for slots, _ in readings for key in slots}):
        mass: dict[str, float] = {}
        for slots, share in readings:
            value = repr(slots[key]) if key in slots else ""
            mass[value] = mass.get(value, 0.0) + share / total
        found[key] = MEASURE[measure](list(mass.values()))
    return found


def disagreement(outcome: TaskLabel | None) -> float:
    """How differently the direct term and the channel term share out the readings: their Jensen-Shannon divergence over log 2.

    Each term in nats a token. 0 where one of them was not computed.
    """
    both = [c for c in (outcome.candidates if outcome else ())
            if c.error is None and {"direct", "channel"} <= c.logprobs.keys()]
    if len(both) < 2:
        return 0.0
    one, other = (_softmax([c.logprobs[term] / max(1, c.tokens.get(term, _TYPICAL_TOKENS)) for c in both])
                  for term in ("direct", "channel"))
    mean = [(a + b) / 2 for a, b in zip(one, other, strict=True)]
    return min(1.0, max(0.0, (_divergence(one, mean) + _divergence(other, mean)) / (2 * math.log(2))))


def _temperature(parsed: Sequence[Candidate]) -> float:
    lengths = [sum(c.tokens.values()) or _TYPICAL_TOKENS for c in parsed if c.logprobs.keys() - {"proposal"}]
    return sum(lengths) / len(lengths) if lengths else 1.0


def _softmax(scores: Sequence[float]) -> list[float]:
    weights = [math.exp(score - max(scores)) for score in scores]
    return [weight / sum(weights) for weight in weights]


def _divergence(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(p * math.log(p / q) for p, q in zip(one, other, strict=True) if p > 0)
