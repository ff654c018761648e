"""Predictions in the folder layout of Lightly, for who selects elsewhere.

`tasks.json`, and a folder a task with its `schema.json` and one JSON file a sample. A sample is a turn. Its readings are its
own, so the categories that all samples share are ranks: reading 1 is the likeliest; what the readings say stands beside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Example
from nc_latent_tod.ranking.uncertainty import UNPARSABLE, classes
from nc_latent_tod.system.files import write_bytes

TASKS = ("dst", "act_tag")
_TOLERANCE = 1e-6  # of the sum of a sample's probabilities


def write_predictions(examples: Sequence[Example], folder: Path) -> int:
    """Write the predictions of labelled turns; the number of samples. Raises `ConfigError` where they do not sum to 1.

    Nothing is written where one sample is wrong. A turn without candidates (nothing to read, or corrected) predicts nothing.
    """
    files: list[tuple[str, Any]] = [("tasks.json", list(TASKS))]
    for task in TASKS:
        read = [(example, classes(example.label.tasks.get(task))) for example in examples]
        most = max((sum(text != UNPARSABLE for text, _ in found) for _, found in read), default=0)
        names = [*(f"reading {rank + 1}" for rank in range(most)), "unparsable"]
        files.append((f"{task}/schema.json", {"task_type": "classification", "categories": [
            {"id": number, "name": name} for number, name in enumerate(names)]}))
        files += [(f"{task}/{file_name(example)}.json", sample(example, found, len(names))) for example, found in read]
    for name, data in files:
        write_bytes(folder / name, f"{json.dumps(data, indent=1)}\n".encode())
    return len(examples)


def sample(example: Example, found: Sequence[tuple[str, float]], categories: int) -> dict[str, Any]:
    """One turn's prediction; its probabilities sum to 1. Raises `ConfigError` where the shares do not."""
    named: dict[str, Any] = {"file_name": file_name(example), "dialogue_id": example.turn.dialogue_id,
                             "turn_id": example.turn.turn_id}
    if not found:
        return {**named, "predictions": []}
    total = sum(share for _, share in found)
    if not abs(total - 1) <= _TOLERANCE:
        raise ConfigError(f"The probabilities of turn {example.turn.turn_id} of dialogue {example.turn.dialogue_id!r} sum to "
                          f"{total:.6f}, not to 1: its candidates have no usable scores. Label it again.")
    ranked = sorted(((text, share) for text, share in found if text != UNPARSABLE), key=lambda pair: -pair[1])
    lost = sum(share for text, share in found if text == UNPARSABLE)
    probabilities = [*(share for _, share in ranked), *[0.0] * (categories - 1 - len(ranked)), lost]
    best = max(range(categories), key=probabilities.__getitem__)
    return {**named, "readings": [text for text, _ in ranked],
            "predictions": [{"category_id": best, "score": probabilities[best], "probabilities": probabilities}]}


def file_name(example: Example) -> str:
    """A file name for a turn: its id in plain letters, and a hash, for ids may differ in what is no plain letter."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "_" for c in example.turn.dialogue_id)[:80]
    digest = hashlib.sha256(example.turn.dialogue_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}-{digest}-{example.turn.turn_id}"
