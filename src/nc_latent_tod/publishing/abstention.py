"""Labels that are too unsure to be published: what is left out, and how sure the rest is.

A turn whose change is too unsure keeps its row, so that dialogues stay whole, and has no change. States accumulate, so from
that turn on the dialogue's states are unknown and left out too; later changes stay where they are sure, beside the state that
they were read against. Acts stand alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.labels import Example
from nc_latent_tod.ranking.confidence import TASKS, Temperatures, state_confidence, turn_confidence, unsure_tasks
from nc_latent_tod.schema import Schema

if TYPE_CHECKING:
    from datasets import Features

STATE = "state"
"""In the column `abstained`: the state is unknown, because this change or an earlier one is."""

MEASURES = ("confidence", "margin", "entropy", "agreement")


@dataclass(frozen=True, slots=True)
class Abstention:
    """Which labels are left out, and the temperatures that confidences are computed at.

    `minimum`: the share that the chosen reading must have; None leaves nothing out. Raises `ConfigError`.
    """

    minimum: float | None = None
    temperatures: Temperatures = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.minimum is not None and not 0 < self.minimum <= 1:
            raise ConfigError(f"The minimum confidence is above 0 and at most 1, not {self.minimum:g}.")
        for task, value in self.temperatures.items():
            if task not in TASKS:
                raise ConfigError(f"There is no task {task!r} to have a temperature.{nearest(task, TASKS)} There are: "
                                  f"{', '.join(TASKS)}.")
            if not (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0):
                raise ConfigError(f"The temperature of {task} is a number above 0, not {value!r}.")

    @property
    def identity(self) -> list[Any]:
        """What tells datasets of the same labels apart; empty where nothing is asked for."""
        return [self.minimum, sorted(self.temperatures.items())] if self.minimum or self.temperatures else []

    def of(self, turns: Sequence[Example]) -> list[tuple[str, ...]]:
        """For each turn of one dialogue in order, what is left out: tasks and `STATE`."""
        if self.minimum is None:
            return [()] * len(turns)
        found: list[tuple[str, ...]] = []
        is_unknown = False
        for example in turns:
            unsure = [task for task in TASKS if task in unsure_tasks(example, self.minimum, self.temperatures)]
            is_unknown |= "dst" in unsure
            found.append((*unsure, *([STATE] if is_unknown else [])))
        return found


def read_temperatures(name: str) -> Temperatures:
    """Temperatures from a file that `calibrate` wrote, or one number for all tasks. Raises `ConfigError`."""
    try:
        return dict.fromkeys(TASKS, float(name))
    except ValueError:
        pass
    try:
        stored = json.loads(Path(name).read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{name}: the temperatures cannot be read: {error.strerror}. Give a file that "
                          "`nc-latent-tod calibrate --to FILE.json` wrote, or a number.") from error
    except ValueError as error:
        raise ConfigError(f"{name}: not JSON ({error}). Give a file that `nc-latent-tod calibrate --to FILE.json` "
                          "wrote.") from error
    found = stored.get("temperature") if isinstance(stored, dict) else None
    if not isinstance(found, dict):
        raise ConfigError(f'{name}: no "temperature" by task, such as {{"temperature": {{"dst": 2.5, "act_tag": 1.2}}}}.')
    return found


def confidence_features(schema: Schema) -> Features:
    """The columns of `confidences`."""
    from datasets import Features, Value

    number = Value("float32")
    return Features({
        **{f"{measure}_{task}": number for task in TASKS for measure in MEASURES}, "confidence_state": number,
        "confidence_slots": {s.name: {slot.name: number for slot in s.slots} for s in schema.services if s.slots},
        "confidence_acts": [number], "abstained": [Value("string")]})


def confidences(turns: Sequence[Example], schema: Schema, temperatures: Temperatures) -> list[dict[str, Any]]:
    """How sure the label of each turn of one dialogue is, without `abstained`. Raises `ConfigError` for another schema."""
    found = []
    for example, state in zip(turns, state_confidence(turns, temperatures), strict=True):
        sure = turn_confidence(example, schema, temperatures)
        row: dict[str, Any] = {"confidence_state": state, "confidence_acts": list(sure.acts), "confidence_slots": {
            s.name: {slot.name: sure.slots.get((s.name, slot.name)) for slot in s.slots} for s in schema.services if s.slots}}
        for task in TASKS:
            known = sure.tasks.get(task)
            row.update({f"confidence_{task}": known and known.share, f"margin_{task}": known and known.margin,
                        f"entropy_{task}": known and known.entropy, f"agreement_{task}": known and known.agreement})
        found.append(row)
    return found
