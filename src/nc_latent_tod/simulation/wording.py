"""How services and slots are put into words. A schema without wording gets phrases made from its slot names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.schema import Service, Slot


@dataclass(frozen=True)
class SlotWording:
    """Phrases for one slot. Those with `{value}` follow a noun: "a hotel *in the {value}*"."""

    nouns: tuple[str, ...] = ()  # "price range"
    phrases: tuple[str, ...] = ()
    heldout: tuple[str, ...] = ()  # phrases that training text never has
    negative: tuple[str, ...] = ()  # for the value "no" of a yes-or-no slot: "without parking"
    before: tuple[str, ...] = ()  # phrases that stand before a noun: "*{value}* hotel"
    instead: tuple[str, ...] = ()  # phrases that replace the noun: "a *{value}*" for "an attraction"
    same: tuple[str, ...] = ()  # references to a value of another service, `{other}`
    sources: tuple[str, ...] = ()  # "service.slot" whose values this slot may take
    questions: tuple[str, ...] = ()  # the system asks for the slot of a `{service}`
    values: tuple[str, ...] = ()  # values to use where neither schema nor entities list any


@dataclass(frozen=True)
class ServiceWording:
    """Words for one service, and which slots play a part of their own."""

    names: tuple[str, ...] = ()  # the main one first
    entity: str = ""  # the slot that names an entity; "" to guess it
    reference: str = ""  # the slot of a booking's code; "" where there is none


@dataclass(frozen=True)
class Wording:
    """Words for services, and for slots by "service.slot". Both may be empty or partial."""

    services: Mapping[str, ServiceWording] = field(default_factory=dict)
    slots: Mapping[str, SlotWording] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Wording:
        """Build from decoded JSON `{"services": {name: {...}}, "slots": {"service.slot": {...}}}`.

        Raises `ConfigError` on an unknown key.
        """
        _check_keys(data, cls, "the wording")
        return cls(
            {name: _build(ServiceWording, spec, f"service {name!r}") for name, spec in data.get("services", {}).items()},
            {name: _build(SlotWording, spec, f"slot {name!r}") for name, spec in data.get("slots", {}).items()},
        )

    def for_service(self, service: Service) -> ServiceWording:
        """Words for a service; its name in plain words where there are none."""
        given = self.services.get(service.name, ServiceWording())
        return given if given.names else ServiceWording((_singular(plain(service.name)),), given.entity, given.reference)

    def for_slot(self, service: Service, slot: Slot) -> SlotWording:
        """Words for a slot; phrases derived from its name where there are none."""
        given = self.slots.get(f"{service.name}.{slot.name}", SlotWording())
        noun = given.nouns[0] if given.nouns else plain(slot.name)
        yes_no = is_yes_no(slot)
        return SlotWording(
            nouns=given.nouns or (noun,),
            phrases=given.phrases or ((f"with {noun}", f"that has {noun}") if yes_no else (
                f"with {noun} {{value}}", f"where the {noun} is {{value}}", f"that has {{value}} as {noun}")),
            heldout=given.heldout,
            negative=given.negative or (f"without {noun}", f"that has no {noun}"),
            before=given.before,
            instead=given.instead,
            same=given.same or (f"with the same {noun} as the {{other}}",),
            sources=given.sources,
            questions=given.questions,
            values=given.values,
        )


def is_yes_no(slot: Slot) -> bool:
    """Whether the slot's possible values are a yes and a no."""
    return {v.lower() for v in slot.possible_values} in ({"yes", "no"}, {"true", "false"})


def is_yes(value: str) -> bool:
    """Whether a value of a yes-or-no slot means yes."""
    return value.lower() in ("yes", "true")


def plain(name: str) -> str:
    """A name in plain words: `Hotels_1` -> "hotels", `has_wifi` -> "wifi", `RentalCars` -> "rental cars"."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = re.sub(r"[\W_]+", " ", words).strip().lower()
    words = re.sub(r" \d+$", "", words)
    return re.sub(r"^(has|is) ", "", words) or name.lower()


def _singular(noun: str) -> str:
    if noun.endswith(("ss", "us", "is")) or not noun.endswith("s"):
        return noun
    return noun[:-2] if noun.endswith(("ses", "xes", "ches", "shes")) else noun[:-1]


def _check_keys(spec: Mapping[str, Any], cls: type, where: str) -> None:
    known = [f.name for f in fields(cls)]
    for key in spec:
        if key not in known:
            raise ConfigError(f"Unknown key {key!r} in {where}; known are {', '.join(known)}.{nearest(key, known)}")


def _build(cls: Any, spec: Mapping[str, Any], where: str) -> Any:
    _check_keys(spec, cls, f"the wording of {where}")
    return cls(**{key: tuple(value) if isinstance(value, list) else value for key, value in spec.items()})
