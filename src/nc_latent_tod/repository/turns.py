"""Labelled turns as examples of a dataset, a row each, and back.

Inputs are the turn's text; outputs what it means, as JSON in text columns, null where nothing was labelled; metadata where it
came from. `service_schema` names the schema of the services, in `files/`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import CorpusError
from nc_latent_tod.labels import Act, Example, Label, TaskLabel, by_dialogue
from nc_latent_tod.repository.elements import DatasetSchema, Element

SERVICES = "service_schema.json"
"""The file below `files/` that `export` writes the services to."""

_INPUTS = {"dialogue_id": "The conversation", "turn_id": "From 0 within the dialogue",
           "last_system_utterance": "What the system said before; empty at turn 0 unless it spoke first",
           "user_utterance": "What the user said", "system_response": "The answer; empty where the user ends the dialogue"}
_OUTPUTS = {"change": "JSON {service: {slot: value, or null for a deletion}} of this turn",
            "state": "JSON {service: {slot: value}} after this turn",
            "acts": "JSON list of the system's acts: act, service, slot, value",
            "delexicalised_response": "The answer with [value_SLOT] for values"}
_METADATA = {"failures": "JSON {task: reason} of tasks that gave no label", "run_id": "The run that labelled the turn"}


def turn_schema(name: str, description: str) -> DatasetSchema:
    """The `schema.json` of a dataset of turns."""
    return DatasetSchema(
        name=name, description=description,
        inputs=[Element(name=key, type="integer" if key == "turn_id" else "text", description=told)
                for key, told in _INPUTS.items()],
        outputs=[Element(name=key, type="text", description=told, nullable=True) for key, told in _OUTPUTS.items()],
        metadata=[*(Element(name=key, type="text", description=told, nullable=True) for key, told in _METADATA.items()),
                  Element(name="service_schema", type="document_file", description="The services, as SGD writes them")])


def is_of_turns(schema: DatasetSchema) -> bool:
    """Whether the dataset has the columns that make a turn."""
    return set(_INPUTS) <= {element.name for element in schema.inputs}


def example_id(turn: Turn) -> str:
    """A UUID4 in form, and a hash of the turn's identity: exported again, a turn has the id that it had."""
    return str(UUID(bytes=hashlib.sha256(json.dumps(turn.key).encode()).digest()[:16], version=4))


def rows_of(examples: Iterable[Example]) -> list[tuple[Any, ...]]:
    """Labelled turns as rows of `turn_schema`, dialogue by dialogue."""
    return [_row(example.turn, _outputs(example.label), (_json(example.label.failures or None), example.run_id or None))
            for turns in by_dialogue(examples).values() for example in turns]


def rows_without_labels(dialogues: Iterable[Dialogue]) -> list[tuple[Any, ...]]:
    """Turns as rows of `turn_schema` whose outputs are null."""
    return [_row(turn, (None,) * len(_OUTPUTS), (None,) * len(_METADATA)) for dialogue in dialogues for turn in dialogue.turns]


def _row(turn: Turn, outputs: tuple[Any, ...], metadata: tuple[Any, ...]) -> tuple[Any, ...]:
    text = (turn.dialogue_id, turn.turn_id, turn.last_system_utterance, turn.user_utterance, turn.system_response)
    return (example_id(turn), *text, *outputs, *metadata, SERVICES)


def _outputs(label: Label) -> tuple[Any, ...]:
    acts = [{"act": act.act, "service": act.service, "slot": act.slot, "value": act.value} for act in label.acts]
    return _json(label.change), _json(label.state), _json(acts), label.delexicalised_response or None


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def turns_of(rows: Iterable[Mapping[str, Any]]) -> list[Dialogue]:
    """The dialogues of rows by column, in the order in which each begins. Raises `CorpusError` where turns are lacking."""
    by_id: dict[str, list[Turn]] = {}
    for row in rows:
        turn = turn_of(row)
        by_id.setdefault(turn.dialogue_id, []).append(turn)
    for name, turns in by_id.items():
        turns.sort(key=lambda turn: turn.turn_id)
        if [turn.turn_id for turn in turns] != list(range(len(turns))):
            raise CorpusError(f"Dialogue {name!r} lacks turns or repeats them: {[turn.turn_id for turn in turns][:20]}.")
    return [Dialogue(name, tuple(turns)) for name, turns in by_id.items()]


def turn_of(row: Mapping[str, Any]) -> Turn:
    """The text of a row."""
    return Turn(str(row["dialogue_id"]), int(row["turn_id"]), row["last_system_utterance"] or "", row["user_utterance"] or "",
                row["system_response"] or "")


def examples_of(rows: Iterable[Mapping[str, Any]]) -> list[Example]:
    """The labelled turns among rows by column, in their order; a prior state is that of the turn before."""
    found: list[Example] = []
    states: dict[tuple[str, int], Mapping[str, Mapping[str, str]]] = {}
    for row in sorted((row for row in rows if row.get("state")), key=lambda row: int(row["turn_id"])):
        turn = turn_of(row)
        prior = states.get((turn.dialogue_id, turn.turn_id - 1), {})
        change = json.loads(row["change"] or "{}")
        state = states[turn.key] = json.loads(row["state"])
        label = Label(state=state, change=change, acts=tuple(Act(**act) for act in json.loads(row["acts"] or "[]")),
                      delexicalised_response=row["delexicalised_response"] or "",
                      tasks={task: TaskLabel((), None, failure=reason)
                             for task, reason in json.loads(row.get("failures") or "{}").items()})
        found.append(Example(turn, prior, label, run_id=row.get("run_id") or ""))
    return [example for turns in by_dialogue(found).values() for example in turns]


def as_log(dialogue: Dialogue) -> dict[str, Any]:
    """A dialogue as a line of JSONL logs, from which `load_dialogues` makes an equal one."""
    first = [("system", dialogue.turns[0].last_system_utterance)] if dialogue.turns[0].last_system_utterance else []
    said = [(speaker, text) for turn in dialogue.turns
            for speaker, text in (("user", turn.user_utterance), ("system", turn.system_response))]
    return {"dialogue_id": dialogue.dialogue_id,
            "turns": [{"speaker": speaker, "utterance": text} for speaker, text in (*first, *said)]}
