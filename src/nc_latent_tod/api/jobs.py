"""Job files by name: one, or a folder of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.errors import ConfigError

if TYPE_CHECKING:
    from nc_latent_tod.manifests import ManifestEntry


def read_job(path: Path, *, schema: str | None = None, reuse_from: str | None = None) -> Job:
    """Read and check one job file; `schema` takes the place of its `data.schema_path`, `reuse_from` that of its
    `manifest.reuse_group_id`. Raises `ConfigError`."""
    job = parse_job(_decoded(path, reuse_from), str(path))
    return job.model_copy(update={"data": job.data.model_copy(update={"schema_path": schema})}) if schema else job


def job_files(paths: Iterable[Path]) -> list[Path]:
    """The files themselves, and every `*.json` of the folders in name order. Raises `ConfigError`."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not inside:
            raise ConfigError(f"{path}: no job files (*.json) in this folder.")
        found += inside
    return list(dict.fromkeys(found))


def read_jobs(paths: Sequence[Path], *, reuse_from: str | None = None) -> dict[Path, dict[str, Any]]:
    """Check all job files and return them decoded; `reuse_from` takes the place of their `manifest.reuse_group_id`.

    Raises one `ConfigError` for all that are wrong.
    """
    jobs: dict[Path, dict[str, Any]] = {}
    problems = []
    for path in paths:
        try:
            jobs[path] = _decoded(path, reuse_from)
            parse_job(jobs[path], str(path))
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join([*problems, f"{len(problems)} of {len(paths)} job files are wrong: nothing was done."]))
    return jobs


def check_reuse(jobs: Mapping[Path, dict[str, Any]], group_id: str) -> None:
    """Raise `ConfigError` where no run of the group can be of use to one of the jobs, before they are dead letters."""
    from nc_latent_tod.api.connect import open_manifest
    from nc_latent_tod.pipeline.reuse import usable_runs

    read: dict[tuple[str, str], list[ManifestEntry]] = {}
    for path, decoded in jobs.items():
        job = parse_job(decoded, str(path))
        place = job.manifest.type, job.manifest.manifest_path
        if place not in read:
            read[place] = [e for e in open_manifest(job.manifest).entries(group_id) if not e.label_source]
        try:
            usable_runs(group_id, read[place], {"job": job.label_options})
        except ConfigError as error:
            raise ConfigError(f"{path}: {error} Nothing was done.") from None


def _decoded(path: Path, reuse_from: str | None) -> dict[str, Any]:
    """A job file as it is, but for `reuse_from`. Raises `ConfigError` where it is no job."""
    text = _read(path)
    parse_job(text, str(path))
    job: dict[str, Any] = json.loads(text.decode("utf-8-sig"))
    if reuse_from is not None:
        job["manifest"]["reuse_group_id"] = reuse_from
    return job


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the job file cannot be read: {error.strerror}.") from error
