"""What a report needs, by the names that the command line has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nc_latent_tod.api.backends import schema_of
from nc_latent_tod.api.connect import manifest_at, open_manifest
from nc_latent_tod.api.groups import labels_of, runs_of, schema_of_group, schema_with
from nc_latent_tod.api.jobs import read_job
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.ranking.confidence import Temperatures
from nc_latent_tod.reporting.collect import Report, collect
from nc_latent_tod.reporting.page import page
from nc_latent_tod.system.files import write_bytes


def report_group(group: str, *, manifest: str = "", schema: str | None = None, job_file: Path | None = None,
                 gold: str | None = None, gold_format: str = "auto", rounds: Sequence[str] = (),
                 temperatures: Temperatures | None = None, max_dialogues: int = 1000) -> Report:
    """Read a group, and rounds before it, and collect its report.

    Raises `ConfigError` where a group has no finished run, or schema or gold do not fit.
    """
    job = read_job(job_file) if job_file else None
    stored = open_manifest(job.manifest) if job else manifest_at(manifest, group)
    chosen = load_schema(schema) if schema else schema_of(job) if job else schema_with(gold, None) if gold else None
    runs = runs_of(stored, group)
    followed = chosen or schema_of_group(stored, group)
    return collect(group, runs, labels_of(runs), followed,
                   gold=load_gold(gold, gold_format, followed) if gold else None, temperatures=temperatures or {},
                   earlier=[(name, labels_of(runs_of(stored, name))) for name in rounds], max_dialogues=max_dialogues)


def write_page(report: Report, path: Path) -> int:
    """Write a report as one HTML file; its bytes. Raises `RetryableError` where the storage fails."""
    data = page(report).encode("utf-8", "replace")
    write_bytes(path, data)
    return len(data)
