"""Published datasets back to labelled turns, for training: a saved folder, or a dataset of the Hub by its name.

A task that failed on a turn, or whose label was too unsure to be published, is marked as failed in the turn's outcome; a
state that is not known is marked under `state`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_latent_tod.corpus.formats.turns import hub_dataset, is_saved_dataset, saved_dataset
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, CorpusError, nearest
from nc_latent_tod.labels import Act, Example, Label, TaskLabel

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

STATE = "state"
"""The outcome's name of a turn whose state is not known."""
NOT_PUBLISHED = "not_published"

_DELETED = "[DELETE]"
_SOURCE = "label_source"  # only where a person corrected some labels
_COLUMNS = ("dialogue_id", "turn_id", "system_utterances", "user_utterances", "system_response", "slot_values",
            "turn_slot_values", "last_slot_values", "system_response_acts", "delexicalised_response", "failures", "run_id")


def read_published(path_or_name: str) -> dict[str, list[Example]]:
    """The labelled turns of a published dataset, by split, in its order.

    Raises `CorpusError` where it cannot be read or was not made by `publish`, `RetryableError` where the Hub fails.
    """
    path = Path(path_or_name)
    if path.is_dir() and not is_saved_dataset(path):
        inside = sorted(child.name for child in path.iterdir() if child.is_dir() and is_saved_dataset(child))
        hint = f" Did you mean {str(path / inside[0])!r}?" if len(inside) == 1 else f" It holds: {', '.join(inside) or 'none'}."
        raise CorpusError(f"{path}: no published dataset. Give the folder that `publish` named.{hint}")
    if not path.exists() and (path_or_name.startswith((".", "/")) or path_or_name.count("/") != 1):
        raise CorpusError(f"{path}: no such folder. Give the folder that `publish` named, or OWNER/NAME of the Hub.")
    found: DatasetDict = saved_dataset(path) if path.exists() else hub_dataset(path_or_name)
    return {split: _examples(data, f"{path_or_name}[{split}]") for split, data in found.items()}


def chosen_split(splits: Mapping[str, list[Example]], name: str, source: str) -> list[Example]:
    """One split. Raises `ConfigError` where there is none of this name."""
    if name not in splits:
        raise ConfigError(f"{source} has no split {name!r}.{nearest(name, splits)} There are: {', '.join(splits)}.")
    return splits[name]


def _examples(data: Dataset, name: str) -> list[Example]:
    missing = [column for column in _COLUMNS if column not in data.column_names]
    if missing:
        raise CorpusError(f"{name}: no column {', '.join(missing)}: no dataset that `publish` made, so there are no labels "
                          "to train on.")
    return [_example(row) for row in data.select_columns([*_COLUMNS, *({_SOURCE} & set(data.column_names))])]


def _example(row: Mapping[str, Any]) -> Example:
    change, acts, state = row["turn_slot_values"], row["system_response_acts"], row["slot_values"]
    unknown = {"dst": change is None, "act_tag": acts is None, STATE: state is None}
    failures = dict.fromkeys((task for task, is_unknown in unknown.items() if is_unknown), NOT_PUBLISHED)
    failures |= dict(failure.split(": ", 1) for failure in row["failures"] or ())
    before, prior = row["system_utterances"] or [""], _slots(row["last_slot_values"])
    label = Label(
        state=_slots(state), acts=tuple(Act(**act) for act in acts or ()),
        change={service: {slot: None if value == _DELETED else value for slot, value in slots.items()}
                for service, slots in _slots(change).items()},
        delexicalised_response=row["delexicalised_response"] or "",
        tasks={task: TaskLabel((), None, failure=reason) for task, reason in failures.items()},
        provenance={_SOURCE: "human"} if row.get(_SOURCE) == "human" else {})
    turn = Turn(row["dialogue_id"], row["turn_id"], before[-1] or "", row["user_utterances"][-1], row["system_response"] or "")
    return Example(turn, prior, label, run_id=row["run_id"])


def _slots(values: Mapping[str, Mapping[str, str | None] | None] | None) -> dict[str, dict[str, str]]:
    found = {service: {slot: value for slot, value in (slots or {}).items() if value is not None}
             for service, slots in (values or {}).items()}
    return {service: slots for service, slots in found.items() if slots}
