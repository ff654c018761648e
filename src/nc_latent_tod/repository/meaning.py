"""What is wrong with the turns of a dataset: their order, their JSON, and slots and values that the services do not know."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.labels import ACT_NAMES, apply_change
from nc_latent_tod.repository.turns import turn_of
from nc_latent_tod.schema import Schema

_DONTCARE = "dontcare"
_JSON = {"change": dict, "state": dict, "acts": list, "failures": dict}


def meaning_faults(files: Path, rows: Sequence[Mapping[str, Any]], where: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield (place, fault) over rows by column. Rows whose own cells are at fault are passed over."""
    schemas: dict[str, Schema | None] = {}
    read = []
    for at, row in zip(where, rows, strict=True):
        name = row.get("service_schema")
        if name and name not in schemas:
            schemas[name], fault = _schema(files / name)
            if fault:
                yield f"files/{name}", fault
        decoded, faults = _decoded(row)
        yield from ((f"{at}, {column}", fault) for column, fault in faults)
        schema = schemas.get(name) if name else None
        if schema:
            yield from ((f"{at}, {column}", fault) for column, fault in _unknown(decoded, schema))
        if row["dialogue_id"] is not None and row["turn_id"] is not None:
            read.append((at, row, decoded))
    yield from _order_faults(read)


def _schema(path: Path) -> tuple[Schema | None, str]:
    try:
        return (load_schema(path), "") if path.is_file() else (None, "")
    except ConfigError as error:
        return None, str(error)


def _decoded(row: Mapping[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    decoded: dict[str, Any] = {}
    faults: list[tuple[str, str]] = []
    for column, kind in _JSON.items():
        if row.get(column) is None:
            continue
        try:
            value = json.loads(row[column])
        except (TypeError, ValueError, RecursionError):
            value = None
        if not isinstance(value, kind) or (kind is dict and column != "failures" and not _are_slots(value)):
            faults.append((column, f"{str(row[column])[:60]!r} is not JSON of the form that schema.json tells"))
        else:
            decoded[column] = value
    return decoded, faults


def _are_slots(value: Any) -> bool:
    return all(isinstance(slots, dict) and all(isinstance(v, str | None) for v in slots.values()) for slots in value.values())


def _unknown(decoded: Mapping[str, Any], schema: Schema) -> Iterator[tuple[str, str]]:
    for column in ("change", "state"):
        for name, slots in decoded.get(column, {}).items():
            for slot, value in slots.items() or [("", None)]:
                if fault := _slot_fault(schema, name, slot, value):
                    yield column, fault
    for act in decoded.get("acts", ()):
        if not isinstance(act, dict) or set(act) != {"act", "service", "slot", "value"} or act["act"] not in ACT_NAMES:
            yield "acts", f"{str(act)[:80]} is no act. Acts are {', '.join(ACT_NAMES)}, with act, service, slot and value"
        elif act["service"] and (fault := _slot_fault(schema, act["service"], act["slot"], None)):
            yield "acts", fault


def _slot_fault(schema: Schema, service: str, slot: str, value: str | None) -> str:
    if service not in schema.services_by_name:
        return f"the service {service!r} is not in the schema.{nearest(service, schema.services_by_name)}"
    slots = schema.services_by_name[service].slots_by_name
    if slot and slot not in slots:
        return f"{service} has no slot {slot!r}.{nearest(slot, slots)}"
    if slot and value is not None and slots[slot].is_categorical and slots[slot].possible_values:
        values = {known.casefold() for known in slots[slot].possible_values} | {_DONTCARE}
        if value.casefold() not in values:
            return f"{value!r} is no value of {service}.{slot}: {', '.join(slots[slot].possible_values[:8])}"
    return ""


def _order_faults(rows: Sequence[tuple[str, Mapping[str, Any], Mapping[str, Any]]]) -> Iterator[tuple[str, str]]:
    """Turns that lack or repeat, and turns that do not follow from the one before."""
    by_id: dict[str, dict[int, tuple[str, Mapping[str, Any], Mapping[str, Any]]]] = {}
    for at, row, decoded in rows:
        turn = turn_of(row)
        before = by_id.setdefault(turn.dialogue_id, {}).setdefault(turn.turn_id, (at, row, decoded))
        if before[0] != at:
            yield at, f"turn {turn.turn_id} of dialogue {turn.dialogue_id!r} comes twice, first at {before[0]}"
    for name, turns in by_id.items():
        if missing := sorted(set(range(max(turns) + 1)) - set(turns)):
            yield turns[max(turns)][0], f"dialogue {name!r} lacks turn {missing[0]}"
        for number, (at, row, decoded) in sorted(turns.items()):
            previous = turns.get(number - 1)
            if previous and (row["last_system_utterance"] or "") != (previous[1]["system_response"] or ""):
                yield at, "last_system_utterance is not the system_response of the turn before"
            prior = {} if number == 0 else previous[2].get("state") if previous else None
            if prior is not None and "change" in decoded and "state" in decoded and (
                    apply_change(prior, decoded["change"]) != decoded["state"]):
                yield f"{at}, state", "is not the state of the turn before with this turn's change"
