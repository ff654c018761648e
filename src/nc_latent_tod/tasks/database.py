"""The agent's database: an entity table, searched by a belief state.

A row matches a service's state if it agrees with every slot that is a column of the table. Slots that are none (a day, a
number of guests) say how to book, not what to find. Values compare without case and spaces; `dontcare` and what a row leaves
open match everything. Where no row has the value of an open slot, rows count that hold its words ("rose" of "rose inn"),
whose words it holds ("the rose inn hotel"), or that spell it nearly so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz import fuzz

from nc_latent_tod.labels import BeliefState
from nc_latent_tod.notation.normalise import DONTCARE
from nc_latent_tod.schema import Schema, Service

Row = Mapping[str, str]

_MIN_RATIO = 84  # rapidfuzz ratio, 0 to 100, from which a spelling of an open value with the same digits counts as near
_TIME = re.compile(r"(\d{1,2}):(\d\d)")


@dataclass(frozen=True)
class Database:
    """Entities by service. `not_before` and `not_after` are slots whose times bound a row's instead of equalling it."""

    schema: Schema
    entities: Mapping[str, Sequence[Row]]
    not_before: Collection[str] = ()
    not_after: Collection[str] = ()

    def counts(self, state: BeliefState) -> dict[str, int]:
        """How many entities match, for every service of the state that has entities."""
        return {service: len(self.matching(service, state[service])) for service in self._columns if state.get(service)}

    def matching(self, service: str, constraints: Mapping[str, str]) -> list[Row]:
        """The entities that match, in the order of the table; none where the service has no table."""
        rows = list(self.entities.get(service, ()))
        for slot, value in constraints.items():
            if slot in self._columns.get(service, ()) and _key(value) != DONTCARE:
                rows = self._agreeing(rows, service, slot, value)
        return rows

    def _agreeing(self, rows: list[Row], service: str, slot: str, value: str) -> list[Row]:
        agrees = self._comparison(service, slot, value)
        return [row for row in rows if slot not in row or agrees(row[slot])]

    def _comparison(self, service: str, slot: str, value: str) -> Callable[[str], bool]:
        bound = _minutes(value)
        if bound is not None and slot in self.not_before:
            return lambda own: (at := _minutes(own)) is None or at >= bound
        if bound is not None and slot in self.not_after:
            return lambda own: (at := _minutes(own)) is None or at <= bound
        key = _key(value)
        known = self.schema.services_by_name[service].slots_by_name.get(slot)
        is_spelled = any(_key(row.get(slot, "")) == key for row in self.entities[service])
        if is_spelled or bound is not None or known is None or known.is_categorical:
            return lambda own: _key(own) == key
        return lambda own: _is_near(_key(own), key)

    def name_slot(self, service: str) -> str:
        """The slot that names the entities of a service; "" where they have no names."""
        return self._name_slots.get(service, "")

    def has_column(self, service: str, slot: str) -> bool:
        """Whether some entity of the service has a value for the slot."""
        return slot in self._columns.get(service, ())

    def is_reference(self, service: str, slot: str) -> bool:
        """Whether the slot is what a booking gives back: no intent takes it and no entity has it."""
        known = self.schema.services_by_name.get(service)
        return known is not None and slot in known.slots_by_name and not self.has_column(service, slot) and not any(
            slot in intent.slots for intent in known.intents)

    @cached_property
    def _columns(self) -> Mapping[str, frozenset[str]]:
        return {name: frozenset(slot for row in rows for slot in row) for name, rows in self.entities.items() if rows}

    @cached_property
    def _name_slots(self) -> Mapping[str, str]:
        return {service.name: _name_slot(service, rows) for service in self.schema.services
                if (rows := self.entities.get(service.name))}


def _name_slot(service: Service, rows: Sequence[Row]) -> str:
    """Among the open slots that a search takes and that differ in every row, the one that is called a name, else the first."""
    searched = dict.fromkeys(slot for intent in service.intents if not intent.is_transactional for slot in intent.slots)
    names = [slot for slot in searched if not service.slots_by_name[slot].possible_values
             and len({_key(row.get(slot, "")) for row in rows}) == len(rows) and all(slot in row for row in rows)]
    return next((slot for slot in names if "name" in slot.casefold()), names[0] if names else "")


def _is_near(own: str, key: str) -> bool:
    mine, words = set(own.split()), set(key.split())
    has_same_digits = re.findall(r"\d", own) == re.findall(r"\d", key)
    return words <= mine or mine <= words or (has_same_digits and fuzz.ratio(own, key) >= _MIN_RATIO)


def _key(value: str) -> str:
    return " ".join(value.casefold().removeprefix("the ").split())


def _minutes(time: str) -> int | None:
    """Minutes after midnight of HH:MM; None for what is no time."""
    match = _TIME.fullmatch(time.strip())
    return int(match[1]) * 60 + int(match[2]) if match else None
