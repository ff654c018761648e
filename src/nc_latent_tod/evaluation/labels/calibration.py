"""Whether confidence means what it says, and the temperatures at which it does.

For each kind of label, its confidence is compared with how often it is right: the expected calibration error is the mean over
bins of equal width of |accuracy - mean confidence|, weighted by their labels (Naeini et al. 2015; Guo et al. 2017, section 2);
the Brier score is the mean of (confidence - right)^2.

A temperature maximises the likelihood of which chosen readings are right: the sum of log p where right and log(1 - p) where
wrong, with p the share of the chosen reading. That is what publishing decides by, and it counts turns whose right reading was
never proposed, which the likelihood of the right reading cannot. Errors of the fit are avoided by fitting on one half of the
dialogues and judging on the other, both ways.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nc_latent_tod.evaluation.labels.coverage import rank_of_acts
from nc_latent_tod.evaluation.labels.sums import accepted, act_key, flat, same_change
from nc_latent_tod.labels import Example, Gold
from nc_latent_tod.ranking.confidence import TASKS, Temperatures, state_confidence, turn_confidence
from nc_latent_tod.schema import Schema

KINDS = ("dst", "state", "slot", "act_tag", "act")
"""A turn's change, its whole state, a slot of the change, all acts of a turn, one act."""

BINS = 10
LOWEST, HIGHEST = 0.01, 1000.0  # temperatures that are tried
_CERTAIN = 1e-6  # a share is at least so far from 0 and 1, or one confident error would outweigh everything

Pair = tuple[Example, Gold]


@dataclass(frozen=True, slots=True)
class Bin:
    """Labels whose confidence lies between two bounds."""

    low: float
    high: float  # the last bin includes it
    count: int
    confidence: float | None  # mean; None without labels
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class Reliability:
    """How confidence and accuracy of one kind of label go together."""

    count: int
    accuracy: float
    confidence: float  # mean
    ece: float
    brier: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Calibration:
    """By kind, without kinds that have no labels; `fitted` is judged on dialogues that its temperatures have not seen."""

    dialogues: int
    turns: int
    temperature: Temperatures  # fitted on all dialogues
    raw: Mapping[str, Reliability]
    fitted: Mapping[str, Reliability]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return asdict(self)


def calibrate(pairs: Sequence[Pair], schema: Schema) -> Calibration:
    """Fit a temperature for each task and compare confidence with gold, before and after.

    With a single dialogue, `fitted` is judged on what was fitted. Raises `ConfigError` where candidates do not fit `schema`.
    """
    ids = sorted({example.turn.dialogue_id for example, _ in pairs}, key=lambda i: hashlib.sha256(i.encode(
        "utf-8", "surrogatepass")).digest())
    half = set(ids[::2])
    parts = [[pair for pair in pairs if (pair[0].turn.dialogue_id in half) == is_first] for is_first in (True, False)]
    crossed = [(part, fit_temperatures(other or part)) for part, other in (parts, parts[::-1])]
    return Calibration(
        len(ids), len(pairs), fit_temperatures(pairs), _reliabilities(judged(pairs, schema, {})),
        _reliabilities(row for part, temperatures in crossed for row in judged(part, schema, temperatures)))


def fit_temperatures(pairs: Sequence[Pair]) -> dict[str, float]:
    """The likeliest temperature of each task; 1 where none is likelier than another."""
    return {task: fit_temperature([
        ([c.score for c in outcome.candidates if c.score is not None], outcome.candidates[outcome.chosen].score, is_right)
        for example, gold in pairs if (is_right := _is_right(task, example, gold)) is not None
        and (outcome := example.label.tasks[task]).chosen is not None]) for task in TASKS}


def fit_temperature(rows: Sequence[tuple[Sequence[float], float | None, bool]]) -> float:
    """The temperature from `LOWEST` to `HIGHEST` that makes it likeliest which chosen readings are right.

    `rows`: the scores of all readings of a turn, that of the chosen one, and whether it is right. Turns with one reading, or
    without finite scores, say nothing and are left out.
    """
    known = [(scores, chosen, right) for scores, chosen, right in rows
             if len(scores) > 1 and chosen is not None and np.isfinite(chosen)]
    if not known:
        return 1.0
    table = np.full((len(known), max(len(scores) for scores, _, _ in known)), -np.inf)  # (turns, readings), less the chosen
    for row, (scores, chosen, _) in enumerate(known):
        table[row, : len(scores)] = np.asarray(scores) - chosen
    right = np.array([is_right for _, _, is_right in known])
    grid = np.geomspace(LOWEST, HIGHEST, 251)
    best = int(np.argmax([_log_likelihood(table, right, t) for t in grid]))
    finer = np.geomspace(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)], 101)
    return float(finer[int(np.argmax([_log_likelihood(table, right, t) for t in finer]))])


def judged(pairs: Sequence[Pair], schema: Schema, temperatures: Temperatures) -> Iterator[tuple[str, float, bool]]:
    """(kind, confidence, whether it is right) of every label that has a confidence."""
    by_dialogue: dict[str, list[Pair]] = {}
    for pair in pairs:
        by_dialogue.setdefault(pair[0].turn.dialogue_id, []).append(pair)
    for turns in by_dialogue.values():
        turns.sort(key=lambda pair: pair[0].turn.turn_id)
        states = state_confidence([example for example, _ in turns], temperatures)
        for (example, gold), state in zip(turns, states, strict=True):
            yield from _judged(example, gold, state, schema, temperatures)


def _judged(example: Example, gold: Gold, state: float | None, schema: Schema,
            temperatures: Temperatures) -> Iterator[tuple[str, float, bool]]:
    sure, expected = turn_confidence(example, schema, temperatures), flat(gold.label.state)
    for task, known in sure.tasks.items():
        is_right = _is_right(task, example, gold)
        if is_right is not None:
            yield task, known.share, is_right
    if state is not None:
        yield "state", state, is_right_state(example, gold)
    new = flat({service: {slot: value for slot, value in slots.items() if value is not None}
                for service, slots in example.label.change.items()})
    for key, share in sure.slots.items():
        yield "slot", share, (new[key] in accepted(gold, key, expected) if key in expected else False) if key in new else (
            key not in expected)
    if gold.has_acts:
        said = set(map(act_key, gold.label.acts))
        yield from (("act", share, act_key(act) in said) for act, share in zip(example.label.acts, sure.acts, strict=False))


def is_right_state(example: Example, gold: Gold) -> bool:
    """Whether the whole state is right, as joint goal accuracy counts it."""
    mine, expected = flat(example.label.state), flat(gold.label.state)
    return mine.keys() == expected.keys() and all(value in accepted(gold, key, expected) for key, value in mine.items())


def right_by_task(example: Example, gold: Gold) -> dict[str, bool]:
    """Whether the chosen reading is the annotated one, for the tasks that chose one and are annotated."""
    return {task: is_right for task in TASKS if (is_right := _is_right(task, example, gold)) is not None}


def _is_right(task: str, example: Example, gold: Gold) -> bool | None:
    """Whether the chosen reading is the annotated one; None where there is none, or no annotation."""
    outcome = example.label.tasks.get(task)
    if outcome is None or outcome.chosen is None or (task == "act_tag" and not gold.has_acts):
        return None
    return same_change(example.label.change, gold) if task == "dst" else rank_of_acts([example.label.acts], gold) == 0


def _log_likelihood(table: np.ndarray, right: np.ndarray, temperature: float) -> float:
    """Of which chosen readings are right; `table`: scores less that of the chosen reading, (turns, readings)."""
    share = 1.0 / np.exp(np.minimum(table / temperature, 700.0)).sum(axis=1)
    share = np.clip(share, _CERTAIN, 1.0 - _CERTAIN)
    return float(np.log(np.where(right, share, 1.0 - share)).sum())


def _reliabilities(rows: Iterator[tuple[str, float, bool]]) -> dict[str, Reliability]:
    by_kind: dict[str, list[tuple[float, bool]]] = {}
    for kind, confidence, is_right in rows:
        by_kind.setdefault(kind, []).append((confidence, is_right))
    return {kind: reliability(by_kind[kind]) for kind in KINDS if kind in by_kind}


def reliability(rows: Sequence[tuple[float, bool]]) -> Reliability:
    """Compare confidences in [0, 1] with what is right; `rows` is not empty."""
    confidence, right = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = []
    for i in range(BINS):
        inside = place == i
        count = int(inside.sum())
        bins.append(Bin(i / BINS, (i + 1) / BINS, count, *(
            (float(confidence[inside].mean()), float(right[inside].mean())) if count else (None, None))))
    ece = sum(b.count * abs(b.accuracy - b.confidence) for b in bins if b.accuracy is not None and b.confidence is not None)
    return Reliability(len(rows), float(right.mean()), float(confidence.mean()), ece / len(rows),
                       float(((confidence - right) ** 2).mean()), tuple(bins))
