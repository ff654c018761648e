"""Labels anew from what corrections taught: without a model, from the readings that rules propose or a model gave before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nc_latent_tod.annotation.lessons import acts_lesson, change_lesson
from nc_latent_tod.annotation.menus import Menu, Menus, is_models
from nc_latent_tod.labels import Act, BeliefState, Candidate, Example, Label, StateChange, TaskLabel, apply_change
from nc_latent_tod.notation.delexicalise import delexicalise
from nc_latent_tod.proposals.taught import UNTAUGHT, Lesson, teach

_KEPT = 8  # readings that a label keeps
_OF_CHANGES, _OF_ACTS = 20.0, 3.0  # strengths of the prior on weights: see docs/annotation.md for what they were chosen on

Corrected = Mapping[tuple[str, int], Example]
"""Corrected turns by key; read are their change and their acts."""


@dataclass(frozen=True)
class Taught:
    """Weights by feature, of changes and of acts."""

    changes: Mapping[str, float] = field(default_factory=lambda: UNTAUGHT)
    acts: Mapping[str, float] = field(default_factory=lambda: UNTAUGHT)


def learnt(menus: Menus, labels: Sequence[Sequence[Example]], corrected: Corrected,
           weight: Mapping[tuple[str, int], float] | None = None) -> Taught:
    """What the corrected turns of dialogues teach. `labels`: whole dialogues as they are labelled now, turns in order.

    `weight`: of a correction, where it is not 1.
    """
    changes: list[Lesson | None] = []
    acts: list[Lesson | None] = []
    for turns in labels:
        for place, example in enumerate(turns):
            person = corrected.get(example.turn.key)
            if person is None:
                continue
            earlier, counts = [e.turn for e in turns[:place]], (weight or {}).get(example.turn.key, 1.0)
            stored = _stored(example)
            menu = menus.of_change(example.turn, example.prior_state, earlier, stored["dst"])
            changes.append(change_lesson(menu, person.label.change, example.prior_state, earlier, counts))
            menu = menus.of_acts(example.turn, example.prior_state, earlier, stored["act_tag"])
            acts.append(acts_lesson(menu, person.label.acts, counts))
    return Taught(teach([one for one in changes if one], menus.changes, strength=_OF_CHANGES),
                  teach([one for one in acts if one], menus.acts, strength=_OF_ACTS))


def relabelled(menus: Menus, dialogues: Sequence[Sequence[Example]], taught: Taught, corrected: Corrected, *, run_id: str = "",
               provenance: Mapping[str, str] | None = None) -> list[list[Example]]:
    """Whole dialogues labelled anew. A corrected turn keeps the machine's own reading; what follows it begins with the
    person's state.
    """
    weights = _Weights(menus, taught)
    return [_dialogue(weights, turns, corrected, run_id, provenance or {}) for turns in dialogues]


class _Weights:
    """Weights by number, as long as the vocabularies that grow while menus are made."""

    def __init__(self, menus: Menus, taught: Taught) -> None:
        self.menus, self._taught = menus, taught
        self._changes, self._acts = np.zeros(0), np.zeros(0)

    def changes(self, menu: Menu) -> np.ndarray:
        """The log shares of a menu of changes."""
        if len(self._changes) < len(self.menus.changes):
            self._changes = self.menus.changes.weights(self._taught.changes)
        return menu.scores(self._changes)

    def acts(self, menu: Menu) -> np.ndarray:
        """The log shares of a menu of acts."""
        if len(self._acts) < len(self.menus.acts):
            self._acts = self.menus.acts.weights(self._taught.acts)
        return menu.scores(self._acts)


def _dialogue(weights: _Weights, turns: Sequence[Example], corrected: Corrected, run_id: str,
              provenance: Mapping[str, str]) -> list[Example]:
    found: list[Example] = []
    state: BeliefState = {}
    for place, example in enumerate(turns):
        turn, earlier, stored = example.turn, [e.turn for e in turns[:place]], _stored(example)
        change: StateChange = {}
        acts: tuple[Act, ...] = ()
        dst, act_tag = example.label.tasks.get("dst"), example.label.tasks.get("act_tag")
        if turn.user_utterance.strip():
            menu = weights.menus.of_change(turn, state, earlier, stored["dst"])
            change, dst = _chosen(menu, weights.changes(menu), dst) if menu.values else (change, dst)
        menu = weights.menus.of_acts(turn, state, earlier, stored["act_tag"])
        acts, act_tag = _chosen(menu, weights.acts(menu), act_tag) if menu.values else (acts, act_tag)
        label = Label(apply_change(state, change), change, acts, delexicalise(turn.system_response, acts),
                      {name: task for name, task in (("dst", dst), ("act_tag", act_tag)) if task},
                      provenance)
        found.append(Example(turn, state, label, run_id))
        person = corrected.get(turn.key)
        state = apply_change(state, person.label.change) if person else label.state
    return found


def _chosen(menu: Menu, scores: np.ndarray, before: TaskLabel | None) -> tuple[Any, TaskLabel]:
    order = np.argsort(-scores, kind="stable")[:_KEPT]
    old = {c.text: c for c in before.candidates} if before else {}
    candidates = []
    for i in order:
        score = round(float(scores[i]), 4)
        known = old.get(menu.texts[i])
        candidates.append(replace(known, score=score) if known and known.source != "proposal" else
                          Candidate(menu.texts[i], {"proposal": score}, score, 0, "proposal"))
    return menu.values[order[0]], TaskLabel(tuple(candidates), 0, retrieved=before.retrieved if before else ())


def _stored(example: Example) -> dict[str, Example | None]:
    """The label where a model gave its candidates, by task; None where rules read the turn."""
    return {task: example if is_models(example, task) else None for task in ("dst", "act_tag")}
