"""The ways to read the pieces of an utterance together, likeliest first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from nc_latent_tod.labels import BeliefState, StateChange
from nc_latent_tod.proposals.context import Assignment, Filler

_SURE, _BONUS = 1.5, 0.5  # log-odds below which a reading is no rival; for a service that has no rival
_BEAM = 64  # partial readings kept
_OPTIONS = 6  # ways to read one piece, besides as nothing

Reading = tuple[float, dict[tuple[str, str], tuple[str, float]]]
"""(log weight, {(service, slot): (value, log-odds of the piece it is from)})"""


def combined(fillers: Sequence[Filler], prior: BeliefState, n: int) -> list[tuple[StateChange, float]]:
    """At most `n` distinct changes with the log of their share, by the softmax over each piece's readings."""
    readings: list[Reading] = [(0.0, {})]
    for piece in _pieces(fillers):
        options = sorted(piece, key=lambda f: (-f.score, f.assigns))[:_OPTIONS]
        total = _log_sum([0.0, *(f.score for f in options)])
        extended = [(weight - total, values) for weight, values in readings]
        for filler in options:
            extended += [(weight + filler.score - total, _with(values, filler)) for weight, values in readings]
        readings = _merged(extended)[:_BEAM]
    weights: dict[tuple[Assignment, ...], float] = {}
    for weight, values in readings:
        key = tuple(sorted((service, slot, value) for (service, slot), (value, _) in values.items()
                           if prior.get(service, {}).get(slot) != value))
        weights[key] = _log_sum([weights[key], weight]) if key in weights else weight
    ranked = sorted(weights.items(), key=lambda item: (-item[1], len(item[0]), item[0]))[:n]
    return [(_change(key), round(weight, 4)) for key, weight in ranked]


def coherent(fillers: Sequence[Filler]) -> list[Filler]:
    """Fillers with a bonus for the services that some words of the turn can only be about."""
    sure: set[str] = set()
    for piece in _pieces([f for f in fillers if f.start >= 0 and f.score > -_SURE]):
        services = {service for filler in piece for service, _, _ in filler.assigns}
        if len(services) == 1 and max(filler.score for filler in piece) > 0:
            sure |= services
    return [replace(f, score=f.score + _BONUS) if {service for service, _, _ in f.assigns} <= sure else f for f in fillers]


def _pieces(fillers: Sequence[Filler]) -> list[list[Filler]]:
    """Readings of the same words stand together; those without words of their own, last, each kind for itself."""
    spanned = sorted((f for f in fillers if f.start >= 0), key=lambda f: (f.start, f.end))
    pieces: list[list[Filler]] = []
    end = -1
    for filler in spanned:
        if filler.start >= end:
            pieces.append([])
        pieces[-1].append(filler)
        end = max(end, filler.end)
    loose: dict[str, list[Filler]] = {}
    for filler in fillers:
        if filler.start < 0:
            loose.setdefault(filler.source, []).append(filler)
    return [_distinct(piece) for piece in (*pieces, *loose.values())]


def _distinct(piece: Sequence[Filler]) -> list[Filler]:
    best: dict[tuple[Assignment, ...], Filler] = {}
    for filler in piece:
        if filler.assigns not in best or best[filler.assigns].score < filler.score:
            best[filler.assigns] = filler
    return list(best.values())


def _with(values: dict[tuple[str, str], tuple[str, float]], filler: Filler) -> dict[tuple[str, str], tuple[str, float]]:
    """Where two pieces set one slot, the surer one does."""
    new = dict(values)
    for service, slot, value in filler.assigns:
        if (service, slot) not in new or new[service, slot][1] < filler.score:
            new[service, slot] = (value, filler.score)
    return new


def _merged(readings: Sequence[Reading]) -> list[Reading]:
    best: dict[tuple, Reading] = {}
    for weight, values in readings:
        key = tuple(sorted((name, value) for name, (value, _) in values.items()))
        if key in best:
            weight = _log_sum([weight, best[key][0]])
        best[key] = (weight, values)
    return sorted(best.values(), key=lambda reading: -reading[0])


def _change(assigns: Sequence[Assignment]) -> StateChange:
    change: dict[str, dict[str, str | None]] = {}
    for service, slot, value in assigns:
        change.setdefault(service, {})[slot] = value
    return change


def _log_sum(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))
