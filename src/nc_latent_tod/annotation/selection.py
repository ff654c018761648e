"""Which turns to ask a person about: a product of objectives with strengths, picked one at a time.

Every objective scores a turn in [0, 1]; a turn's score is the product of (floor + (1 - floor) x score) ^ strength, as Lightly
combines selection strategies. What a pick changes (distances, balances, the turns of its dialogue) is computed anew before the
next. Ties go by a seeded order, so equal pools and seeds give equal picks.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from nc_latent_tod.errors import ConfigError, ParseError, nearest
from nc_latent_tod.labels import Example
from nc_latent_tod.notation.parsing import parse_change
from nc_latent_tod.ranking.uncertainty import MEASURES, UNPARSABLE, by_slot, classes, disagreement, uncertainty
from nc_latent_tod.schema import Schema

STRATEGIES = ("random", "diversity", "uncertainty", "margin_diversity", "balance")
DEFAULT = "margin_diversity"
ALL_MEASURES = (*MEASURES, "slots", "disagreement")

_FLOOR = 0.02  # no objective rules a turn out by itself
_OBJECTIVES: Mapping[str, Mapping[str, float]] = {
    "random": {}, "diversity": {"diversity": 1.0}, "uncertainty": {"uncertainty": 1.0},
    "margin_diversity": {"margin": 1.0, "diversity": 1.0, "reach": 0.5}, "balance": {"balance": 1.0, "margin": 1.0},
}
_CAPS = {"balance": 2}  # turns a dialogue


@dataclass(frozen=True)
class Strategy:
    """What is asked of a selection."""

    name: str = DEFAULT
    measure: str = "entropy"  # of `uncertainty`; `slots`: the margin of the slot that is least sure
    strengths: Mapping[str, float] = field(default_factory=dict)  # by objective, in place of the strategy's own
    per_dialogue: int | None = None  # turns of a dialogue and round, at most
    temperature: float | None = None  # of the shares: see `ranking.uncertainty.shares`
    schema: Schema | None = None  # that candidates are read with, for the measure `slots`

    @property
    def objectives(self) -> dict[str, float]:
        """Strengths by objective; those of strength 0 are left out. Raises `ConfigError` for an unknown name."""
        for name, known in ((self.name, STRATEGIES), (self.measure, ALL_MEASURES), *((s, OBJECTIVES) for s in self.strengths)):
            if name not in known:
                raise ConfigError(f"There is no strategy, measure or objective {name!r} here.{nearest(name, known)} There are: "
                                  f"{', '.join(known)}.")
        return {name: strength for name, strength in {**_OBJECTIVES[self.name], **self.strengths}.items() if strength}

    @property
    def cap(self) -> int | None:
        return self.per_dialogue or _CAPS.get(self.name)


OBJECTIVES = ("margin", "uncertainty", "diversity", "reach", "balance")


def strengths_of(options: Sequence[str]) -> dict[str, float]:
    """Strengths from `OBJECTIVE=NUMBER`. Raises `ConfigError`."""
    found = {}
    for option in options:
        name, _, number = option.partition("=")
        try:
            found[name] = float(number)
        except ValueError:
            raise ConfigError(f"--strength {option!r} is not OBJECTIVE=NUMBER, such as diversity=2.") from None
        if not 0 <= found[name] < float("inf"):
            raise ConfigError(f"--strength {option!r}: a strength is a number from 0.")
    return found


@dataclass(frozen=True)
class Picked:
    """A turn with the score of each objective when it was picked."""

    example: Example
    scores: Mapping[str, float]


def select(turns: Sequence[Example], n: int, strategy: Strategy, *, seed: int, vectors: np.ndarray | None = None,
           known: np.ndarray | None = None) -> list[Picked]:
    """At most `n` of the turns, in the order in which they are picked.

    `vectors`: (turns, dimension), unit rows, where diversity counts; `known`: the same of turns that were selected before.
    """
    objectives = strategy.objectives
    order = _shuffled(turns, seed)
    scored = {name: np.array([_static(name, turns[i], strategy) for i in order]) for name in objectives
              if name in ("margin", "uncertainty")}
    if "reach" in objectives:
        scored["reach"] = _reach([turns[i] for i in order], turns)
    if "diversity" in objectives:
        assert vectors is not None, "diversity needs vectors"
        vectors = vectors[order]
        scored["diversity"] = _distances(vectors, known)
    return _picked([turns[i] for i in order], n, objectives, scored, vectors, strategy.cap)


def whole_dialogues(turns: Sequence[Example], n: int, strategy: Strategy, *, seed: int, vectors: np.ndarray | None = None,
                    known: np.ndarray | None = None) -> list[Picked]:
    """All turns of `n` dialogues, in their order: the dialogues of the first turns that `select` would pick."""
    first = select(turns, n, replace(strategy, per_dialogue=1), seed=seed, vectors=vectors, known=known)
    scores = {one.example.turn.dialogue_id: one.scores for one in first}
    place = {dialogue_id: i for i, dialogue_id in enumerate(scores)}
    chosen = [example for example in turns if example.turn.dialogue_id in place]
    return [Picked(e, scores[e.turn.dialogue_id])
            for e in sorted(chosen, key=lambda e: (place[e.turn.dialogue_id], e.turn.turn_id))]


def _picked(turns: Sequence[Example], n: int, objectives: Mapping[str, float], scored: dict[str, np.ndarray],
            vectors: np.ndarray | None, cap: int | None) -> list[Picked]:
    found: list[Picked] = []
    free = np.ones(len(turns), bool)
    of_dialogue: Counter[str] = Counter()
    services: Counter[str] = Counter()
    while len(found) < n and free.any():
        if "balance" in objectives:
            scored["balance"] = _balance(turns, services)
        total = np.ones(len(turns))
        for name, strength in objectives.items():
            total *= (_FLOOR + (1 - _FLOOR) * scored[name]) ** strength
        best = int(np.argmax(np.where(free, total, -1.0)))
        dialogue_id = turns[best].turn.dialogue_id
        found.append(Picked(turns[best], {name: round(float(scored[name][best]), 6) for name in objectives}))
        free[best] = False
        of_dialogue[dialogue_id] += 1
        services.update(_services(turns[best]))
        if cap and of_dialogue[dialogue_id] >= cap:
            free &= np.array([example.turn.dialogue_id != dialogue_id for example in turns])
        if "diversity" in scored and vectors is not None:
            scored["diversity"] = np.minimum(scored["diversity"], _distances(vectors, vectors[best : best + 1]))
    return found


def _static(name: str, example: Example, strategy: Strategy) -> float:
    outcome = example.label.tasks.get("dst")
    if name == "uncertainty" and strategy.measure == "disagreement":
        return disagreement(outcome)
    if name == "uncertainty" and strategy.measure == "slots":
        return _of_slots(example, strategy)
    return uncertainty(outcome, "margin" if name == "margin" else strategy.measure, strategy.temperature)


def _of_slots(example: Example, strategy: Strategy) -> float:
    """The margin of the slot whose value the readings agree on least; as sure as can be where no reading sets a slot."""
    assert strategy.schema is not None, "slots are read with a schema"
    outcome = example.label.tasks.get("dst")
    if outcome is None or outcome.chosen is None:
        return uncertainty(outcome)
    read = []
    for text, share in classes(outcome, strategy.temperature):
        try:
            change = parse_change(text, strategy.schema, example.prior_state, normalise=False) if text != UNPARSABLE else {}
        except ParseError:
            change = {}
        read.append(({(service, slot): value for service, slots in change.items() for slot, value in slots.items()}, share))
    return max(by_slot(read).values(), default=0.0)


def _distances(vectors: np.ndarray, centres: np.ndarray | None) -> np.ndarray:
    """Half of 1 less the cosine to the nearest centre, in [0, 1]; 1 where there is no centre yet."""
    if centres is None or not len(centres):
        return np.ones(len(vectors))
    found: np.ndarray = np.clip((1 - (vectors @ centres.T).max(axis=1)) / 2, 0.0, 1.0)
    return found


def _reach(turns: Sequence[Example], every: Sequence[Example]) -> np.ndarray:
    """The share of its dialogue whose states a turn's correction can change: itself and what follows."""
    last: dict[str, int] = {}
    for example in every:
        last[example.turn.dialogue_id] = max(last.get(example.turn.dialogue_id, 0), example.turn.turn_id)
    return np.array([1 - e.turn.turn_id / (last[e.turn.dialogue_id] + 1) for e in turns])


def _balance(turns: Sequence[Example], services: Counter[str]) -> np.ndarray:
    """How far the least asked service of a turn is behind the most asked one: 1 for one that nobody was asked about."""
    most = max(services.values(), default=0)
    return np.array([1 - min((services[s] for s in _services(e)), default=most) / most if most else 1.0 for e in turns])


def _services(example: Example) -> set[str]:
    label = example.label
    return {*label.change, *(act.service for act in label.acts if act.service)} or set(label.state)


def _shuffled(turns: Sequence[Example], seed: int) -> list[int]:
    order = sorted(range(len(turns)), key=lambda i: turns[i].turn.key)
    random.Random(seed).shuffle(order)
    return order
