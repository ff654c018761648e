"""Prompts as Python text: a preamble from the schema, then calls, the last one left open for the model to finish.

A call is one turn with its fields as keyword arguments. In an in-context example all fields are there; in the turn that is
asked about, the text ends inside the bracket of the last field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nc_latent_tod.labels import ACT_NAMES, ENTITY_ACTS, SERVICE_ACTS
from nc_latent_tod.notation.printing import quoted
from nc_latent_tod.schema import Schema, Service, Slot

PreambleStyle = Literal["full", "signatures", "none"]
"""`full`: classes with types and descriptions; `signatures`: one line of slot names a service or intent; `none`: nothing."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """`preamble` is the same for all turns of a job, so its keys and values can be kept; `body` is the turn's own."""

    preamble: str
    body: str
    num_examples: int
    truncated: bool = False  # the oldest text was cut to make it fit

    @property
    def text(self) -> str:
        return self.preamble + self.body


def call(function: str, fields: Sequence[tuple[str, str]]) -> str:
    """A whole call, ended by an empty line."""
    return f"{function}({''.join(f'{chr(10)}    {name}={value},' for name, value in fields)}\n)\n\n"


def open_call(function: str, fields: Sequence[tuple[str, str]], last: str) -> str:
    """A call up to the open bracket of its field `last`."""
    return f"{function}({''.join(f'{chr(10)}    {name}={value},' for name, value in fields)}\n    {last}=["


def answer(canonical: str) -> str:
    """What a model writes after the open bracket of a direct prompt, to the end of its line."""
    return f"{canonical[1:]},\n"


def between_fields(canonical: str, next_field: str) -> str:
    """What follows an open bracket: the rest of a canonical list, then the next field up to its open quote."""
    return f"{canonical[1:]},\n    {next_field}=\""


def closing(text: str) -> str:
    """What follows an open quote: the rest of the string literal and its comma."""
    return f"{quoted(text)[1:]},"


def state_preamble(schema: Schema, style: PreambleStyle) -> str:
    """What the model is told of the schema before belief states are inferred."""
    if style == "none":
        return ""
    if style == "signatures":
        lines = [f"agent.{i.identifier}({', '.join(service.slots_by_name[s].identifier for s in i.slots)})"
                 for service in schema.services for i in service.intents]
        return "\n".join([*lines, "agent.no_change()"]) + "\n\n"
    return f"{_entity_classes(schema)}\n\n{_agent_class(schema)}\n\n"


def acts_preamble(schema: Schema, style: PreambleStyle) -> str:
    """What the model is told of schema and acts before system acts are inferred."""
    if style == "none":
        return ""
    if style == "signatures":
        lines = [f"{service.identifier}({', '.join(s.identifier for s in service.slots)})" for service in schema.services]
        return "\n".join([*lines, ", ".join(ACT_NAMES)]) + "\n\n"
    return f"{_entity_classes(schema)}\n\n{_act_classes()}\n\n"


def _entity_classes(schema: Schema) -> str:
    return "\n\n".join(_entity_class(service) for service in schema.services)


def _entity_class(service: Service) -> str:
    lines = [f"class {service.identifier}(Entity):", f"    {_docstring(service.description)}"]
    lines += [f"    {slot.identifier}: {_type(slot)}  # {_comment(slot.description)}" for slot in service.slots]
    return "\n".join(lines)


def _agent_class(schema: Schema) -> str:
    lines = ["class Agent:", "    state: BeliefState", ""]
    for service in schema.services:
        for intent in service.intents:
            slots = (service.slots_by_name[name] for name in intent.slots)
            arguments = "".join(f", {slot.identifier}: {slot_type(slot)} = None" for slot in slots)
            lines.append(f"    def {intent.identifier}(self{arguments}) -> {service.identifier}:")
            lines.append(f"        {_docstring(intent.description)}")
    lines += ["    def no_change(self):", '        """The user changes nothing."""']
    return "\n".join(lines)


def slot_type(slot: Slot) -> str:
    """The type of a slot where its values have been listed already."""
    return "int" if slot.possible_values and all(v.isdigit() for v in slot.possible_values) else "str"


def _type(slot: Slot) -> str:
    if not slot.possible_values:
        return "str"
    if slot_type(slot) == "int":
        return f"Literal[{', '.join(slot.possible_values)}]"
    return f"Literal[{', '.join(map(quoted, slot.possible_values))}]"


def _act_classes() -> str:
    lines = []
    for name in ACT_NAMES:
        arguments = "entity: Entity" if name in ENTITY_ACTS else "service: type[Entity]" if name in SERVICE_ACTS else ""
        if name == "Request":
            arguments += ", slots: list[str]"
        lines.append(f"class {name}(Act):  # {name}({arguments})")
    return "\n".join(lines)


def _comment(text: str) -> str:
    return " ".join(text.split())


def _docstring(text: str) -> str:
    safe = _comment(text).replace("\\", " ").replace('"', "'")
    return f'"""{safe}"""'
