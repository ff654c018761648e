"""The folder of a folder queue: one subfolder a state, and what it takes to open it and to move a job within it.

ready/ in_flight/ done/ dead/   job files, moved by rename: a job's state is the folder that its file is in
jobs/                           a hard link to every job file, under the job's name: makes enqueueing idempotent
leases/                         who holds a job in flight
errors/                         one file a failed attempt, named like the job file when it failed
workers/ groups/                notes: who works here, which groups are paused or cancelled
scratch/                        files being written; leftovers of killed processes are harmless
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import math
import os
import time
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nc_latent_tod.errors import ConfigError, LeaseLostError, RetryableError
from nc_latent_tod.queues.folder.leases import Lease
from nc_latent_tod.queues.job_name import JobFileName
from nc_latent_tod.queues.orders import group_of
from nc_latent_tod.queues.status import DeadLetter, InFlight, Letter, QueueStatus, Waiting
from nc_latent_tod.system.durable import move, sync_folder, write_new

log = logging.getLogger(__name__)

_SUBFOLDERS = ("ready", "in_flight", "done", "dead", "jobs", "leases", "errors", "scratch")
_NEEDS_A_PERSON = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EOPNOTSUPP})


class QueueFolder:
    """Paths and moves of one folder queue. Safe to use from many processes and threads."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open the folder, or create it within an existing folder. Raises `ConfigError` where that cannot work."""
        self.path = Path(path)
        self.ready, self.in_flight, self.done, self.dead, self.jobs, self.leases, self.errors, self.scratch = (
            self.path / name for name in _SUBFOLDERS
        )
        if not self.path.parent.is_dir():
            raise ConfigError(f"Queue {self.path}: no folder {self.path.parent} exists. Correct or create it.")
        with self.clear_errors("open the queue"):
            self.path.mkdir(exist_ok=True)
            names = {name for name in os.listdir(self.path) if not name.startswith(".")}
            if names and not names & set(_SUBFOLDERS):
                raise ConfigError(
                    f"Queue {self.path}: the folder holds other things ({min(names)}). Name an empty or new folder."
                )
            for name in _SUBFOLDERS:
                (self.path / name).mkdir(exist_ok=True)
                if not os.access(self.path / name, os.R_OK | os.W_OK | os.X_OK):
                    raise ConfigError(f"Queue {self.path}: {name}/ is not writable. Correct its owner or mode.")

    @contextlib.contextmanager
    def clear_errors(self, doing: str) -> Iterator[None]:
        """Turn an `OSError` into a `ConfigError` or, where it may pass (a full disk), a `RetryableError`."""
        try:
            yield
        except OSError as error:
            message = f"Queue {self.path}: cannot {doing}: {error}."
            if isinstance(error, FileExistsError) or error.errno in _NEEDS_A_PERSON:
                raise ConfigError(
                    f"{message} A queue is a writable folder on a file system with hard links; do not remove its parts."
                ) from error
            raise RetryableError(f"{message} Free space or repair the disk, then try again.") from error

    def leave(self, name: JobFileName, target: Path) -> None:
        """Move a job out of in_flight/. Raises `LeaseLostError` where it is not there under this delivery's name."""
        with self.clear_errors(f"move {name} to {target.parent.name}/"):
            try:
                move(self.in_flight / str(name), target)
            except FileNotFoundError:
                raise self.lost(name) from None
        with contextlib.suppress(OSError):
            (self.leases / str(name)).unlink(missing_ok=True)

    def lost(self, name: JobFileName) -> LeaseLostError:
        """The error for a delivery that does not hold its job any more."""
        return LeaseLostError(
            f"{name.job_name}: delivery {name.token} (attempt {name.attempts}) no longer holds the job: "
            "it was taken over, settled or removed. Write nothing more for it."
        )

    def describe_failure(self, file_name: str, *, worker: str, error: str) -> None:
        """Keep the reason of a failed attempt. A reason that cannot be kept is logged, and does not hold up the job."""
        record = {"worker": worker, "at": datetime.now(UTC).isoformat(timespec="seconds"), "error": error}
        try:
            write_new(self.errors / file_name, json.dumps(record, indent=2) + "\n")
            sync_folder(self.errors)
        except FileExistsError:
            pass  # the same delivery said so before
        except OSError as problem:
            log.warning("%s: the reason could not be stored (%s): %s", file_name, problem, error)

    def forget_failure(self, file_name: str) -> None:
        """Take back `describe_failure`."""
        with contextlib.suppress(OSError):
            (self.errors / file_name).unlink(missing_ok=True)

    def reason(self, file_name: str) -> str:
        """The reason kept for a job file."""
        try:
            return str(json.loads((self.errors / file_name).read_text(encoding="utf-8"))["error"])
        except (OSError, ValueError, KeyError, TypeError) as problem:
            return f"the reason was not stored ({problem})"

    def dead_files(self) -> dict[str, Path]:
        """The files of the dead letters, by the jobs' names and their own. Raises `OSError`."""
        found: dict[str, Path] = {}
        for file_name in file_names(self.dead):
            parsed = JobFileName.parse(file_name)
            found |= dict.fromkeys((file_name, parsed.job_name if parsed else file_name), self.dead / file_name)
        return found

    def letter(self, name: str) -> Letter | None:
        """Open a dead letter; None where there is none of this name. Raises `OSError`."""
        path = self.dead_files().get(name)
        if path is None:
            return None
        parsed = JobFileName.parse(path.name)
        failures = [path.name]
        if parsed is not None:  # the file's name changes with every attempt, the job's does not
            failures = sorted(file_name for file_name in file_names(self.errors)
                              if (failed := JobFileName.parse(file_name)) and failed.job_name == parsed.job_name)
        text = path.read_text(encoding="utf-8", errors="replace")
        job = read_job(path)
        return Letter(parsed.job_name if parsed else path.name, tuple(map(self.reason, failures or [path.name])),
                      parsed.attempts if parsed else 0, text if isinstance(job, str) else job)

    def status(self, on_hold: Collection[str] = ()) -> QueueStatus:
        """Count and list the jobs by state; `on_hold` names groups whose jobs wait. Raises `OSError`."""
        ready = file_names(self.ready)
        return QueueStatus(
            ready=len(ready),
            held=sum(self._group(name) in on_hold for name in ready) if on_hold else 0,
            in_flight=tuple(self._in_flight(name) for name in sorted(file_names(self.in_flight))),
            done=len(file_names(self.done)),
            dead=tuple(self._dead(name) for name in sorted(file_names(self.dead))),
            waiting=self._waiting(ready),
        )

    def _waiting(self, ready: Sequence[str]) -> tuple[Waiting, ...]:
        now = time.time()
        names = [name for name in map(JobFileName.parse, sorted(ready)) if name and name.waits_until > now]
        failures = {(failed.job_name, failed.attempts): file_name for file_name in (file_names(self.errors) if names else ())
                    if (failed := JobFileName.parse(file_name))}
        return tuple(Waiting(name.job_name, self.reason(failures.get((name.job_name, name.attempts), str(name))), name.attempts,
                             name.waits_until) for name in names)

    def _group(self, file_name: str) -> str:
        with contextlib.suppress(FileNotFoundError):  # taken meanwhile
            job = read_job(self.ready / file_name)
            return "" if isinstance(job, str) else group_of(job)
        return ""

    def _in_flight(self, file_name: str) -> InFlight:
        name = JobFileName.parse(file_name)
        lease = Lease.read(self.leases / file_name)
        age_s = max(0.0, time.time() - lease.taken_at) if lease else 0.0
        return InFlight(
            name=name.job_name if name else file_name,
            worker=lease.worker if lease else "unknown",
            age_s=age_s,
            attempt=name.attempts if name else 0,
            silent_s=min(age_s, self._silence(file_name)),  # before the first beat the file has the time of its put
            progress=lease.progress if lease else "",
        )

    def _silence(self, file_name: str) -> float:
        try:
            return max(0.0, time.time() - (self.in_flight / file_name).stat().st_mtime)
        except FileNotFoundError:  # settled meanwhile
            return 0.0

    def _dead(self, file_name: str) -> DeadLetter:
        name = JobFileName.parse(file_name)
        return DeadLetter(name.job_name if name else file_name, self.reason(file_name), name.attempts if name else 0)


def file_names(folder: Path) -> list[str]:
    """Names in a folder of jobs, in no order; hidden files are not jobs."""
    return [name for name in os.listdir(folder) if not name.startswith(".")]


def read_job(path: Path) -> dict[str, Any] | str:
    """The job in a file, or what is wrong with it."""
    try:
        job = json.loads(path.read_bytes(), parse_constant=_finite, parse_float=_finite)
    except IsADirectoryError:
        return "not a file but a folder"
    except (ValueError, RecursionError) as error:  # text that is not UTF-8 is a ValueError too
        return f"not JSON: {error}"
    return job if isinstance(job, dict) else f"not a JSON object but {type(job).__name__}"


def _finite(text: str) -> float:
    """Python reads numbers that JSON lacks, and cannot write them again."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of JSON")
    return number
