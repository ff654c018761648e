"""A first labelling of someone's own logs: a schema, perhaps an entity table, and no model."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nc_latent_tod.build import Builder, schema_of
from nc_latent_tod.connect import open_manifest
from nc_latent_tod.corpus import split_names
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.job import Job, parse_job
from nc_latent_tod.labels import Example
from nc_latent_tod.pipeline import Control, run_job
from nc_latent_tod.publish import Published, publish
from nc_latent_tod.quickstart import prepare_folder

GROUP = "own_logs"


@dataclass(frozen=True)
class Labelled:
    """What a run over someone's logs leaves."""

    job_files: Sequence[Path]
    published: Published
    examples: Sequence[Example]
    seconds: float  # of labelling, with the reading of schema, table and logs


def label_logs(folder: Path, logs: str, schema: str | None, entities: str | None, control: Control | None = None) -> Labelled:
    """Label `logs` by proposals alone and publish them, everything below `folder`, over what an earlier call left there.

    The job files stay: with another `model` section they are the next run. Raises what `load_dialogues`, `load_schema` and
    `load_entities` raise; `ConfigError` where `schema` is None or `folder` holds something else.
    """
    if schema is None:
        raise ConfigError(f"Labels follow a schema: give that of {logs} with --schema. `nc-latent-tod schema draft TABLE` "
                          "drafts one from a CSV or JSON entity table.")
    splits = split_names(logs)
    prepare_folder(folder, f"jobs/{GROUP}_*.json", fresh=True)
    began = time.monotonic()
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


def _write_job(folder: Path, logs: str, split: str, schema: str, entities: str | None) -> tuple[Path, Job]:
    data = {"eval_set_path_or_name": logs, "eval_set_split_name": split, "schema_path": schema}
    task = {"model": {"model_type": "none"}, "retriever": {"model_name_or_path": "packaged:minilm"}}
    job = {"data": {**data, **({"entities_path": entities} if entities else {})}, "dst": task, "act_tag": task,
           "output": {"labels_url": str(folder / "outputs")},
           "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": GROUP}}
    file = folder / "jobs" / f"{GROUP}_{split}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(job, indent=2) + "\n")
    return file, parse_job(job, str(file))
