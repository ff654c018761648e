"""Labelled turns as rows of the published columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.labels import Act, Example, TaskLabel
from nc_latent_tod.schema import Schema

if TYPE_CHECKING:
    from datasets import Features

DELETED = "[DELETE]"
"""In `turn_slot_values`, the value of a slot that the turn removes from the state; null there means no change."""

TASKS = ("dst", "act_tag")


def features(schema: Schema) -> Features:
    """The columns and their types. Slot values are {service: {slot: text or null}} over all slots of the schema."""
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
        **{f"confidence_{task}": Value("float32") for task in TASKS},
        "failures": [text], "run_id": text, "job_fingerprint": text, "model_fingerprint": text, "code_version": text,
    })


def rows(turns: Sequence[Example], schema: Schema) -> list[dict[str, Any]]:
    """One row a turn of one dialogue, in order. Raises `ConfigError` where a label has a slot that `schema` lacks."""
    domains = sorted({service for e in turns for service in (*e.label.state, *(a.service for a in e.label.acts)) if service})
    made = []
    for i, example in enumerate(turns):
        label, turn = example.label, example.turn
        made.append({
            "dialogue_id": turn.dialogue_id, "turn_id": turn.turn_id, "domains": domains,
            "system_utterances": [e.turn.last_system_utterance for e in turns[: i + 1]],
            "user_utterances": [e.turn.user_utterance for e in turns[: i + 1]],
            "slot_values": _slots(label.state, schema, example),
            "turn_slot_values": _slots(label.change, schema, example),
            "last_slot_values": _slots(example.prior_state, schema, example),
            "system_response_acts": _acts(label.acts),
            "last_system_response_acts": _acts(turns[i - 1].label.acts) if i else [],
            "system_response": turn.system_response, "delexicalised_response": label.delexicalised_response,
            **{f"confidence_{task}": confidence(label.tasks.get(task)) for task in TASKS},
            "failures": [f"{task}: {reason}" for task, reason in sorted(label.failures.items())],
            "run_id": example.run_id, "job_fingerprint": label.provenance.get("job", ""),
            "model_fingerprint": label.provenance.get("model", ""), "code_version": label.provenance.get("code", ""),
        })
    return made


def confidence(task: TaskLabel | None) -> float | None:
    """The chosen reading's share among the distinct readings that parsed: softmax of their scores (nats).

    1.0 where there was one reading only, so it says nothing about greedy decoding; None where nothing was chosen.
    """
    if task is None or task.chosen is None:
        return None
    scores = [c.score for c in task.candidates if c.error is None and c.score is not None]
    chosen = task.candidates[task.chosen].score
    if chosen is None or not math.isfinite(chosen):
        return 1.0 if len(scores) <= 1 else None
    return 1.0 / sum(math.exp(min(score - chosen, 700.0)) for score in scores)


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
