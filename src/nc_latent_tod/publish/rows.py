"""Labelled turns as rows of the published columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.labels import Act, Example
from nc_latent_tod.publish.abstention import STATE, Abstention, confidence_features, confidences
from nc_latent_tod.schema import Schema

if TYPE_CHECKING:
    from datasets import Features

DELETED = "[DELETE]"
"""In `turn_slot_values`, the value of a slot that the turn removes from the state; null there means no change."""


def features(schema: Schema, *, with_source: bool = False) -> Features:
    """The columns and their types. Slot values are {service: {slot: text or null}} over all slots of the schema.

    `with_source`: also `label_source`, where a person corrected some of the labels.
    """
    from datasets import Features, Value

    text = Value("string")
    slots = {service.name: {slot.name: text for slot in service.slots} for service in schema.services if service.slots}
    acts = [{"act": text, "service": text, "slot": text, "value": text}]
    return Features({
        "dialogue_id": text, "turn_id": Value("int32"), "domains": [text],
        "system_utterances": [text], "user_utterances": [text],
        "slot_values": slots, "turn_slot_values": slots, "last_slot_values": slots,
        "system_response_acts": acts, "last_system_response_acts": acts,
        "system_response": text, "delexicalised_response": text,
        **confidence_features(schema),
        "failures": [text], "run_id": text, "job_fingerprint": text, "model_fingerprint": text, "code_version": text,
        **({"label_source": text} if with_source else {}),
    })


def rows(turns: Sequence[Example], schema: Schema, abstention: Abstention, *,
         with_source: bool = False) -> list[dict[str, Any]]:
    """One row a turn of one dialogue, in order; what `abstention` leaves out is null.

    Raises `ConfigError` where a label has a slot that `schema` lacks.
    """
    absent = abstention.of(turns)
    domains = sorted({service for example, without in zip(turns, absent, strict=True)
                      for service in _services(example, without) if service})
    made: list[dict[str, Any]] = []
    for i, (example, sure) in enumerate(zip(turns, confidences(turns, schema, abstention.temperatures), strict=True)):
        label, turn, without = example.label, example.turn, absent[i]
        state, change, before = (_slots(slots, schema, example) for slots in (label.state, label.change, example.prior_state))
        has_acts = "act_tag" not in without
        made.append({
            "dialogue_id": turn.dialogue_id, "turn_id": turn.turn_id, "domains": domains,
            "system_utterances": [e.turn.last_system_utterance for e in turns[: i + 1]],
            "user_utterances": [e.turn.user_utterance for e in turns[: i + 1]],
            "slot_values": None if STATE in without else state,
            "turn_slot_values": None if "dst" in without else change,
            "last_slot_values": before,
            "system_response_acts": _acts(label.acts) if has_acts else None,
            "last_system_response_acts": made[-1]["system_response_acts"] if made else [],
            "system_response": turn.system_response,
            "delexicalised_response": label.delexicalised_response if has_acts else None,
            **sure, "abstained": list(without),
            "failures": [f"{task}: {reason}" for task, reason in sorted(label.failures.items())],
            "run_id": example.run_id, "job_fingerprint": label.provenance.get("job", ""),
            "model_fingerprint": label.provenance.get("model", ""), "code_version": label.provenance.get("code", ""),
            **({"label_source": "human" if label.is_human else "machine"} if with_source else {}),
        })
    return made


def _services(example: Example, without: Sequence[str]) -> set[str]:
    """The services of what is published of a label."""
    label = example.label
    return {*(label.state if STATE not in without else ()), *(label.change if "dst" not in without else ()),
            *(act.service for act in label.acts if "act_tag" not in without)}


def _slots(state: Mapping[str, Mapping[str, str | None]], schema: Schema, example: Example) -> dict[str, dict[str, str | None]]:
    full: dict[str, dict[str, str | None]] = {
        service.name: {slot.name: None for slot in service.slots} for service in schema.services if service.slots}
    for service, slots in state.items():
        for slot, value in slots.items():
            if slot not in full.get(service, {}):
                known = full.get(service, full)
                raise ConfigError(f"Turn {example.turn.turn_id} of dialogue {example.turn.dialogue_id!r} has the slot {slot!r} "
                                  f"of {service!r}, which the schema lacks.{nearest(slot, known)} Publish with the schema that "
                                  "the jobs used.")
            full[service][slot] = DELETED if value is None else value
    return full


def _acts(acts: Sequence[Act]) -> list[dict[str, str]]:
    return [{"act": act.act, "service": act.service, "slot": act.slot, "value": act.value} for act in acts]
