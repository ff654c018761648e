"""Weights that are learnt from labels: what proposals cannot know by hand-set scores, such as which words ask for which slot.

A log-linear model over the proposals of a turn, p(y) proportional to exp(sum of the weights of y's features), learnt to give
each proposal the share that it has in the labels of a round. It never sees a proposal's own score, so it is a second opinion,
and the two multiply: score + sum of weights (a product of experts, Hinton 2002). A dialogue is ranked by weights that were
learnt from other dialogues than itself, or a label would only confirm itself.
"""

from __future__ import annotations

import hashlib
import math
import random
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, BeliefState, StateChange

FOLDS = 2
_WORD = re.compile(r"[a-z']+")
_MIN_COUNT = 8  # readings that must have a feature for it to have a weight
_EPOCHS, _RATE = 6, 0.1  # of AdaGrad (Duchi et al. 2011)
_NEAR = 2  # words before and after a value

Reading = tuple[float, Collection[str]]
"""(share of a proposal, its features)."""


@dataclass(frozen=True)
class Ranker:
    """One set of weights a fold; those of a fold were learnt from the other dialogues."""

    weights: Sequence[Mapping[str, float]]

    def rescored(self, dialogue_id: str, proposals: Sequence[tuple[float, Collection[str]]]) -> list[float]:
        """New log pseudo-probabilities of a turn's proposals, given (score, features) of each."""
        weights = self.weights[fold(dialogue_id)]
        scores = [score + sum(weights.get(f, 0.0) for f in sorted(features)) for score, features in proposals]
        total = _log_sum(scores) if scores else 0.0
        return [round(score - total, 4) for score in scores]


def fold(dialogue_id: str) -> int:
    """Which half of the dialogues one is in, whatever the corpus."""
    return hashlib.sha256(dialogue_id.encode("utf-8", "surrogatepass")).digest()[0] % FOLDS


def features(change: StateChange, prior: BeliefState, turn: Turn, response: Sequence[Act], before: Sequence[Act]) -> set[str]:
    """What speaks for or against a change: its slots beside the turn's words and the system's acts after and before it."""
    said = turn.user_utterance.lower()
    words = [f"w {word}" for word in set(_WORD.findall(said))]
    context = {"", *words, *(f"R {act.service}" for act in response), *(f"R {act.act} {act.service}" for act in response),
               *(f"L {act.service}" for act in before), *(f"L {act.act} {act.service} {act.slot}" for act in before)}
    answering = {act.service for act in response if act.service}
    found: set[str] = set()
    for service, slots in change.items():
        found.add("no answer" if not answering else "answered" if service in answering else "not answered")
        found.add("old service" if service in prior else "new service")
        for slot, value in slots.items():
            part, kind = f"{service}.{slot}", _kind(value)
            found |= {f"{part}|{c}" for c in context}
            found |= {f"{slot}={kind}", f"{part}={kind}"} | {f"{part}|{c}" for c in _neighbours(value, said)}
            if slot in prior.get(service, {}):
                found |= {f"{slot}|again", f"{part}|again"}
    return found or {f"nothing|{c}" for c in context}


def learn(turns: Sequence[tuple[str, Sequence[Reading]]], *, seed: int = 0) -> Ranker:
    """Fit the weights to (dialogue id, readings) of every turn. Equal turns and seed give equal weights."""
    counts = Counter(f for _, readings in turns for _, of in readings for f in of)
    known = {f for f, count in counts.items() if count >= _MIN_COUNT}
    kept = [(fold(dialogue), [(share, sorted(known.intersection(of))) for share, of in readings])
            for dialogue, readings in turns if len(readings) > 1]
    return Ranker([_fitted([readings for place, readings in kept if place != number], seed) for number in range(FOLDS)])


def _fitted(turns: Sequence[Sequence[tuple[float, Sequence[str]]]], seed: int) -> dict[str, float]:
    """Weights that maximise the sum of share times log p, by AdaGrad over turns in random order."""
    weights: dict[str, float] = {}
    squares: dict[str, float] = {}
    order, rng = list(turns), random.Random(seed)
    for _ in range(_EPOCHS):
        rng.shuffle(order)
        for readings in order:
            scores = [sum(weights.get(f, 0.0) for f in of) for _, of in readings]
            total = _log_sum(scores)
            for (share, of), score in zip(readings, scores, strict=True):
                gradient = share - math.exp(score - total)
                if abs(gradient) > 1e-3:
                    for f in of:
                        squares[f] = squares.get(f, 1e-3) + gradient * gradient
                        weights[f] = weights.get(f, 0.0) + _RATE * gradient / math.sqrt(squares[f])
    return {f: round(weight, 4) for f, weight in sorted(weights.items()) if abs(weight) >= 0.01}


def _kind(value: str | None) -> str:
    return "none" if value is None else value if value in ("dontcare", "yes", "no") else "value"


def _neighbours(value: str | None, said: str) -> list[str]:
    """The words beside a value in the utterance."""
    if not value or (at := said.find(value.lower())) < 0:
        return ["unsaid"]
    before, after = _WORD.findall(said[:at])[-_NEAR:], _WORD.findall(said[at + len(value):])[:_NEAR]
    return ["said", *(f"< {word}" for word in before), *(f"> {word}" for word in after)]


def _log_sum(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))
