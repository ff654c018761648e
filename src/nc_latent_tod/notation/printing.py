"""The label language, written: states, changes and acts as canonical Python text. `parsing` reads it back.

Equal labels print equally: services in schema order, slots in schema order, acts in the order of `ACT_NAMES`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from nc_latent_tod.labels import ACT_NAMES, ENTITY_ACTS, SERVICE_ACTS, Act, BeliefState, StateChange
from nc_latent_tod.schema import Schema, Service, attribute

NO_CHANGE = "[agent.no_change()]"

_INTEGER = re.compile(r"(0|[1-9][0-9]{0,8})\Z")


def quoted(text: str) -> str:
    """A Python string literal in double quotes; characters outside ASCII stay as they are."""
    return json.dumps(text, ensure_ascii=False)


def literal(value: str | None) -> str:
    """A value as Python: whole numbers bare (`4`), `None` for a deletion, anything else quoted."""
    if value is None:
        return "None"
    return value if _INTEGER.match(value) else quoted(value)


def _keywords(service: Service, slots: Mapping[str, str | None]) -> str:
    order = [slot for slot in service.slots if slot.name in slots]
    return ", ".join(f"{slot.identifier}={literal(slots[slot.name])}" for slot in order)


def _known(schema: Schema, state: Mapping[str, Mapping[str, str | None]]) -> Iterable[Service]:
    return (service for service in schema.services if state.get(service.name))


def print_state(state: BeliefState, schema: Schema) -> str:
    """`BeliefState(hotel=Hotel(area="east"))`. Services and slots that the schema lacks are left out."""
    inner = ", ".join(f"{attribute(s)}={s.identifier}({_keywords(s, state[s.name])})" for s in _known(schema, state))
    return f"BeliefState({inner})"


def print_change(change: StateChange, schema: Schema) -> str:
    """`[agent.find_hotel(area="east"), agent.book_hotel(day=None)]`; each slot in the first intent that lists it."""
    calls = []
    for service in _known(schema, change):
        slots = change[service.name]
        for intent in service.intents:
            own = {name: value for name, value in slots.items() if service.intent_of_slot.get(name) is intent}
            if own:
                calls.append(f"agent.{intent.identifier}({_keywords(service, own)})")
    return f"[{', '.join(calls)}]" if calls else NO_CHANGE


def print_acts(acts: Iterable[Act], schema: Schema) -> str:
    """`[Offer(entity=Hotel(name="...")), Request(service=Hotel, slots=["area"]), Goodbye()]`; `[]` without acts.

    A slot with several values in one act takes one entity each, so that a value list never nests brackets.
    """
    remaining = set(acts)
    printed = []
    for name in ACT_NAMES:
        if any(a.act == name and not a.service for a in remaining):
            printed.append(f"{name}()")
        for service in schema.services:
            own = sorted(a for a in remaining if a.act == name and a.service == service.name)
            if own and name in ENTITY_ACTS:
                printed.extend(f"{name}(entity={service.identifier}({_keywords(service, e)}))" for e in _entities(own))
            elif own and name in SERVICE_ACTS:
                order = [quoted(s.identifier) for s in service.slots if any(a.slot == s.name for a in own)]
                slots = f", slots=[{', '.join(order)}]" if order else ""
                printed.append(f"{name}(service={service.identifier}{slots})")
    return f"[{', '.join(printed)}]"


def _entities(acts: Iterable[Act]) -> list[dict[str, str]]:
    """Acts of one kind and service as few entities as hold them: the first has the first value of every slot."""
    entities: list[dict[str, str]] = [{}]
    for act in acts:
        if not act.slot:
            continue
        free = next((e for e in entities if act.slot not in e), None)
        if free is None:
            entities.append({act.slot: act.value})
        else:
            free[act.slot] = act.value
    return entities
