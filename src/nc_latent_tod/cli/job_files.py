"""Job files by name: one, or a folder of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nc_latent_tod.errors import ConfigError
from nc_latent_tod.job import Job, parse_job


def read_job(path: Path, *, schema: str | None = None) -> Job:
    """Read and check one job file; `schema` takes the place of its `data.schema_path`. Raises `ConfigError`."""
    job = parse_job(_read(path), str(path))
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


def read_jobs(paths: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Check all job files and return them decoded. Raises one `ConfigError` for all that are wrong."""
    jobs: dict[Path, dict[str, Any]] = {}
    problems = []
    for path in paths:
        try:
            text = _read(path)
            parse_job(text, str(path))
            jobs[path] = json.loads(text.decode("utf-8-sig"))
        except ConfigError as error:
            problems.append(str(error))
    if problems:
        raise ConfigError("\n".join([*problems, f"{len(problems)} of {len(paths)} job files are wrong: nothing was done."]))
    return jobs


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: the job file cannot be read: {error.strerror}.") from error
