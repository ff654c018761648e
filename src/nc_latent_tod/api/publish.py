"""A group's runs merged into a dataset, from the manifest and the schema that are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nc_latent_tod.api.backends import schema_of
from nc_latent_tod.api.connect import manifest_at, open_manifest
from nc_latent_tod.api.groups import schema_of_group
from nc_latent_tod.api.jobs import read_job
from nc_latent_tod.api.labels import Labels, group_of
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.publishing.abstention import read_temperatures
from nc_latent_tod.publishing.publish import Published
from nc_latent_tod.publishing.publish import publish as merge

__all__ = ["Published", "publish", "publish_group", "read_temperatures"]


def publish(labels: Labels | str, *, to: str | Path | None = None, hf_username: str | None = None, public: bool = False,
            manifest: str | Path | None = None, schema: str | None = None, **options: Any) -> Published:
    """Merge a group's runs into one dataset with a data card, in the folder `to`, on the Hub as `hf_username`, or both.

    `labels`: what `label` returned, or a group's id with its `manifest`. `options`: as `publish.publish.publish` takes them
    (`min_confidence`, `temperatures`, `validation_dialogues`, `seed`, `license`, `allow_missing`, ...). `Published.path` is
    what `datasets.load_from_disk` loads. Raises `DamagedError` naming what is missing, damaged or twice, `ConfigError` else.
    """
    group_id, named = group_of(labels, manifest)
    known = labels.schema if isinstance(labels, Labels) else load_schema(schema) if schema else None
    stored = manifest_at(named, group_id)
    return merge(stored, group_id, schema=known or schema_of_group(stored, group_id), to=Path(to) if to else None,
                 hf_username=hf_username, public=public, **options)


def publish_group(group_id: str, *, job_file: Path | None, manifest: str, schema: str | None, **options: Any) -> Published:
    """Publish from the manifest and the schema of `job_file`, or else from those that are named.

    Without either, the schema is that of the group's jobs. Raises `ConfigError` where they had several, or it is gone.
    """
    if job_file is not None:
        job = read_job(job_file)
        return merge(open_manifest(job.manifest), group_id, schema=schema_of(job), **options)
    stored = manifest_at(manifest, group_id)
    return merge(stored, group_id, schema=load_schema(schema) if schema else schema_of_group(stored, group_id), **options)
