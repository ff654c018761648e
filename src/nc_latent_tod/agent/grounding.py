"""Acts brought to facts: which entity they are about, and what the database, the state and the bookings say of it.

1. An entity that the state names is the one. Otherwise an offer keeps the entity in focus while the search is another one
   than at its last offer and it still matches; the same search again asks for another entity, which has not been offered.
2. Inform, Offer and NotifySuccess tell the entity's values, then the state's; Confirm and NotifyFailure the other way round.
3. A success may tell the booking's reference, for a slot that no intent takes and no entity has. The booking desk gives it out.
4. Affirm and Negate beside a yes-or-no slot say what the entity's value says.
5. An offer or success without any entity becomes a NotifyFailure of the search. A value that is nowhere is left out, and said.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from nc_latent_tod.labels import Act, BeliefState
from nc_latent_tod.notation.delexicalise import WORDED
from nc_latent_tod.notation.normalise import DONTCARE
from nc_latent_tod.tasks.database import Database, Row

_LETTERS = "bcdfghjkmnpqrstvwxz"
_NAMING = frozenset({"Offer", "Inform", "NotifySuccess"})


@dataclass(frozen=True)
class Focus:
    """What the agent remembers of the entities of a dialogue."""

    rows: Mapping[str, Row] = field(default_factory=dict)  # by service: the entity talked of last
    offered: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # names, by service
    searched: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # constraints at the last offer, by service
    bookings: Mapping[str, str] = field(default_factory=dict)  # references, by service


@dataclass(frozen=True)
class Grounded:
    """Acts with their values."""

    acts: tuple[Act, ...]
    focus: Focus
    missing: tuple[str, ...]  # "service.slot" of the values that are nowhere; their acts are left out


def ground(acts: Iterable[Act], state: BeliefState, focus: Focus, database: Database, dialogue_id: str) -> Grounded:
    """Give delexicalised acts their values. Pure: the same arguments give the same answer."""
    acts = tuple(acts)
    for service in sorted({act.service for act in acts if act.service}):
        if any(act.act in _NAMING for act in acts if act.service == service):
            focus = _refocused(service, acts, state, focus, database)
    found: list[Act] = []
    missing: list[str] = []
    for act in acts:
        if _is_empty_handed(act, focus, database):
            found.extend(_failure(act.service, state, database))
        elif not act.value or act.value == DONTCARE:
            found.append(act)
        else:
            focus = _booked(act, focus, database, dialogue_id)
            value = _value(act, state, focus, database)
            found += [replace(act, value=value)] if value else []
            missing += [] if value else [f"{act.service}.{act.slot}"]
    return Grounded(_agreeing(found), focus, tuple(dict.fromkeys(missing)))


def _refocused(service: str, acts: tuple[Act, ...], state: BeliefState, focus: Focus, database: Database) -> Focus:
    """The focus after an entity of the service is chosen, if there is one."""
    constraints, name_slot = state.get(service, {}), database.name_slot(service)
    rows, current = database.matching(service, constraints), focus.rows.get(service)
    is_offer = any(act.act == "Offer" and act.service == service for act in acts)
    chosen = current if current in rows else None
    if is_offer and name_slot and not constraints.get(name_slot):
        seen, failed = focus.offered.get(service, ()), any(a.act == "NotifyFailure" and a.service == service for a in acts)
        if chosen is None or (constraints == focus.searched.get(service) and not failed):
            chosen = next((row for row in rows if row.get(name_slot) not in seen), chosen)
    chosen = chosen or next(iter(rows), None)
    if chosen is None:
        return replace(focus, rows={name: row for name, row in focus.rows.items() if name != service})
    names = (*focus.offered.get(service, ()), chosen.get(name_slot, ""))
    return replace(focus, rows={**focus.rows, service: chosen},
                   offered={**focus.offered, service: tuple(dict.fromkeys(names))},
                   searched={**focus.searched, service: dict(constraints)} if is_offer else focus.searched)


def _is_empty_handed(act: Act, focus: Focus, database: Database) -> bool:
    has_entities = bool(database.name_slot(act.service))
    return act.act in ("Offer", "NotifySuccess") and has_entities and act.service not in focus.rows


def _failure(service: str, state: BeliefState, database: Database) -> list[Act]:
    searched = [Act("NotifyFailure", service, slot, value) for slot, value in state.get(service, {}).items()
                if database.has_column(service, slot) and value != DONTCARE]
    return searched or [Act("NotifyFailure", service)]


def _booked(act: Act, focus: Focus, database: Database, dialogue_id: str) -> Focus:
    """The focus with a reference for the service, where the act is the first to tell one."""
    if act.act != "NotifySuccess" or act.service in focus.bookings or not database.is_reference(act.service, act.slot):
        return focus
    return replace(focus, bookings={**focus.bookings, act.service: reference(dialogue_id, act.service)})


def reference(dialogue_id: str, service: str) -> str:
    """The reference of a booking, two letters and two digits: the same for the same dialogue and service."""
    number = int.from_bytes(hashlib.sha256(f"{dialogue_id}/{service}".encode("utf-8", "replace")).digest()[:4], "big")
    number, digits = divmod(number, 90)
    return f"{_LETTERS[number % len(_LETTERS)]}{_LETTERS[number // len(_LETTERS) % len(_LETTERS)]}{10 + digits}"


def _value(act: Act, state: BeliefState, focus: Focus, database: Database) -> str:
    """The value of an act's slot; "" where it is nowhere."""
    if database.is_reference(act.service, act.slot):
        return focus.bookings.get(act.service, "")
    row, said = focus.rows.get(act.service, {}), state.get(act.service, {})
    sources = (row, said) if act.act in _NAMING else (said, row)
    return next((value for source in sources if (value := source.get(act.slot, "")) not in ("", DONTCARE)), "")


def _agreeing(acts: list[Act]) -> tuple[Act, ...]:
    """Distinct acts, in which a yes or a no agrees with the value told beside it."""
    told = {act.value for act in acts if act.act == "Inform" and act.value in WORDED}
    if len(told) == 1:
        right = "Affirm" if told <= {"yes", "true"} else "Negate"
        acts = [replace(act, act=right) if act.act in ("Affirm", "Negate") else act for act in acts]
    return tuple(sorted(set(acts)))
