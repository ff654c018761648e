"""The controls of a labelling project: a name for every slot, and texts for values and acts that are read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nc_latent_tod.errors import ParseError, nearest
from nc_latent_tod.labels import ACT_NAMES, ENTITY_ACTS, SERVICE_ACTS, Act
from nc_latent_tod.notation.normalise import DONTCARE
from nc_latent_tod.schema import Schema, Slot, attribute

DIALOGUE, VERDICT, SERVICES, ACTS, COMMENT = "dialogue", "verdict", "services", "acts", "comment"
OWN = (VERDICT, SERVICES, ACTS, COMMENT)
"""Controls that are of no slot. Those of slots have `__` in their names."""
DELETE = "(delete)"
_MARK = "= "  # before a value that would be read as something else


@dataclass(frozen=True)
class Controls:
    """The names of a schema's controls, both ways, with the choices of those that are closed."""

    slot_of: Mapping[str, tuple[str, str]]  # by control: (service, slot)
    name_of: Mapping[tuple[str, str], str] = field(init=False)
    choices_of: Mapping[str, tuple[str, ...]]  # by control, as texts; empty where any text may stand

    def __post_init__(self) -> None:
        object.__setattr__(self, "name_of", {key: name for name, key in self.slot_of.items()})


def controls(schema: Schema, values: Mapping[tuple[str, str], Sequence[str]] | None = None) -> Controls:
    """`hotel__area` for the slot `area` of `hotel`, made unique by a number.

    `values` are values by (service, slot) that occur: those outside the schema are choices too.
    """
    slot_of: dict[str, tuple[str, str]] = {}
    choices_of: dict[str, tuple[str, ...]] = {}
    for service in schema.services:
        for slot in service.slots:
            base = name = f"{attribute(service)}__{slot.identifier}"
            number = 2
            while name in slot_of:
                name, number = f"{base}_{number}", number + 1
            slot_of[name] = service.name, slot.name
            choices_of[name] = _choices(slot, (values or {}).get((service.name, slot.name), ()))
    return Controls(slot_of, choices_of)


def _choices(slot: Slot, occurring: Sequence[str]) -> tuple[str, ...]:
    if not slot.is_categorical or not slot.possible_values:
        return ()
    return tuple(dict.fromkeys(storable(text_of(value)) for value in (*slot.possible_values, *occurring, DONTCARE, None)))


def storable(text: str) -> str:
    """The text without what a database refuses: halves of emoji and the character zero."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


def text_of(value: str | None) -> str:
    """A value as the text of a choice or field; None, a deletion, is `(delete)`. `value_of` reads it back.

    Label Studio takes a text that begins with `$` for the name of a field of its task.
    """
    if value is None:
        return DELETE
    return _MARK + value if value == DELETE or value.startswith(("$", _MARK)) else value


def value_of(text: str) -> str | None:
    """The value that a text stands for."""
    return None if text == DELETE else text.removeprefix(_MARK)


def act_line(act: Act) -> str:
    """An act as a line that a person can write: `Offer hotel.name = The Mill`, `Request hotel.area`, `Goodbye`."""
    about = f" {act.service}" + (f".{act.slot}" if act.slot else "") if act.service else ""
    return f"{act.act}{about}" + (f" = {act.value}" if act.value else "")


def read_act(line: str, schema: Schema) -> Act:
    """The act of a line. Raises `ParseError` naming what is nearest."""
    told, _, value = (part.strip() for part in line.partition("="))
    name, _, about = (part.strip() for part in told.partition(" "))
    if name not in ACT_NAMES:
        raise ParseError("unknown_act", f"{line[:60]!r} begins with no act.{nearest(name, ACT_NAMES)}")
    if not about and not value and name not in ENTITY_ACTS | SERVICE_ACTS:
        return Act(name)
    if name not in ENTITY_ACTS | SERVICE_ACTS:
        raise ParseError("unknown_argument", f"{line[:60]!r}: {name} stands alone.")
    known = {f"{service.name}.{slot.name}": (service.name, slot.name) for service in schema.services for slot in service.slots}
    known.update({service.name: (service.name, "") for service in schema.services})
    if about not in known:
        raise ParseError("unknown_slot", f"{line[:60]!r}: the schema has no {about[:60]!r}.{nearest(about, known)} "
                         f"Write {name} service.slot" + (" = value." if name in ENTITY_ACTS else "."))
    service_name, slot_name = known[about]
    if bool(value) != (name in ENTITY_ACTS and bool(slot_name)):
        raise ParseError("invalid_value", f"{line[:60]!r}: " + ("no value belongs there." if value else "a value is missing."))
    return Act(name, service_name, slot_name, value)
