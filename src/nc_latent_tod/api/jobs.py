"""Job files by name: one, or a folder of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.config.reading import decode
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.queues.orders import group_of

__all__ = ["JobFile", "check_reuse", "group_of", "job_files", "read_job", "read_jobs"]

if TYPE_CHECKING:
    from nc_latent_tod.manifests import ManifestEntry


@dataclass(frozen=True, slots=True)
class JobFile:
    """A job file that was read and checked once: as it is written, for the queue, and as a job."""

    path: Path
    data: dict[str, Any]
    job: Job


def read_job(path: Path, *, schema: str | None = None, reuse_from: str | None = None) -> Job:
    """Read and check one job file; `schema` takes the place of its `data.schema_path`, `reuse_from` that of its
    `manifest.reuse_group_id`. Raises `ConfigError`."""
    job = _read(path, reuse_from).job
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


def read_jobs(paths: Sequence[Path], *, reuse_from: str | None = None) -> list[JobFile]:
    """Read and check all job files; `reuse_from` takes the place of their `manifest.reuse_group_id`.

    Raises one `ConfigError` for all that are wrong.
    """
    files: list[JobFile] = []
    problems = []
    for path in paths:
        try:
            files.append(_read(path, reuse_from))
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join([*problems, f"{len(problems)} of {len(paths)} job files are wrong: nothing was done."]))
    return files


def check_reuse(files: Sequence[JobFile], group_id: str) -> None:
    """Raise `ConfigError` where no run of the group can be of use to one of the jobs, before they are dead letters."""
    from nc_latent_tod.api.connect import open_manifest
    from nc_latent_tod.pipeline.reuse import usable_runs

    read: dict[tuple[str, str], list[ManifestEntry]] = {}
    for file in files:
        place = file.job.manifest.type, file.job.manifest.manifest_path
        if place not in read:
            read[place] = [e for e in open_manifest(file.job.manifest).entries(group_id) if not e.label_source]
        try:
            usable_runs(group_id, read[place], {"job": file.job.label_options})
        except ConfigError as error:
            raise ConfigError(f"{file.path}: {error} Nothing was done.") from None


def _read(path: Path, reuse_from: str | None) -> JobFile:
    """One job file, as it is but for `reuse_from`. Raises `ConfigError` where it is no job."""
    try:
        data = decode(path.read_bytes(), str(path), "job")
    except OSError as error:
        raise ConfigError(f"{path}: the job file cannot be read: {error.strerror}.") from error
    if reuse_from is not None and isinstance(data, dict) and isinstance(data.get("manifest"), dict):
        data["manifest"]["reuse_group_id"] = reuse_from
    return JobFile(path, data, parse_job(data, str(path)))
