"""Rounds of correction with an oracle in place of a person: what a budget buys, before anybody is asked.

Dialogues that nothing is ever selected from are drawn first, by their ids alone. Then for each strategy and seed: select turns
of the others, correct them as the gold says (with a rate of mistakes), learn, label all dialogues anew, score, and so on.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nc_latent_tod.annotation.corrections import Correction
from nc_latent_tod.annotation.menus import Menu, Menus
from nc_latent_tod.annotation.overlay import corrected_example
from nc_latent_tod.annotation.relabel import Taught, learnt, relabelled
from nc_latent_tod.annotation.selection import Strategy, select
from nc_latent_tod.corpus.gold.load import GoldTurns
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.evaluation.labels.sums import accepted, act_key, flat, same_change
from nc_latent_tod.labels import Act, Example, StateChange, apply_change

METRICS = ("joint_goal_accuracy", "slot_f1", "act_f1")

Dialogues = Sequence[Sequence[Example]]


@dataclass(frozen=True)
class Point:
    """Scores after one round, as sums by dialogue."""

    strategy: str
    seed: int
    round: int
    corrected: int  # turns so far
    sums: np.ndarray  # (dialogues, METRICS, 2): numerator and denominator


@dataclass(frozen=True)
class Plan:
    """What is tried."""

    strategies: Sequence[str]
    rounds: int
    per_round: int
    seeds: int
    error_rate: float = 0.0
    untouched: int = 300  # dialogues that nothing is selected from


def untouched_dialogues(ids: Sequence[str], count: int) -> frozenset[str]:
    """The dialogues that are held out, by a hash of their ids. Raises `ConfigError` where none would be left to select from."""
    if not 0 < count < len(ids):
        raise ConfigError(f"{count} untouched dialogues of {len(ids)}: at least one must be left to select from, and one to "
                          "score. Give another number with --untouched.")
    return frozenset(sorted(ids, key=_drawn)[:count])


def _drawn(dialogue_id: str) -> bytes:
    """As `publish` draws validation dialogues, with seed 0."""
    return hashlib.sha256(f"0/{dialogue_id}".encode("utf-8", "surrogatepass")).digest()


def simulated(dialogues: Dialogues, menus: Menus, gold: GoldTurns, plan: Plan, vectors: Mapping[tuple[str, int], np.ndarray],
              report: Callable[[Point], None] = lambda point: None) -> Iterator[Point]:
    """Yield round 0, once for every strategy and seed, and every round after it. Equal input gives equal points."""
    held = untouched_dialogues([turns[0].turn.dialogue_id for turns in dialogues], plan.untouched)
    begin = relabelled(menus, dialogues, Taught(), {})
    scorer = Scorer(gold)
    start = scorer.sums(begin, {})
    for name in plan.strategies:
        for seed in range(plan.seeds):
            for point in _course(name, seed, begin, start, scorer, menus, plan, vectors, held):
                report(point)
                yield point


def _course(name: str, seed: int, begin: Dialogues, start: np.ndarray, scorer: Scorer, menus: Menus, plan: Plan,
            vectors: Mapping[tuple[str, int], np.ndarray], held: frozenset[str]) -> Iterator[Point]:
    """One strategy with one seed."""
    yield Point(name, seed, 0, 0, start)
    labels, corrected = begin, dict[tuple[str, int], Example]()
    rng = random.Random(f"oracle/{seed}")
    for number in range(1, plan.rounds + 1):
        for example, earlier in _selected(name, seed, number, labels, corrected, plan, vectors, held):
            corrected[example.turn.key] = oracle(example, earlier, scorer.gold, menus, plan.error_rate, rng)
        labels = relabelled(menus, begin, learnt(menus, labels, corrected), corrected)
        yield Point(name, seed, number, len(corrected), scorer.sums(labels, corrected))


def _selected(name: str, seed: int, number: int, labels: Dialogues, corrected: Mapping[tuple[str, int], Example], plan: Plan,
              vectors: Mapping[tuple[str, int], np.ndarray], held: frozenset[str]) -> list[tuple[Example, list[Any]]]:
    """The turns of a round, with the turns before each."""
    before = {e.turn.key: [one.turn for one in turns[:place]] for turns in labels for place, e in enumerate(turns)}
    pool = [e for turns in labels if turns[0].turn.dialogue_id not in held for e in turns
            if e.turn.key not in corrected and e.turn.user_utterance.strip()]
    known = np.array([vectors[key] for key in corrected]) if corrected and vectors else None
    rows = np.array([vectors[e.turn.key] for e in pool]) if vectors else None
    picked = select(pool, plan.per_round, Strategy(name), seed=seed * 1000 + number, vectors=rows, known=known)
    return [(one.example, before[one.example.turn.key]) for one in picked]


def oracle(example: Example, earlier: Sequence[Any], gold: GoldTurns, menus: Menus, error_rate: float,
           rng: random.Random) -> Example:
    """A correction as the gold gives it. A mistake is another reading of the turn, for the change and for the acts alike."""
    known = gold[example.turn.key]
    change: StateChange = example.label.change if same_change(example.label.change, known) else known.label.change
    acts: Sequence[Act] = known.label.acts if known.has_acts else example.label.acts
    if rng.random() < error_rate:
        change = _another(menus.of_change(example.turn, example.prior_state, earlier), change, rng)
        acts = _another(menus.of_acts(example.turn, example.prior_state, earlier), tuple(acts), rng)
    correction = Correction(*example.turn.key, "", "fixed", change, tuple(acts))
    return corrected_example(example, correction, "oracle")


def _another(menu: Menu, right: Any, rng: random.Random) -> Any:
    others = [value for value in menu.values if value != right]
    return rng.choice(others) if others else right


class Scorer:
    """Sums by dialogue; those of a dialogue whose labels are as they were are looked up."""

    def __init__(self, gold: GoldTurns) -> None:
        self.gold = gold
        self._known: dict[tuple[Any, ...], np.ndarray] = {}

    def sums(self, labels: Dialogues, corrected: Mapping[tuple[str, int], Example]) -> np.ndarray:
        """Joint goal accuracy, slot F1 and act F1 with corrections in place: (dialogues, METRICS, 2)."""
        return np.array([self._dialogue(turns, corrected) for turns in labels])

    def _dialogue(self, turns: Sequence[Example], corrected: Mapping[tuple[str, int], Example]) -> np.ndarray:
        spoken = [corrected[e.turn.key].label if e.turn.key in corrected else e.label for e in turns]
        key = (turns[0].turn.dialogue_id, *((repr(label.change), label.acts) for label in spoken))
        if key not in self._known:
            total = np.zeros((len(METRICS), 2))
            state: Mapping[str, Mapping[str, str]] = {}
            for example, label in zip(turns, spoken, strict=True):
                state = apply_change(state, label.change)
                total += self._turn(example, state, label.acts)
            self._known[key] = total
        return self._known[key]

    def _turn(self, example: Example, state: Mapping[str, Mapping[str, str]], acts: Sequence[Act]) -> np.ndarray:
        gold = self.gold[example.turn.key]
        mine, theirs = flat(state), flat(gold.label.state)
        right = sum(key in theirs and value in accepted(gold, key, theirs) for key, value in mine.items())
        said, wanted = ({act_key(a)[:2] for a in part} for part in ((acts, gold.label.acts) if gold.has_acts else ((), ())))
        return np.array([[right == len(mine) == len(theirs), 1], [2 * right, len(mine) + len(theirs)],
                         [2 * len(said & wanted), len(said) + len(wanted)]], float)


def scores(point: Point, chosen: np.ndarray | None = None) -> dict[str, float]:
    """The metrics of a point, over all dialogues or the `chosen` ones (dialogues,), bool."""
    sums = (point.sums if chosen is None else point.sums[chosen]).sum(axis=0)
    return {name: float(sums[i, 0] / sums[i, 1]) if sums[i, 1] else 0.0 for i, name in enumerate(METRICS)}


def row(point: Point, held: np.ndarray, seconds_a_turn: float) -> dict[str, Any]:
    """A row of the curve: scores of all dialogues, and of the untouched ones."""
    named = {f"{name}_untouched": value for name, value in scores(point, held).items()}
    rounded = {name: round(value, 6) for name, value in {**scores(point), **named}.items()}
    return {"strategy": point.strategy, "seed": point.seed, "round": point.round, "corrected": point.corrected,
            "minutes": round(point.corrected * seconds_a_turn / 60, 2), **rounded}


def intervals(points: Sequence[Point], held: np.ndarray, *, resamples: int = 2000) -> list[dict[str, Any]]:
    """For each strategy and round the mean over seeds on untouched dialogues, and its gain over round 0, with 95 % intervals.

    A resample draws untouched dialogues and seeds, both with replacement, and takes the same ones in both rounds (paired).
    `over_random`: the same for the area under the curve (the mean over rounds) less that of `random`, where it was tried.
    """
    names = list(dict.fromkeys(point.strategy for point in points))
    seeds, rounds = (1 + max(getattr(point, part) for point in points) for part in ("seed", "round"))
    table = np.zeros((len(names), seeds, rounds, int(held.sum()), 2))
    for point in points:
        table[names.index(point.strategy), point.seed, point.round] = point.sums[held, 0]
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(resamples):
        weights = rng.multinomial(table.shape[3], np.full(table.shape[3], 1 / table.shape[3])).astype(float)
        sums = np.einsum("nsrdk,d->nsrk", table, weights)[:, rng.integers(seeds, size=seeds)]
        drawn.append((sums[..., 0] / sums[..., 1]).mean(axis=1))
    whole = table.sum(axis=3)
    return _summary(names, (whole[..., 0] / whole[..., 1]).mean(axis=1), np.array(drawn), points)


def _summary(names: Sequence[str], mean: np.ndarray, drawn: np.ndarray, points: Sequence[Point]) -> list[dict[str, Any]]:
    """`mean`: (strategies, rounds); `drawn`: (resamples, strategies, rounds)."""
    def told(value: float, samples: np.ndarray) -> list[float]:
        return [round(float(v), 4) for v in (value, *np.percentile(samples, (2.5, 97.5)))]

    found = []
    for i, name in enumerate(names):
        corrected = {point.round: point.corrected for point in points if point.strategy == name}
        area: dict[str, Any] = {}
        if "random" in names:
            j = names.index("random")
            area = {"area_over_random": told(mean[i, 1:].mean() - mean[j, 1:].mean(),
                                             drawn[:, i, 1:].mean(axis=1) - drawn[:, j, 1:].mean(axis=1))}
        found += [{"strategy": name, "round": r, "corrected": corrected[r],
                   "joint_goal_accuracy_untouched": told(mean[i, r], drawn[:, i, r]),
                   "gain": told(mean[i, r] - mean[i, 0], drawn[:, i, r] - drawn[:, i, 0]), **area} for r in sorted(corrected)]
    return found
