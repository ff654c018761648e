"""The label language, read: a model's text becomes a state change or acts, through `ast` alone; nothing is executed.

Every text that is not in the language raises `ParseError` with a reason code, in time bounded by `MAX_CHARS`.
"""

from __future__ import annotations

import ast
import re
import unicodedata
import warnings
from collections.abc import Iterator
from dataclasses import replace

from nc_latent_tod.errors import ParseError, nearest
from nc_latent_tod.labels import ACT_NAMES, ENTITY_ACTS, SERVICE_ACTS, Act, BeliefState, StateChange
from nc_latent_tod.notation.normalise import normalise_value
from nc_latent_tod.schema import Schema, Service, Slot

MAX_CHARS = 4_000  # the longest label text that is looked at

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?\Z")


def parse_change(text: str, schema: Schema, state: BeliefState, *,
                 normalise: bool = True) -> dict[str, dict[str, str | None]]:
    """Read `[agent.find_hotel(area="east")]` as a change of `state`; the brackets may be missing.

    `agent.state.hotel.area` stands for that value of `state`; `None` deletes. Values of categorical slots become possible
    values where `normalise`. Raises `ParseError`.
    """
    calls = list(_calls(text))
    change: dict[str, dict[str, str | None]] = {}
    for call in calls:
        method = _method(call)
        if method == "no_change":
            if len(calls) > 1 or call.args or call.keywords:
                raise ParseError("no_change_with_calls", "agent.no_change() stands alone and takes no arguments.")
            return {}
        if method not in schema.intents_by_identifier:
            raise ParseError("unknown_intent", f"The schema has no intent {method[:40]!r}."
                             + nearest(method, schema.intents_by_identifier))
        service, _ = schema.intents_by_identifier[method]
        for slot, node in _keywords(call, service):
            value = None if _is_none(node) else _value(node, schema, state)
            if normalise and value is not None:
                value = normalise_value(value, slot, strict=True)
            slots = change.setdefault(service.name, {})
            if slots.setdefault(slot.name, value) != value:
                raise ParseError("conflicting_values", f"{slot.name!r} is given both {slots[slot.name]!r} and {value!r}.")
    return _effective(change, state)


def _effective(change: StateChange, state: BeliefState) -> dict[str, dict[str, str | None]]:
    """Leave out what changes nothing: a value that the state holds already, the deletion of an absent slot."""
    kept = {
        service: {slot: value for slot, value in slots.items() if state.get(service, {}).get(slot) != value}
        for service, slots in change.items()
    }
    return {service: slots for service, slots in kept.items() if slots}


def parse_acts(text: str, schema: Schema, *, normalise: bool = True) -> tuple[Act, ...]:
    """Read `[Offer(entity=Hotel(name="..."))]` as sorted, distinct acts; the brackets may be missing. Raises `ParseError`."""
    acts: set[Act] = set()
    for call in _calls(text):
        if not isinstance(call.func, ast.Name) or call.func.id not in ACT_NAMES:
            name = _shown(call.func)
            raise ParseError("unknown_act", f"{name!r} is not a dialogue act.{nearest(name, ACT_NAMES)}")
        acts.update(_acts(call, call.func.id, schema))
    return tuple(sorted({_normalised(act, schema) for act in acts} if normalise else acts))


def _normalised(act: Act, schema: Schema) -> Act:
    """What a system says may lie outside the schema, so a value that matches nothing stays."""
    if not act.value:
        return act
    slot = schema.services_by_name[act.service].slots_by_name[act.slot]
    return replace(act, value=normalise_value(act.value, slot, strict=False))


def _acts(call: ast.Call, name: str, schema: Schema) -> Iterator[Act]:
    arguments = _named(call)
    allowed = {"entity"} if name in ENTITY_ACTS else {"service", "slots"} if name in SERVICE_ACTS else set()
    for key in arguments:
        if key not in allowed:
            raise ParseError("unknown_argument", f"{name} takes {sorted(allowed) or 'no arguments'}, not {key!r}.")
    if "entity" in arguments:
        yield from _entity(name, arguments["entity"], schema)
    elif "service" in arguments:
        yield from _about_service(name, arguments["service"], arguments.get("slots"), schema)
    elif "slots" in arguments:
        raise ParseError("missing_service", f"{name} names slots but no service.")
    else:
        yield Act(name)


def _entity(name: str, node: ast.expr, schema: Schema) -> Iterator[Act]:
    if not isinstance(node, ast.Call):
        raise ParseError("invalid_entity", f"{name} needs entity=Service(slot=value), got {_shown(node)!r}.")
    service = _service(node.func, schema)
    keywords = list(_keywords(node, service))
    if not keywords:
        yield Act(name, service.name)
    for slot, value in keywords:
        yield Act(name, service.name, slot.name, _value(value, schema, {}))


def _about_service(name: str, service_node: ast.expr, slots_node: ast.expr | None, schema: Schema) -> Iterator[Act]:
    service = _service(service_node, schema)
    if slots_node is not None and not isinstance(slots_node, ast.List | ast.Tuple):
        raise ParseError("invalid_slots", f"slots is a list of names, got {_shown(slots_node)!r}.")
    if slots_node is None or not slots_node.elts:
        yield Act(name, service.name)
        return
    for node in slots_node.elts:
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            raise ParseError("invalid_slots", f"A slot is named by a string, got {_shown(node)!r}.")
        yield Act(name, service.name, _slot(node.value, service).name)


def _calls(text: str) -> Iterator[ast.Call]:
    if len(text) > MAX_CHARS:
        raise ParseError("too_long", f"The text has {len(text)} characters; {MAX_CHARS} are read at the most.")
    body = text.strip().rstrip(",").rstrip()
    if body in ("", "["):
        raise ParseError("empty", "The text is empty; an empty list is written with its closing bracket.")
    if not body.startswith("["):
        body = f"[{body}"
    try:
        tree = _parse(body)
    except ParseError:
        tree = _parse(f"{body}]")  # cut at a stop string that holds the bracket
    if not isinstance(tree, ast.List):
        raise ParseError("not_a_list", "The label is not one list of calls.")
    for node in tree.elts:
        if not isinstance(node, ast.Call):
            raise ParseError("not_a_call", f"{_shown(node)!r} is not a call.")
        yield node


def _parse(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ParseError("syntax", f"Not Python: {error}"[:200]) from None
    _keep_spelling(tree, text)
    return tree


def _keep_spelling(tree: ast.expr, text: str) -> None:
    """Put the source text of every number into its node's `kind`: 12.50 is a price, not 12.5, and 0x10 is no number."""
    lines = re.split(rb"\r\n|\r|\n", text.encode())
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and node.lineno <= len(lines):
            node.kind = lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode(errors="replace")


def _shown(node: ast.expr) -> str:
    try:
        return ast.unparse(node)[:40]
    except (RecursionError, ValueError):  # also an integer of many digits, a backslash in an f-string
        return "(a long expression)"


def _method(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name) and call.func.value.id == "agent":
        return call.func.attr
    raise ParseError("not_an_agent_call", f"{_shown(call.func)!r} is not a method of the agent.")


def _named(call: ast.Call) -> dict[str, ast.expr]:
    if call.args:
        raise ParseError("positional_argument", f"Arguments are named, got {_shown(call.args[0])!r}.")
    named: dict[str, ast.expr] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ParseError("unpacking", "Arguments are named one by one, not unpacked with **.")
        if keyword.arg in named:
            raise ParseError("repeated_argument", f"{keyword.arg!r} is given twice in one call.")
        named[keyword.arg] = keyword.value
    return named


def _keywords(call: ast.Call, service: Service) -> Iterator[tuple[Slot, ast.expr]]:
    for name, node in _named(call).items():
        yield _slot(name, service), node


def _slot(name: str, service: Service) -> Slot:
    slot = service.slots_by_identifier.get(name)
    if slot is None:
        raise ParseError("unknown_slot", f"Service {service.name!r} has no slot {name[:40]!r}."
                         + nearest(name, service.slots_by_identifier))
    return slot


def _service(node: ast.expr, schema: Schema) -> Service:
    name = node.id if isinstance(node, ast.Name) else node.value if isinstance(node, ast.Constant) else None
    service = schema.services_by_identifier.get(name) if isinstance(name, str) else None
    if service is None:
        raise ParseError("unknown_service", f"The schema has no service {_shown(node)!r}.")
    return service


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _value(node: ast.expr, schema: Schema, state: BeliefState) -> str:
    if isinstance(node, ast.Attribute):
        return _reference(node, schema, state)
    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool):
            return str(node.value)
        if node.kind and _NUMBER.match(node.kind):
            return node.kind
        if isinstance(node.value, str):
            return _clean(node.value)
    raise ParseError("invalid_value", f"{_shown(node)!r} is not a string, a number or a value of the state.")


def _clean(value: str) -> str:
    words = " ".join(value.split())
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in words):  # joiners and direction marks may stay
        raise ParseError("invalid_text", f"The value {value[:40]!r} holds control characters or half an emoji.")
    if not words:
        raise ParseError("empty_value", "A value is not empty; None deletes a slot.")
    return words


def _reference(node: ast.Attribute, schema: Schema, state: BeliefState) -> str:
    """The value that `agent.state.<service>.<slot>` stands for."""
    match node:
        case ast.Attribute(attr=slot_name, value=ast.Attribute(attr=service_name, value=ast.Attribute(
                attr="state", value=ast.Name(id="agent")))) if service_name in schema.services_by_identifier:
            service = schema.services_by_identifier[service_name]
            value = state.get(service.name, {}).get(_slot(slot_name, service).name)
            if value is not None:
                return value
    raise ParseError("unresolved_reference", f"{_shown(node)!r} is not a value of the state.")
