"""What a report needs, by the names that the command line has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nc_latent_tod.api.backends import schema_of
from nc_latent_tod.api.connect import manifest_at, open_manifest
from nc_latent_tod.api.groups import labels_of, runs_of, schema_of_group, schema_with
from nc_latent_tod.api.jobs import read_job
from nc_latent_tod.api.labels import Labels, group_of
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.ranking.confidence import Temperatures
from nc_latent_tod.reporting.collect import Report, collect
from nc_latent_tod.reporting.page import page
from nc_latent_tod.system.files import write_bytes


def report(labels: Labels | str, *, gold: str | Path | None = None, gold_format: str = "auto", rounds: Sequence[str] = (),
           manifest: str | Path | None = None, schema: str | None = None, to: str | Path | None = None,
           max_dialogues: int = 1000) -> str:
    """One HTML page on labels, which needs no network: scores, confidence, distributions, the worst dialogues.

    `labels`: what `label` returned, or a group's id with its `manifest`. `gold` scores and calibrates. Written to `to` too,
    where that is named. Raises `ConfigError` where a group has no finished run, or schema or gold do not fit.
    """
    group_id, named = group_of(labels, manifest)
    known = schema or (labels.job.data.schema_path if isinstance(labels, Labels) else None)
    found = report_group(group_id, manifest=named, schema=known, gold=str(gold) if gold else None, gold_format=gold_format,
                         rounds=rounds, max_dialogues=max_dialogues)
    if to:
        write_page(found, Path(to))
    return page(found)


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
