"""Several annotators of one round: one correction a turn by majority, and how far they agree (Cohen 1960)."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from statistics import median

from nc_latent_tod.annotation.corrections import Correction
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.errors import ConfigError, CorpusError, nearest

_NAMED = 20  # turns told at once


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a round is."""

    turns: int
    labelled: int  # turns that somebody gave a verdict, unsure ones too
    unsure: int
    median_seconds: float | None  # a correction; None where nobody measured
    annotators: tuple[str, ...]
    kappa: Mapping[str, float]  # by `service.slot` and `acts`: mean over pairs of annotators; empty with one


def settled(corrections: Sequence[Correction], annotator: str | None = None) -> list[Correction]:
    """One correction a turn: that of `annotator`, or the one that more annotators gave than any other.

    Raises `CorpusError` naming the turns where no reading leads, `ConfigError` where there is no such annotator.
    """
    if annotator is not None:
        names = sorted({correction.annotator for correction in corrections})
        if annotator not in names:
            raise ConfigError(f"Nobody called {annotator!r} corrected this round.{nearest(annotator, names)} There are: "
                              f"{', '.join(map(repr, names))}.")
        corrections = [correction for correction in corrections if correction.annotator == annotator]
    found, contradicting = [], []
    for key, given in _by_turn(corrections).items():
        chosen = _majority(given)
        if chosen is None:
            contradicting.append(f"turn {key[1]} of dialogue {key[0]!r} ({', '.join(c.annotator or '?' for c in given)})")
        else:
            found.append(chosen)
    if contradicting:
        more = f" and {len(contradicting) - _NAMED} more" if len(contradicting) > _NAMED else ""
        raise CorpusError(f"Corrections contradict each other on {'; '.join(contradicting[:_NAMED])}{more}. Nothing was "
                          "changed: take one person's with --annotator NAME, or let a third correct the round.")
    return found


def standing(made: Round, corrections: Sequence[Correction]) -> Standing:
    """What is labelled of a round, how long it took, and how far annotators agree."""
    by_turn = _by_turn(corrections)
    seconds = [correction.seconds for correction in corrections if correction.seconds > 0]
    return Standing(
        len(made.turns), len(by_turn), sum(all(c.verdict == "unsure" for c in given) for given in by_turn.values()),
        round(median(seconds), 3) if seconds else None, tuple(sorted({c.annotator for c in corrections})),
        agreement(corrections))


def agreement(corrections: Sequence[Correction]) -> dict[str, float]:
    """Cohen's kappa a slot and of the acts as a whole, over the turns that two annotators are both sure of.

    Of more than two, the mean over pairs. A slot whose value is everywhere the same for both is left out: chance alone would
    agree as much.
    """
    by_annotator: dict[str, dict[tuple[str, int], Correction]] = defaultdict(dict)
    for correction in corrections:
        if correction.verdict != "unsure":
            by_annotator[correction.annotator][correction.key] = correction
    found: dict[str, list[float]] = defaultdict(list)
    for one, other in combinations(sorted(by_annotator), 2):
        a, b = by_annotator[one], by_annotator[other]
        shared = sorted(a.keys() & b.keys())
        slots = sorted({(service, slot) for key in shared for c in (a[key], b[key])
                        for service, values in c.change.items() for slot in values})
        for service, slot in slots:
            pairs = [tuple(repr(c.change.get(service, {}).get(slot, "")) for c in (a[key], b[key])) for key in shared]
            if (value := kappa(pairs)) is not None:
                found[f"{service}.{slot}"].append(value)
        if (value := kappa([(_acts(a[key]), _acts(b[key])) for key in shared])) is not None:
            found["acts"].append(value)
    return {name: round(sum(values) / len(values), 4) for name, values in sorted(found.items())}


def kappa(pairs: Sequence[tuple[str, ...]]) -> float | None:
    """(p_o - p_e) / (1 - p_e) of two raters' categories; None where p_e is 1 or there are no pairs."""
    if not pairs:
        return None
    observed = sum(a == b for a, b in pairs) / len(pairs)
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    chance = sum(first[category] * second[category] for category in first) / len(pairs) ** 2
    return None if chance == 1 else (observed - chance) / (1 - chance)


def _by_turn(corrections: Sequence[Correction]) -> dict[tuple[str, int], list[Correction]]:
    """The last word of each annotator on each turn."""
    latest: dict[tuple[tuple[str, int], str], Correction] = {}
    for correction in corrections:
        at = correction.key, correction.annotator
        if at not in latest or latest[at].time <= correction.time:
            latest[at] = correction
    found: dict[tuple[str, int], list[Correction]] = defaultdict(list)
    for (key, _), correction in sorted(latest.items(), key=lambda item: item[0]):
        found[key].append(correction)
    return found


def _majority(given: Sequence[Correction]) -> Correction | None:
    """The reading that most who are sure gave; the earliest of its corrections. None where two lead."""
    sure = [correction for correction in given if correction.verdict != "unsure"]
    if not sure:
        return given[0]
    counts = Counter(map(_reading, sure)).most_common(2)
    if len(counts) == 2 and counts[0][1] == counts[1][1]:
        return None
    return min((c for c in sure if _reading(c) == counts[0][0]), key=lambda c: (c.time, c.annotator))


def _reading(correction: Correction) -> str:
    return json.dumps([correction.change, _acts(correction)], sort_keys=True)


def _acts(correction: Correction) -> str:
    return json.dumps([asdict(act) for act in sorted(correction.acts)])
