"""A group's runs merged into a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rich.console import RenderableType

from nc_latent_tod.api.backends import schema_of
from nc_latent_tod.api.connect import manifest_at, open_manifest
from nc_latent_tod.api.groups import schema_of_group
from nc_latent_tod.api.jobs import read_job
from nc_latent_tod.cli.views.tables import pairs, share
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.publish.publish import Published, publish


def publish_group(group_id: str, *, job_file: Path | None, manifest: str, schema: str | None, **options: Any) -> Published:
    """Publish from the manifest and the schema of `job_file`, or else from those that are named.

    Without either, the schema is that of the group's jobs. Raises `ConfigError` where they had several, or it is gone.
    """
    if job_file is not None:
        job = read_job(job_file)
        return publish(open_manifest(job.manifest), group_id, schema=schema_of(job), **options)
    stored = manifest_at(manifest, group_id)
    return publish(stored, group_id, schema=load_schema(schema) if schema else schema_of_group(stored, group_id), **options)


def show_published(published: Published) -> RenderableType:
    """What was published, and where."""
    rows = [("dataset", published.name), ("dialogues", f"{published.dialogues}: " + ", ".join(
        f"{count} in {split}" for split, count in published.splits.items())),
        ("turns", f"{published.turns}, of which {published.failed_turns} with a failed task")]
    if published.abstained:
        rows.append(("abstained", ", ".join(f"{what} of {share(count, published.turns)}" for what, count in (
            (task, published.abstained.get(task, 0)) for task in ("dst", "state", "act_tag"))) + " of the turns"))
    if published.left_out:
        rows.append(("left out", "; ".join(published.left_out)))
    if published.path:
        rows.append(("folder", f"{published.path}{' (was there already)' if published.reused else ''}"))
    if published.url:
        rows.append(("Hub", f"{published.url}{' (up to date: nothing uploaded)' if published.unchanged else ''}"))
    return pairs(rows)
