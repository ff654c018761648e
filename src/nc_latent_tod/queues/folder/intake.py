"""How jobs come into a folder queue: put for the first time, or put back from the dead letters."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from nc_latent_tod.errors import ConfigError
from nc_latent_tod.queues.folder.files import QueueFolder, read_job
from nc_latent_tod.queues.job_name import JobFileName, fingerprint, job_name
from nc_latent_tod.system.durable import move, sync_folder, write_new


class Intake:
    """Adds jobs to ready/, each once whoever puts it how often. Safe for many processes; one object belongs to one thread."""

    def __init__(self, folder: QueueFolder) -> None:
        self._folder = folder
        self._last_order = 0

    def put(self, job: dict[str, Any]) -> bool:
        """See `FolderQueue.put`."""
        name = JobFileName(order=self._next_order(), job_name=job_name(job), attempts=0, token=token_hex(4))
        text = json.dumps(job, indent=2, ensure_ascii=False) + "\n"
        index = self._folder.jobs / f"{name.job_name}.json"
        scratch = self._folder.scratch / str(name)
        with self._folder.clear_errors(f"put {name.job_name}"):
            while not self._is_held(index):
                try:
                    write_new(scratch, text)
                    os.link(scratch, index)
                except UnicodeEncodeError as error:
                    raise ConfigError(f"{name.job_name}: the job holds text that is not Unicode: {error}.") from error
                except FileExistsError:  # another process puts the same job: see whether it lived to do so
                    scratch.unlink()
                    continue
                except OSError:
                    scratch.unlink(missing_ok=True)
                    raise
                sync_folder(self._folder.jobs)
                self._publish(scratch)
                return True
        return False

    def redrive(self, names: Collection[str]) -> list[str]:
        """See `FolderQueue.redrive`."""
        done, problems = [], []
        with self._folder.clear_errors("list the dead letters"):
            files = self._folder.dead_files()
        for name in names:
            dead = files.get(name)
            try:
                job = read_job(dead) if dead else None
            except FileNotFoundError:  # another process puts it back
                continue
            if isinstance(job, str):
                problems.append(f"{dead}: {job}. Correct or remove the file.")
            elif dead and job is not None:
                self._put_back(dead, job)
                done.append(name)
        if problems:
            raise ConfigError("\n".join(problems))
        return done

    def _put_back(self, dead: Path, job: dict[str, Any]) -> None:
        parsed = JobFileName.parse(dead.name)
        if parsed is not None and parsed.fingerprint == fingerprint(job):
            with self._folder.clear_errors(f"redrive {parsed.job_name}"):
                move(dead, self._folder.ready / str(replace(parsed, order=self._next_order(), attempts=0, wait_ms=0, token="")))
        else:  # a file of other origin, or corrected since
            self.put(job)
            dead.unlink()

    def _next_order(self) -> int:
        # Within one process in order even if the clock jumps back.
        self._last_order = max(time.time_ns(), self._last_order + 1)
        return self._last_order

    def _publish(self, scratch: Path) -> None:
        parsed = JobFileName.parse(scratch.name)
        assert parsed is not None
        with contextlib.suppress(FileNotFoundError):  # another process that puts the same job has done it
            move(scratch, self._folder.ready / str(replace(parsed, token="")))

    def _is_held(self, index: Path) -> bool:
        """Whether a job was put before and is in some state; finishes the put of a process that was killed."""
        with contextlib.suppress(FileNotFoundError):
            links = index.stat().st_nlink
            for leftover in self._folder.scratch.glob(f"*-{index.stem}.a0.*.json"):
                if leftover.samefile(index):
                    self._publish(leftover)
            if links > 1:
                return True
            index.unlink()  # the job was removed by hand
        return False
