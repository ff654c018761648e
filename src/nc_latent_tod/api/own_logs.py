"""A first labelling of someone's own logs: a schema, perhaps an entity table, and no model."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nc_latent_tod.api.backends import Builder, schema_of
from nc_latent_tod.api.connect import open_manifest
from nc_latent_tod.api.quickstart import prepare_folder
from nc_latent_tod.api.report import report_group, write_page
from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.corpus.entities import load_entities
from nc_latent_tod.corpus.load import load_dialogues, split_names
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Example
from nc_latent_tod.pipeline.run import Control, run_job
from nc_latent_tod.publishing.publish import Published, publish

GROUP = "own_logs"
_DIALOGUES_SHOWN = 1000

_NO_MODEL = {"model_type": "none"}


@dataclass(frozen=True)
class Labelled:
    """What a run over someone's logs leaves."""

    job_files: Sequence[Path]
    published: Published
    examples: Sequence[Example]
    seconds: float  # of labelling, with the reading of schema, table and logs


def label_logs(folder: Path, logs: str, schema: str | None, entities: str | None, control: Control | None = None, *,
               fresh: bool = False) -> Labelled:
    """Label `logs` by proposals alone and publish them, everything below `folder`, over what an earlier call left there.

    The job files stay: with another `model` section they are the next run, and what that made is replaced with `fresh` alone.
    Raises what `load_dialogues`, `load_schema` and `load_entities` raise, before anything is replaced; `ConfigError` where
    `schema` is None or `folder` holds something else.
    """
    if schema is None:
        raise ConfigError(f"Labels follow a schema: give that of {logs} with --schema. `nc-latent-tod schema draft TABLE` "
                          "drafts one from a CSV or JSON entity table.")
    began = time.monotonic()
    splits = split_names(logs)
    for split in splits:
        load_dialogues(logs, split)
    known = load_schema(schema)
    if entities:
        load_entities(entities, known)
    if not fresh:
        _refuse_others(folder)
    prepare_folder(folder, f"jobs/{GROUP}_*.json", fresh=True)
    files: list[Path] = []
    examples: list[Example] = []
    builder = Builder()
    for split in splits:
        file, job = _write_job(folder, logs, split, schema, entities)
        files.append(file)
        examples += run_job(job, builder.backends(job), control).examples
    seconds = time.monotonic() - began
    published = publish(open_manifest(job.manifest), GROUP, to=folder / "datasets", schema=schema_of(job))
    return Labelled(files, published, examples, seconds)


def write_report(folder: Path, done: Labelled) -> Path:
    """Write the report of the labels as one HTML file below `folder`; its path."""
    path = folder / "report.html"
    write_page(report_group(GROUP, job_file=done.job_files[0], max_dialogues=_DIALOGUES_SHOWN), path)
    return path


def _refuse_others(folder: Path) -> None:
    """Raise `ConfigError` where `folder` holds what was made by other jobs than an earlier call's: it would be deleted."""
    changed = [file for file in sorted(folder.glob(f"jobs/{GROUP}_*.json")) if not _is_ours(file)]
    groups = [found for found in sorted(folder.glob("manifest/*")) if found.name != GROUP]
    if changed or groups:
        raise ConfigError(f"{(changed + groups)[0]} was changed or made after the first labelling, and this command starts "
                          "over: it deletes jobs, labels and datasets there. Give another folder with --out, or delete them "
                          "with --fresh.")


def _is_ours(file: Path) -> bool:
    try:
        job = json.loads(file.read_text("utf-8"))
        return job["manifest"]["group_id"] == GROUP and all(job[task]["model"] == _NO_MODEL for task in ("dst", "act_tag"))
    except (ValueError, KeyError, TypeError):
        return False


def _write_job(folder: Path, logs: str, split: str, schema: str, entities: str | None) -> tuple[Path, Job]:
    data = {"eval_set_path_or_name": logs, "eval_set_split_name": split, "schema_path": schema}
    task = {"model": _NO_MODEL, "retriever": {"model_name_or_path": "packaged:minilm"}}
    job = {"data": {**data, **({"entities_path": entities} if entities else {})}, "dst": task, "act_tag": task,
           "output": {"labels_url": str(folder / "outputs")},
           "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": GROUP}}
    file = folder / "jobs" / f"{GROUP}_{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(job, indent=2) + "\n")
    return file, parse_job(job, str(file))
