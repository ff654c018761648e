"""What corrections teach a ranker: which readings of a corrected turn are right.

A reading is right where it holds all that the person gave and nothing wrong. What a turn sets although the person did not give
it is not always wrong: where the state lacks a value of an earlier turn, a reading that finds it late mends the state. Such
values, told earlier in the dialogue and absent from the state, count neither for nor against. A turn without a right reading
teaches nothing: tried were the person's own change as a further reading, and the nearest reading, and both taught less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nc_latent_tod.annotation.menus import Menu
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, BeliefState, StateChange
from nc_latent_tod.proposals.taught import Lesson


def change_lesson(menu: Menu, change: StateChange, prior: BeliefState, earlier: Sequence[Turn],
                  weight: float = 1.0) -> Lesson | None:
    """The lesson of a corrected change; None where all readings are right, or none."""
    wanted = _flat(change)
    told = " ".join(f"{turn.last_system_utterance} {turn.user_utterance}" for turn in earlier).casefold()
    right = [_is_right(_flat(value), wanted, prior, told) for value in menu.values]
    return _lesson(menu, right, weight)


def acts_lesson(menu: Menu, acts: Sequence[Act], weight: float = 1.0) -> Lesson | None:
    """The lesson of corrected acts: the readings that share most with them (F1) are right; None where all are, or none."""
    wanted = set(map(_folded, acts))
    alike = [_f1(set(map(_folded, value)), wanted) for value in menu.values]
    best = max(alike, default=0.0)
    return _lesson(menu, [value == best and best > 0 for value in alike], weight)


def _lesson(menu: Menu, right: Sequence[bool], weight: float) -> Lesson | None:
    return Lesson(menu.rows, right, weight) if any(right) and not all(right) else None


def _is_right(read: Mapping[tuple[str, str], str | None], wanted: Mapping[tuple[str, str], str | None], prior: BeliefState,
              told: str) -> bool:
    if any(key not in read or read[key] != value for key, value in wanted.items()):
        return False
    return all(key in wanted or bool(value and key[1] not in prior.get(key[0], {}) and value in told)
               for key, value in read.items())


def _flat(change: StateChange) -> dict[tuple[str, str], str | None]:
    return {(service, slot): None if value is None else " ".join(value.casefold().split())
            for service, slots in change.items() for slot, value in slots.items()}


def _folded(act: Act) -> tuple[str, ...]:
    return act.act, act.service, act.slot, act.value.casefold()


def _f1(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0
