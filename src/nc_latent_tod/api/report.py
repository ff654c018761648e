"""What a report needs, by the names that the command line has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nc_latent_tod.api.backends import schema_of
from nc_latent_tod.api.connect import manifest_at, open_manifest
from nc_latent_tod.api.groups import labels_of, schema_of_group, schema_with
from nc_latent_tod.api.jobs import read_job
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.ranking.confidence import Temperatures
from nc_latent_tod.report.collect import Report, collect


def group_report(group: str, *, manifest: str, schema: str | None, job_file: Path | None, gold: str | None, gold_format: str,
                 rounds: Sequence[str], temperatures: Temperatures, max_dialogues: int) -> Report:
    """Read a group, and rounds before it, and collect its report.

    Raises `ConfigError` where a group has no finished run, or schema or gold do not fit.
    """
    job = read_job(job_file) if job_file else None
    stored = open_manifest(job.manifest) if job else manifest_at(manifest, group)
    chosen = load_schema(schema) if schema else schema_of(job) if job else schema_with(gold, None) if gold else None
    runs = _runs(stored, group)
    followed = chosen or schema_of_group(stored, group)
    return collect(group, runs, labels_of(runs), followed,
                   gold=load_gold(gold, gold_format, followed) if gold else None, temperatures=temperatures,
                   earlier=[(name, labels_of(_runs(stored, name))) for name in rounds], max_dialogues=max_dialogues)


def _runs(manifest: Manifest, group: str) -> Sequence[ManifestEntry]:
    runs = manifest.entries(group)
    if not runs:
        raise ConfigError(f"The manifest has no finished run of group {group!r}: check the group id and --manifest.")
    return runs
