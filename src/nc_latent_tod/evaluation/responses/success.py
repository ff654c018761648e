"""Inform and Success of one dialogue: was an entity offered that meets the user's goal, and was everything asked for told?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nc_latent_tod.evaluation.responses.multiwoz import REFERENCE, REQUESTABLES, SEARCHED, TOTAL
from nc_latent_tod.evaluation.responses.venues import Venues
from nc_latent_tod.labels import BeliefState


@dataclass(frozen=True, slots=True)
class Goal:
    """What the user wanted of one domain."""

    informable: Mapping[str, str]  # constraints, by normalised slot
    requested: frozenset[str]  # placeholders that the system has to give


@dataclass(frozen=True, slots=True)
class SystemTurn:
    """What one system turn did, as the evaluation sees it."""

    placeholders: frozenset[str]
    state: BeliefState  # slots and values normalised
    domains: tuple[str, ...]  # active ones
    booked: frozenset[str]  # domains in which a booking has succeeded by now


@dataclass(frozen=True, slots=True)
class Outcome:
    """By domain of the goal and `TOTAL`. A dialogue that is not informed has no success in any domain."""

    informed: Mapping[str, bool]
    succeeded: Mapping[str, bool]


def judge(goals: Mapping[str, Goal], turns: Sequence[SystemTurn], venues: Mapping[str, Venues]) -> Outcome:
    """Judge one dialogue; `venues` has every searched domain of `goals`."""
    offered, told = dict.fromkeys(goals, 0), {domain: set[str]() for domain in goals}
    for turn in turns:
        for domain in turn.domains:
            if domain in goals:
                offered[domain] = _offered(offered[domain], domain, turn, venues)
                told[domain] |= turn.placeholders if domain in turn.booked else turn.placeholders - {REFERENCE}
    informed = {domain: _informed(domain, goal, offered[domain], venues) for domain, goal in goals.items()}
    succeeded = {domain: all(informed.values()) and goal.requested <= told[domain] for domain, goal in goals.items()}
    return Outcome({**informed, TOTAL: all(informed.values())}, {**succeeded, TOTAL: all(succeeded.values())})


def _offered(before: int, domain: str, turn: SystemTurn, venues: Mapping[str, Venues]) -> int:
    """The set of entities that may be the one offered: a new mention counts, unless it only leaves more of them."""
    if domain not in SEARCHED or SEARCHED[domain].offer not in turn.placeholders:
        return before
    now = venues[domain].search(turn.state[domain]) if domain in turn.state else 0
    return now if not before or before & ~now else before


def _informed(domain: str, goal: Goal, offered: int, venues: Mapping[str, Venues]) -> bool:
    """Whether every entity that may have been offered meets the goal.

    Nothing needs to be offered where the user names the entity, where the domain has no database, and for a train
    whose number is not asked for.
    """
    if domain not in SEARCHED or "name" in goal.informable:
        return True
    if not offered:
        return SEARCHED[domain].offer == REQUESTABLES["trainid"] and REQUESTABLES["trainid"] not in goal.requested
    return not offered & ~venues[domain].search(goal.informable)
