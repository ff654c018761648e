"""Dialogues in the layout of MultiWOZ 2.0, 2.1, 2.3 and 2.4: written by hand, and converted from the layout of 2.2."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SLOTS = {"stay": ("area", "type", "leaveAt", "bookday"), "eat": ("food",), "guard": ("name",)}


def schema_file(folder: Path) -> Path:
    """A schema of three invented services; slot names carry their service, as in MultiWOZ."""
    services = [{"service_name": name, "slots": [{"name": f"{name}-{slot}"} for slot in slots], "intents": []}
                for name, slots in SLOTS.items()]
    (folder / "schema.json").write_text(json.dumps(services))
    return folder / "schema.json"


def state(**domains: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of all domains: slots that begin with `book_` go into `book`, the others into `semi`."""
    blank: dict[str, Any] = {name: {"book": {"booked": []}, "semi": {}} for name in SLOTS}
    for name, slots in domains.items():
        for slot, value in slots.items():
            part = "book" if slot.startswith("book_") else "semi"
            blank.setdefault(name, {"book": {}, "semi": {}})[part][slot.removeprefix("book_")] = value
    return blank


def log(*states: Any, acts: Any = None) -> dict[str, Any]:
    """A dialogue with one turn a state; `acts`: of every system utterance."""
    said: list[dict[str, Any]] = []
    for i, metadata in enumerate(states):
        said += [{"text": f"user {i}", "metadata": {}}, {"text": f"system {i}", "metadata": metadata}]
    if acts is not None:
        for utterance, tagged in zip(said[1::2], acts, strict=True):
            utterance.update(dialog_act=tagged, span_info=[])
    return {"goal": {"message": ["You want a room."]}, "log": said}


def write(folder: Path, dialogues: Mapping[str, Any], *, dev: tuple[str, ...] = (), test: tuple[str, ...] = (),
          suffix: str = ".txt") -> Path:
    """`data.json` and both list files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "data.json").write_text(json.dumps(dialogues))
    for name, ids in (("valListFile", dev), ("testListFile", test)):
        (folder / f"{name}{suffix}").write_text("".join(f"{one}\n" for one in ids))
    return folder


def converted(folder: Path, acts: Mapping[str, Any], tracked: Mapping[str, list[str]]) -> dict[str, Any]:
    """The dialogues of a MultiWOZ 2.2 folder in the older layout. `tracked`: slots by service, all blank at first."""
    dialogues = {}
    for file in sorted(folder.glob("dialogues*.json")):
        for dialogue in json.loads(file.read_text()):
            said = []
            for i, turn in enumerate(dialogue["turns"]):
                tagged = acts.get(dialogue["dialogue_id"], {}).get(str(i), {}).get("dialog_act", {})
                frames = dialogue["turns"][i - 1]["frames"] if i % 2 else []
                metadata = _metadata(frames, tracked) if i % 2 else {}
                said.append({"text": turn["utterance"], "metadata": metadata, "dialog_act": tagged, "span_info": []})
            dialogues[dialogue["dialogue_id"]] = {"goal": {}, "log": said}
    return dialogues


_CAMEL = {"leaveat": "leaveAt", "arriveby": "arriveBy"}


def _metadata(frames: list[Any], tracked: Mapping[str, list[str]]) -> dict[str, Any]:
    values = {slot: "|".join(found) for frame in frames for slot, found in frame["state"]["slot_values"].items()}
    metadata: dict[str, Any] = {}
    for service, slots in tracked.items():
        is_active = any(slot.startswith(f"{service}-") for slot in values)
        metadata[service] = {"book": {"booked": [{"reference": "X1"}] if is_active else []}, "semi": {}}
        for slot in slots:
            value = values.get(f"{service}-{slot}")
            if slot.startswith("book"):
                metadata[service]["book"][slot.removeprefix("book")] = value or ""
            else:
                metadata[service]["semi"][_CAMEL.get(slot, slot)] = value or ("not mentioned" if is_active else "")
    return metadata
