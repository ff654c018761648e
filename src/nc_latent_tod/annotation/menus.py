"""The readings that a turn may be given, with their features: made once for each state before it, ranked again and again.

What rules propose depends on the state before the turn, and that on the readings chosen so far. So a menu is of a turn and a
state: with other weights most turns keep the state before them and their menu is looked up, and where it differs the turn is
read anew. Nothing is approximated.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ParseError
from nc_latent_tod.labels import Act, BeliefState, Example
from nc_latent_tod.notation.parsing import parse_acts, parse_change
from nc_latent_tod.notation.printing import print_acts, print_change
from nc_latent_tod.proposals.conventions import Scene, act_features, features
from nc_latent_tod.proposals.proposer import Proposer
from nc_latent_tod.proposals.taught import Row, Vocabulary
from nc_latent_tod.schema import Schema

CHANGES, ACTS = 16, 8  # readings of a turn that are weighed

_MOST = 40_000  # menus of a task that are kept: some 20 kB each


@dataclass(frozen=True, slots=True, eq=False)
class Menu:
    """Readings of one task on one turn, likeliest first before anything is taught."""

    values: Sequence[Any]  # state changes, or tuples of acts
    texts: Sequence[str]  # canonical
    rows: Sequence[Row]
    numbers: np.ndarray  # the features of all rows, one after the other
    weights: np.ndarray  # their values
    starts: np.ndarray  # where each row begins

    def scores(self, weights: np.ndarray) -> np.ndarray:
        """The log of each reading's share under `weights`, by feature number: (readings,)."""
        found = np.add.reduceat(weights[self.numbers] * self.weights, self.starts)
        top = found.max()
        shares: np.ndarray = found - (top + np.log(np.exp(found - top).sum()))
        return shares


class Menus:
    """Menus of the turns of one schema. Grows with what is asked for."""

    def __init__(self, proposer: Proposer, schema: Schema) -> None:
        self.changes, self.acts = Vocabulary(), Vocabulary()
        self._proposer, self._schema = proposer, schema
        self._change_menus, self._act_menus = _Kept(), _Kept()
        self._said: dict[tuple[str, int], tuple[Act, ...]] = {}

    def of_change(self, turn: Turn, prior: BeliefState, earlier: Sequence[Turn], stored: Example | None = None) -> Menu:
        """Changes that the turn may ask for. `stored`: a label whose candidates are a model's; they are the readings then.

        Empty where nothing of a model parses.
        """
        key = turn.key, json.dumps(prior, sort_keys=True)
        if (found := self._change_menus.get(key)) is None:
            pieces = self._proposer.pieces(turn, prior, earlier)
            read = [(c.change, c.score) for c in pieces.changes(CHANGES)] if stored is None else self._stored(stored, prior)
            before = self._acts_said(earlier[-1], earlier[:-1]) if earlier else ()
            scene = Scene.of(pieces.context, pieces.fillers, self._proposer.kinds, response=self._acts_said(turn, earlier),
                             before=before)
            found = self._change_menus.put(key, _menu(
                read, lambda change: print_change(change, self._schema), lambda text: parse_change(text, self._schema, prior),
                lambda change, score: self.changes.row(features(change, score, scene))))
        return found

    def of_acts(self, turn: Turn, prior: BeliefState, earlier: Sequence[Turn], stored: Example | None = None) -> Menu:
        """Readings of the system's response; empty where there is none."""
        key = turn.key, json.dumps(prior, sort_keys=True)
        if (found := self._act_menus.get(key)) is None:
            if not turn.system_response.strip():
                read: list[tuple[Any, float]] = []
            elif stored is None:
                read = [(p.acts, p.score) for p in self._proposer.acts(turn, prior, ACTS, earlier)]
            else:
                read = _candidates(stored, "act_tag", lambda text: parse_acts(text, self._schema, normalise=False))
            found = self._act_menus.put(key, _menu(
                read, lambda acts: print_acts(acts, self._schema), lambda text: parse_acts(text, self._schema),
                lambda acts, score: self.acts.row(act_features(acts, score, turn.system_response))))
        return found

    def _acts_said(self, turn: Turn, earlier: Sequence[Turn]) -> tuple[Act, ...]:
        """The system's acts by the best proposal, read without a state: the same ones whatever was labelled before."""
        if turn.key not in self._said:
            found = self._proposer.acts(turn, {}, 1, earlier)
            self._said[turn.key] = found[0].acts if found else ()
        return self._said[turn.key]

    def _stored(self, example: Example, prior: BeliefState) -> list[tuple[Any, float]]:
        return _candidates(example, "dst", lambda text: parse_change(text, self._schema, prior, normalise=False))


class _Kept:
    """The menus that were asked for last."""

    def __init__(self) -> None:
        self._menus: OrderedDict[tuple[tuple[str, int], str], Menu] = OrderedDict()

    def get(self, key: tuple[tuple[str, int], str]) -> Menu | None:
        """A menu, if it is kept."""
        if key in self._menus:
            self._menus.move_to_end(key)
        return self._menus.get(key)

    def put(self, key: tuple[tuple[str, int], str], menu: Menu) -> Menu:
        """Keep a menu; the one that nobody asked for longest goes."""
        self._menus[key] = menu
        if len(self._menus) > _MOST:
            self._menus.popitem(last=False)
        return menu


def is_models(example: Example, task: str) -> bool:
    """Whether a language model gave one of the candidates of a label."""
    outcome = example.label.tasks.get(task)
    return outcome is not None and any(candidate.source != "proposal" for candidate in outcome.candidates)


def _candidates(example: Example, task: str, parse: Callable[[str], Any]) -> list[tuple[Any, float]]:
    """The readings that parse of a stored label, with the scores that ranked them."""
    found = []
    for candidate in example.label.tasks[task].candidates:
        if candidate.error is None and candidate.score is not None:
            try:
                found.append((parse(candidate.text), candidate.score))
            except ParseError:
                continue  # it refers to a value that the state has no longer
    return found


def _menu(read: Sequence[tuple[Any, float]], show: Callable[[Any], str], parse: Callable[[str], Any],
          row: Callable[[Any, float], Row]) -> Menu:
    """Readings in canonical form; of those that become one the better stays, and what the schema cannot say falls out."""
    best: dict[str, tuple[Any, float]] = {}
    for value, score in read:
        try:
            value = parse(show(value))
        except ParseError:
            continue
        best.setdefault(show(value), (value, score))
    rows = [row(value, score) for value, score in best.values()]
    if not rows:
        return Menu((), (), (), np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, int))
    sizes = np.array([len(one.numbers) for one in rows])
    cuts = np.cumsum(sizes)
    numbers, values = np.concatenate([one.numbers for one in rows]), np.concatenate([one.values for one in rows])
    views = [Row(*pair) for pair in zip(np.split(numbers, cuts[:-1]), np.split(values, cuts[:-1]), strict=True)]
    return Menu([value for value, _ in best.values()], list(best), views, numbers, values, cuts - sizes)
