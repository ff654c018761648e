"""A group's runs merged into a dataset, from the manifest and the schema that are named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nc_latent_tod.api.backends import schema_of
from nc_latent_tod.api.connect import manifest_at, open_manifest
from nc_latent_tod.api.groups import schema_of_group
from nc_latent_tod.api.jobs import read_job
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.publishing.abstention import read_temperatures
from nc_latent_tod.publishing.publish import Published, publish

__all__ = ["Published", "publish_group", "read_temperatures"]


def publish_group(group_id: str, *, job_file: Path | None, manifest: str, schema: str | None, **options: Any) -> Published:
    """Publish from the manifest and the schema of `job_file`, or else from those that are named.

    Without either, the schema is that of the group's jobs. Raises `ConfigError` where they had several, or it is gone.
    """
    if job_file is not None:
        job = read_job(job_file)
        return publish(open_manifest(job.manifest), group_id, schema=schema_of(job), **options)
    stored = manifest_at(manifest, group_id)
    return publish(stored, group_id, schema=load_schema(schema) if schema else schema_of_group(stored, group_id), **options)
