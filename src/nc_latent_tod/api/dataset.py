"""Datasets as folders: labels or a corpus to one, one checked whole, one to a corpus for jobs."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_latent_tod.api.connect import manifest_at
from nc_latent_tod.api.groups import labels_of, runs_of, schema_of_group
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError, CorpusError, nearest
from nc_latent_tod.repository.check import FILES, SCHEMA, Checked, check_dataset
from nc_latent_tod.repository.elements import NAME_PATTERN
from nc_latent_tod.repository.table import FORMATS, write_table
from nc_latent_tod.repository.turns import (
    SERVICES,
    as_log,
    examples_of,
    is_of_turns,
    rows_of,
    rows_without_labels,
    turn_schema,
    turns_of,
)
from nc_latent_tod.schema import Schema
from nc_latent_tod.system.files import write_whole

__all__ = ["Checked", "Exported", "Imported", "check_dataset", "export_corpus", "export_group", "import_dataset",
           "refuse_faults"]

_NAMED = 20  # faults that one message tells
DIALOGUES, LABELS = "dialogues.jsonl", "labels.jsonl.gz"


@dataclass(frozen=True)
class Exported:
    """A dataset folder that was written."""

    path: Path
    name: str
    turns: int
    dialogues: int


@dataclass(frozen=True)
class Imported:
    """What jobs take: `corpus` as eval_set_path_or_name, `schema` as schema_path; `labels` is gold, None without labels."""

    corpus: Path
    schema: Path
    labels: Path | None
    dialogues: int
    turns: int


def export_group(group_id: str, *, out: Path, manifest: str = "manifest", schema: str | None = None, name: str = "",
                 format: str = "csv") -> Exported:
    """Write the labels of a group's finished runs as a dataset folder, the corrected ones as they were corrected.

    `name`: default the folder's. Raises `ConfigError` where the group has no run or the folder holds something already.
    """
    stored = manifest_at(manifest, group_id)
    known = load_schema(schema) if schema else schema_of_group(stored, group_id)
    examples = labels_of(runs_of(stored, group_id))
    told = f"Labels of the group {group_id}."
    return _export(out, name, told, known, rows_of(examples), len({example.turn.dialogue_id for example in examples}), format)


def export_corpus(corpus: str, *, schema: str, out: Path, split: str | None = None, corpus_format: str = "auto", name: str = "",
                  format: str = "csv") -> Exported:
    """Write the dialogues of a corpus as a dataset folder; outputs are null. Raises `CorpusError` or `ConfigError`."""
    known = load_schema(schema)
    dialogues = load_dialogues(corpus, split, format=corpus_format)
    told = f"Dialogues of {Path(corpus).name}{f', {split}' if split else ''}."
    return _export(out, name, told, known, rows_without_labels(dialogues), len(dialogues), format)


def _export(out: Path, name: str, told: str, services: Schema, rows: Sequence[tuple[Any, ...]], dialogues: int,
            format: str) -> Exported:
    if format not in FORMATS:
        raise ConfigError(f"No format {format!r} of examples.{nearest(format, FORMATS)} There are: {', '.join(FORMATS)}.")
    _refuse_filled(out)
    schema = turn_schema(_name(name or out.absolute().name), told)
    write_whole(out / FILES / SERVICES, _json_bytes(services.to_json()))
    write_table(out, schema, rows, format)
    write_whole(out / SCHEMA, _json_bytes(schema.model_dump()))
    return Exported(out, schema.name, len(rows), dialogues)


def import_dataset(folder: Path, *, out: Path) -> Imported:
    """Make a checked dataset of turns a corpus for jobs, turn for turn: logs, the services' schema, and labels as gold.

    Raises `CorpusError` with every fault of the dataset, `ConfigError` where `out` holds something already.
    """
    checked = check_dataset(folder)
    refuse_faults(folder, checked)
    assert checked.schema is not None
    if not is_of_turns(checked.schema):
        raise CorpusError(f"{folder}: no dataset of turns. The inputs have to be dialogue_id, turn_id, last_system_utterance, "
                          "user_utterance and system_response.")
    services = sorted({str(row["service_schema"]) for row in checked.rows if row.get("service_schema")})
    if len(services) != 1:
        raise CorpusError(f"{folder}: the examples name {len(services)} service schemas, and a job takes one: "
                          f"{', '.join(services) or 'none'}.")
    _refuse_filled(out)
    dialogues, examples = turns_of(checked.rows), examples_of(checked.rows)
    lines = (json.dumps(as_log(dialogue), ensure_ascii=False) for dialogue in dialogues)
    write_whole(out / DIALOGUES, "".join(f"{line}\n" for line in lines).encode())
    write_whole(out / SCHEMA, (folder / FILES / services[0]).read_bytes())
    if examples:
        write_examples(out / LABELS, examples)
    return Imported(out / DIALOGUES, out / SCHEMA, out / LABELS if examples else None, len(dialogues), len(checked.rows))


def refuse_faults(folder: Path, checked: Checked) -> None:
    """Raise `CorpusError` that names the faults, where there are any."""
    if checked.faults:
        more = f"\n- and {len(checked.faults) - _NAMED} more" if len(checked.faults) > _NAMED else ""
        told = "\n- ".join(map(str, checked.faults[:_NAMED]))
        raise CorpusError(f"{folder}: {len(checked.faults)} faults in this dataset:\n- {told}{more}")


def _refuse_filled(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already, and nothing is written over: name a new folder with --out.")


def _name(name: str) -> str:
    """A name that a dataset can have. Raises `ConfigError`."""
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(f"No dataset is called {name!r}: use letters, digits, '_', '.' and '-'; name it with --name.")
    return name


def _json_bytes(data: Any) -> bytes:
    return f"{json.dumps(data, indent=2, ensure_ascii=False)}\n".encode()
