"""What a simulator knows of one service: its slots by their part in a dialogue, its entities, and its values."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.schema import Schema, Service
from nc_latent_tod.simulation.wording import ServiceWording, SlotWording, Wording, is_yes_no

Row = Mapping[str, str]

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMES = ("alder", "birch", "cedar", "dahlia", "elder", "fern", "hazel", "ivy", "juniper", "laurel", "maple", "rowan")


@dataclass(frozen=True)
class Catalogue:
    """One service. `rows` are the entities of the split in use; slots are named without prefix."""

    service: Service
    words: ServiceWording
    slot_words: Mapping[str, SlotWording]
    rows: tuple[Row, ...]
    values: Mapping[str, tuple[str, ...]]  # every value that a slot may take
    name_slot: str  # "" where the service has no named entities

    @cached_property
    def find_slots(self) -> tuple[str, ...]:
        """Slots that entities are searched by, without the name."""
        named = _slots_of(self.service, transactional=False)
        columns = {slot for row in self.rows for slot in row}
        return tuple(s for s in named if s != self.name_slot and s in columns) if self.name_slot else ()

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Search slots without which a search makes little sense."""
        said = {slot for intent in self.service.intents for slot in intent.required}
        return tuple(s for s in self.find_slots if s in said)[:3]

    @cached_property
    def book_slots(self) -> tuple[str, ...]:
        """Slots of a booking or call, at most four; without named entities those of all intents."""
        names = _slots_of(self.service, transactional=True)
        searched = _slots_of(self.service, transactional=False)
        if not self.name_slot:
            names = (*names, *(s for s in searched if s not in names))
        required = {slot for intent in self.service.intents for slot in intent.required}
        names = tuple(s for s in names if not self.name_slot or (s not in searched and s != self.name_slot))
        return tuple(sorted(names, key=lambda s: s not in required))[:4]

    @cached_property
    def attributes(self) -> tuple[str, ...]:
        """Slots that a user can only ask about: they are in no intent."""
        said = {s for intent in self.service.intents for s in intent.slots} | {self.name_slot, self.words.reference}
        columns = {slot for row in self.rows for slot in row}
        return tuple(s.name for s in self.service.slots if s.name not in said and s.name in columns)

    def attributes_of(self, row: Row) -> tuple[str, ...]:
        """The attributes that an entity has a value for."""
        return tuple(slot for slot in self.attributes if slot in row)

    @cached_property
    def yes_no(self) -> frozenset[str]:
        return frozenset(s.name for s in self.service.slots if is_yes_no(s))

    def stands_alone(self, slot: str, value: str) -> bool:
        """Whether the bare value tells its slot: no other slot of the service could take it."""
        others = (v for s in (*self.find_slots, *self.book_slots) if s != slot for v in self.values[s])
        return slot not in self.yes_no and not value[:1].isdigit() and value not in set(others)

    def matching(self, constraints: Mapping[str, str]) -> list[Row]:
        """Entities that satisfy the search slots among the constraints; a value that a row lacks excludes nothing."""
        wanted = [(s, v) for s, v in constraints.items() if v != "dontcare" and s in (*self.find_slots, self.name_slot)]
        return [row for row in self.rows if all(row.get(s, v) == v for s, v in wanted)]


def catalogues(schema: Schema, entities: Mapping[str, Sequence[Row]], wording: Wording, split: str) -> dict[str, Catalogue]:
    """A catalogue for each service that has something to talk about, in schema order.

    Raises `ConfigError` where an entity table belongs to no service, or no service can be talked about.
    """
    for name, rows in entities.items():
        service = schema.service(name)
        for slot in {slot for row in rows for slot in row}:
            if slot not in service.slots_by_name:
                raise ConfigError(f"The entities of {name!r} have the slot {slot!r}, which the schema does not define."
                                  f"{nearest(slot, service.slots_by_name)}")
    name_slots = {s.name: _name_slot(s, wording.for_service(s), entities.get(s.name, ())) for s in schema.services}
    tables = {s.name: _split(entities.get(s.name, ()), name_slots[s.name], split) for s in schema.services}
    built = {s.name: _catalogue(s, wording, tables, name_slots[s.name] if tables[s.name] else "") for s in schema.services}
    talked = {name: c for name, c in built.items() if c.find_slots or c.book_slots}
    if not talked:
        raise ConfigError("No service of the schema has an intent with a slot besides an entity's name: there is nothing to "
                          "simulate. Add what is searched or booked by to an intent's slots.")
    return talked


def entities_of(schema: Schema, entities: Mapping[str, Sequence[Row]], wording: Wording,
                split: str) -> dict[str, Sequence[Row]]:
    """The entity table that dialogues of `split` talk about."""
    return {name: _split(rows, _name_slot(service := schema.service(name), wording.for_service(service), rows), split)
            for name, rows in entities.items()}


def in_heldout(name: str, names: Sequence[str]) -> bool:
    """Whether an entity is of the held-out quarter: the quarter of names with the smallest hashes."""
    ordered = sorted(set(names), key=lambda n: hashlib.sha256(n.encode()).digest())
    return name in ordered[: max(1, len(ordered) // 4)]


def _split(rows: Sequence[Row], name_slot: str, split: str) -> tuple[Row, ...]:
    if split == "all" or not name_slot:
        return tuple(rows)
    names = [row[name_slot] for row in rows]
    heldout = {n for n in set(names) if in_heldout(n, names)}
    return tuple(row for row in rows if (row[name_slot] in heldout) == (split == "heldout"))


def _name_slot(service: Service, words: ServiceWording, rows: Sequence[Row]) -> str:
    """The slot that names entities: as worded, else the first open slot with a different value in every row."""
    if not rows or not _slots_of(service, transactional=False):
        return ""
    if words.entity:
        return words.entity
    open_slots = [s.name for s in service.slots if not s.possible_values and all(s.name in row for row in rows)]
    unique = [s for s in open_slots if len({row[s] for row in rows}) == len(rows)]
    return next((s for s in unique if "name" in s.lower()), unique[0] if unique else "")


def _slots_of(service: Service, transactional: bool) -> tuple[str, ...]:
    names = (s for intent in service.intents if intent.is_transactional == transactional for s in intent.slots)
    return tuple(dict.fromkeys(names))


def _catalogue(service: Service, wording: Wording, tables: Mapping[str, tuple[Row, ...]], name_slot: str) -> Catalogue:
    slot_words = {s.name: wording.for_slot(service, s) for s in service.slots}
    rows = tables[service.name]
    values = {}
    for slot in service.slots:
        listed = [v for v in slot.possible_values if v.lower() != "dontcare"]
        sourced = [row[s] for n, _, s in (x.partition(".") for x in slot_words[slot.name].sources)
                   for row in tables.get(n, ()) if s in row]
        column = [row[slot.name] for row in rows if slot.name in row]
        found = listed or column or sourced or slot_words[slot.name].values or invented_values(slot.name)
        values[slot.name] = tuple(dict.fromkeys(found))
    return Catalogue(service, wording.for_service(service), slot_words, rows, values, name_slot)


def invented_values(slot: str) -> tuple[str, ...]:
    """Values for a slot that nothing lists, by the words in its name. The same name gives the same values."""
    rng, words = random.Random(slot), slot.lower()
    if "time" in words:
        return tuple(f"{hour:02}:{minute:02}" for hour in range(7, 23) for minute in (0, 15, 30, 45))
    if "day" in words or "date" in words:
        return _DAYS
    if any(w in words for w in ("phone", "number_of", "num", "count", "size")):
        digits = 5 if "phone" in words else 1
        return tuple(str(rng.randint(2 * 10 ** (digits - 1), 10**digits - 1)) for _ in range(20))
    if any(w in words for w in ("price", "cost", "fare", "total", "amount")):
        return tuple(f"{rng.randint(5, 90)} pounds" for _ in range(20))
    return tuple(f"{a} {b}" for a, b in zip(rng.sample(_NAMES, 8), rng.sample(_NAMES, 8), strict=True) if a != b)
