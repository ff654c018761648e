"""An API schema in the schema-guided format: services with slots and intents, and their Python names.

Prompts show a schema as Python, so every service, intent and slot has an identifier: `Hotel`, `find_hotel`, `price_range`.
Identifiers are unique: classes and methods in a schema, slots in a service.
"""

from __future__ import annotations

import hashlib
import keyword
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.schema.spec import service_specs


@dataclass(frozen=True)
class Slot:
    """A constraint or attribute of a service."""

    name: str  # without the service's prefix: "area", not "hotel-area"
    description: str
    is_categorical: bool
    possible_values: tuple[str, ...]  # empty where the values are open
    identifier: str


@dataclass(frozen=True)
class Intent:
    """A call that a service offers."""

    name: str
    description: str
    is_transactional: bool
    slots: tuple[str, ...]  # names of required slots, then of optional ones
    required: tuple[str, ...]
    identifier: str


@dataclass(frozen=True)
class Service:
    """One API: `hotel`, `Restaurants_2`."""

    name: str
    description: str
    slots: tuple[Slot, ...]
    intents: tuple[Intent, ...]  # never empty: a service without intents gets one named after it
    identifier: str

    @cached_property
    def slots_by_name(self) -> Mapping[str, Slot]:
        return {slot.name: slot for slot in self.slots}

    @cached_property
    def slots_by_identifier(self) -> Mapping[str, Slot]:
        return {slot.identifier: slot for slot in self.slots}

    @cached_property
    def intent_of_slot(self) -> Mapping[str, Intent]:
        """The call that carries a slot in canonical text: the first intent that lists it, else the first intent."""
        owner = {slot.name: self.intents[0] for slot in self.slots}
        for intent in reversed(self.intents):
            owner.update((name, intent) for name in intent.slots)
        return owner


@dataclass(frozen=True)
class Schema:
    """Services in a fixed order. Equal schemas print equal prompts."""

    services: tuple[Service, ...]

    @cached_property
    def services_by_name(self) -> Mapping[str, Service]:
        return {service.name: service for service in self.services}

    @cached_property
    def sha256(self) -> str:
        """Of the schema as it is read, Python names included, as hex: the layout of its file does not count."""
        return hashlib.sha256(repr(self.services).encode("utf-8", "surrogatepass")).hexdigest()

    @cached_property
    def services_by_identifier(self) -> Mapping[str, Service]:
        """By class name (`Hotel`) and by attribute name (`hotel`)."""
        return {**{attribute(s): s for s in self.services}, **{s.identifier: s for s in self.services}}

    @cached_property
    def intents_by_identifier(self) -> Mapping[str, tuple[Service, Intent]]:
        return {intent.identifier: (service, intent) for service in self.services for intent in service.intents}

    def service(self, name: str) -> Service:
        """Return the service called `name`; raises `ConfigError` naming the nearest one."""
        try:
            return self.services_by_name[name]
        except KeyError:
            raise ConfigError(f"The schema has no service {name!r}.{nearest(name, self.services_by_name)}") from None

    @classmethod
    def from_json(cls, services: Sequence[Mapping[str, Any]]) -> Schema:
        """Build a schema from a decoded schema-guided `schema.json` (a list of services).

        Raises `ConfigError` where it is no schema (`schema_spec`), or an intent refers to an unknown slot.
        """
        specs = service_specs(services)
        intent_names = [intent["name"] for spec in specs for intent in spec["intents"]]
        shared = {name for name in intent_names if intent_names.count(name) > 1}
        taken = {"no_change"}  # the call of a turn that changes nothing
        return cls(tuple(_service(spec, shared, taken) for spec in specs))

    def to_json(self) -> list[dict[str, Any]]:
        """The schema as decoded schema-guided JSON; `Schema.from_json` makes an equal one of it."""
        return [{"service_name": service.name, "description": service.description,
                 "slots": [{"name": slot.name, "description": slot.description, "is_categorical": slot.is_categorical,
                            "possible_values": list(slot.possible_values)} for slot in service.slots],
                 "intents": [{"name": intent.name, "description": intent.description,
                              "is_transactional": intent.is_transactional, "required_slots": list(intent.required),
                              "optional_slots": [slot for slot in intent.slots if slot not in intent.required]}
                             for intent in service.intents]} for service in self.services]


def attribute(service: Service) -> str:
    """The name of a service's part of the state in Python text: `agent.state.hotel`."""
    return identifier(service.name)


def identifier(name: str) -> str:
    """A Python identifier in snake_case for any name: `FindHotel` -> `find_hotel`, `book day` -> `book_day`, `m²` -> `m2`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", _as_python_reads(name))
    snake = re.sub(r"\W+", "_", snake).strip("_").lower() or "unnamed"
    if not _as_python_reads(snake).isidentifier() or keyword.iskeyword(snake):
        snake = f"_{snake}"
    return _as_python_reads(snake)


def _as_python_reads(name: str) -> str:
    """Python takes identifiers of the same NFKC form for one, and not every letter or digit of Unicode into them."""
    normal = unicodedata.normalize("NFKC", name)
    return normal if normal.isascii() else "".join(c if f"a{c}".isidentifier() or c.isascii() else "_" for c in normal)


def _unique(name: str, taken: set[str]) -> str:
    candidate, n = name, 2
    while candidate in taken:
        candidate, n = f"{name}_{n}", n + 1
    taken.add(candidate)
    return candidate


def _service(spec: Mapping[str, Any], shared_intents: set[str], taken: set[str]) -> Service:
    name = spec["service_name"]
    slot_names: set[str] = set()
    prefix = f"{name}-"

    def bare(slot_name: str) -> str:
        return slot_name.removeprefix(prefix)

    slots: list[Slot] = []
    for s in spec["slots"]:
        slot_name = bare(s["name"])
        if slot_name in {slot.name for slot in slots}:
            raise ConfigError(f"Service {name!r} has two slots called {slot_name!r}: rename one.")
        values = tuple(str(v) for v in s.get("possible_values", ()))
        slots.append(Slot(slot_name, s.get("description", ""), bool(s.get("is_categorical", bool(values))), values,
                          _unique(identifier(slot_name), slot_names)))
    known = {slot.name for slot in slots}
    intents = []
    alone: dict[str, Any] = {"name": name, "required_slots": [], "optional_slots": sorted(known)}
    for i in spec["intents"] or (alone,):
        intent_name = i["name"]
        required = tuple(bare(s) for s in i.get("required_slots", ()))
        names = tuple(dict.fromkeys((*required, *(bare(s) for s in i.get("optional_slots", ())))))
        for slot_name in names:
            if slot_name not in known:
                raise ConfigError(f"Intent {intent_name!r} of service {name!r} uses the slot {slot_name!r}, "
                                  f"which the service does not define.{nearest(slot_name, known)}")
        method = identifier(intent_name) if intent_name not in shared_intents else identifier(f"{intent_name}_{name}")
        intents.append(Intent(intent_name, i.get("description", ""), bool(i.get("is_transactional", False)), names,
                              required, _unique(method, taken)))
    class_name = "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9_]+", name) if part)
    if not class_name.isidentifier() or keyword.iskeyword(class_name):
        class_name = f"S{class_name}"
    return Service(name, spec.get("description", ""), tuple(slots), tuple(intents), _unique(class_name, taken))
