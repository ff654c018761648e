"""What the ways of labelling share: an outcome for every turn, and one turn's failure kept from the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from nc_latent_tod.errors import TurnError
from nc_latent_tod.labels import Candidate, TaskLabel

NO_CANDIDATE_PARSED = "no_candidate_parsed"

Q = TypeVar("Q")
A = TypeVar("A")


class Inferred(NamedTuple):
    """A task's reading of a turn: a state change or acts; None where it failed or there was nothing to read."""

    value: Any
    outcome: TaskLabel


def turn_by_turn(ask: Callable[[Sequence[Q]], Sequence[A]], questions: Sequence[Q]) -> list[A | TurnError]:
    """Ask for all at once; where a model refuses one of them, one at a time, so that no other fails with it."""
    try:
        return list(ask(questions)) if questions else []
    except TurnError as error:
        if len(questions) == 1:
            return [error]
        return [answer for question in questions for answer in turn_by_turn(ask, [question])]


def failed(reason: str, retrieved: tuple[tuple[str, float], ...] = (), candidates: Sequence[Candidate] = ()) -> Inferred:
    """The outcome of a turn without a label."""
    return Inferred(None, TaskLabel(candidates=tuple(candidates), chosen=None, failure=reason, retrieved=retrieved))
