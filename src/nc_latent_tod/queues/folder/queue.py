"""A queue that is a folder: readable JSON files, any number of processes, no server."""

from __future__ import annotations

import os
import socket
import time
from collections import deque
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from secrets import token_hex
from typing import Any

from nc_latent_tod.errors import ConfigError
from nc_latent_tod.queues.backoff import USUAL, Backoff
from nc_latent_tod.queues.folder.delivery import FolderDelivery
from nc_latent_tod.queues.folder.files import QueueFolder, file_names, read_job
from nc_latent_tod.queues.folder.intake import Intake
from nc_latent_tod.queues.folder.leases import Lease, LeaseWatch, silence
from nc_latent_tod.queues.folder.notes import FolderNotes
from nc_latent_tod.queues.folder.waits import Waits
from nc_latent_tod.queues.job_name import JobFileName, fingerprint
from nc_latent_tod.queues.orders import Orders, group_of
from nc_latent_tod.queues.status import DeadLetter, Letter, QueueStatus
from nc_latent_tod.system.durable import move

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.02, 1.0  # between two looks at an empty queue
_LISTING_AGE_S = 1.0  # a listing of ready/ is used for so long, ...
_LISTING_SHARE = 20  # ... or for so many times the time that it took, so that huge queues stay cheap
_LOOKS_PER_LEASE = 10


class FolderQueue:
    """A queue in a folder, first in first out. Safe for many processes; one object belongs to one thread.

    A job's state is the folder that its file is in, its number of attempts is in the file's name, and both change
    in one rename: there is no moment at which `kill -9` or a power cut loses a job. Leases: see `leases.py`.
    """

    poll_s = 1.0

    def __init__(self, path: str | os.PathLike[str], *, lease_s: float = 60.0, max_attempts: int = 5,
                 worker: str | None = None, backoff_s: Backoff = USUAL) -> None:
        """Open or create the folder. `worker` names this process: `host:pid` by default. `backoff_s`: see `backoff.py`.

        Raises `ConfigError` where the folder cannot be used.
        """
        if lease_s <= 0 or max_attempts < 1:
            raise ConfigError(f"lease_s = {lease_s} and max_attempts = {max_attempts}: both must be positive.")
        self._folder = QueueFolder(path)
        self._intake = Intake(self._folder)
        self._lease_s, self._max_attempts, self._backoff_s = lease_s, max_attempts, backoff_s
        self._worker = worker or f"{socket.gethostname()}:{os.getpid()}"
        self.notes = FolderNotes(self._folder)
        self.orders = Orders(self.notes)
        self._groups: dict[str, str] = {}  # by job name, filled while groups are paused
        self._watch = LeaseWatch(self._folder.in_flight, self._folder.leases, default_lease_s=lease_s)
        self._waits, self._waiting = Waits(), deque[str]()
        self._listing_ends = self._next_look = 0.0  # monotonic
        self._pause_s = _SHORTEST_PAUSE_S

    def put(self, job: dict[str, Any]) -> bool:
        """Add a job; False where an equal one is ready, in flight, done or dead (see `redrive`).

        A job whose file was removed by hand from all states counts as new. Raises `ConfigError`, and
        `RetryableError` on a full disk; the job is then not in the queue.
        """
        return self._intake.put(job)

    def receive(self, wait_s: float) -> FolderDelivery | None:
        """Take a job: one whose lease ran out, or the oldest ready one. Looks at most `wait_s` seconds long.

        A file in ready/ that is not a job of this queue goes to dead/ with the reason. Raises `ConfigError` or
        `RetryableError` where the folder cannot be used.
        """
        deadline = time.monotonic() + wait_s
        while True:
            with self._folder.clear_errors("take a job"):
                delivery = self._take_expired() or self._take_ready()
            if delivery is not None:
                self._pause_s = _SHORTEST_PAUSE_S
                return delivery
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            time.sleep(min(self._pause_s, left_s))
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)

    def drained(self) -> bool:
        """True where no job is ready or in flight."""
        with self._folder.clear_errors("list the jobs"):
            # Ready is looked at twice, for a job may be given back between the first two looks.
            looks = (self._folder.ready, self._folder.in_flight, self._folder.ready)
            return not any(file_names(folder) for folder in looks)

    def status(self) -> QueueStatus:
        """Count and list the jobs by state."""
        with self._folder.clear_errors("list the jobs"):
            return self._folder.status(self.orders.all())

    def letters(self) -> tuple[DeadLetter, ...]:
        """All dead letters."""
        return self.status().dead

    def letter(self, name: str) -> Letter | None:
        """Open a dead letter, by its name in the status or its file's name; None where there is none of this name."""
        with self._folder.clear_errors(f"read the dead letter {name}"):
            return self._folder.letter(name)

    def redrive(self, names: Collection[str]) -> list[str]:
        """Put dead letters at the end of the queue with no attempts counted; the names of those that were.

        Raises `ConfigError` where files are no JSON objects, after putting back the others.
        """
        return self._intake.redrive(names)

    def _take_expired(self) -> FolderDelivery | None:
        if time.monotonic() < self._next_look:
            return None
        for file_name in self._watch.expired():
            name = JobFileName.parse(file_name)
            if name is None or self._is_paused(self._folder.in_flight / file_name, name):
                continue
            reason = silence(Lease.read(self._folder.leases / file_name), name.attempts)
            if name.attempts >= self._max_attempts:
                self._bury(self._folder.in_flight / file_name, replace(name, token=token_hex(4)), reason)
            elif delivery := self._take(self._folder.in_flight / file_name, name):
                self._folder.describe_failure(file_name, worker=self._worker, error=reason)
                return delivery
        self._next_look = time.monotonic() + min(1.0, self._lease_s / _LOOKS_PER_LEASE)
        return None

    def _take_ready(self) -> FolderDelivery | None:
        began = time.monotonic()
        if not self._waiting or began > self._listing_ends:
            self._waiting = deque(self._waits.over(sorted(file_names(self._folder.ready))))
            listed = time.monotonic()
            self._listing_ends = listed + max(_LISTING_AGE_S, _LISTING_SHARE * (listed - began))
        while self._waiting:
            path = self._folder.ready / self._waiting.popleft()
            name = JobFileName.parse(path.name)
            if name is None:
                self._bury(path, None, "this file was not put here by the queue: enqueue it instead of copying it")
            elif not self._is_paused(path, name) and (delivery := self._take(path, name)):
                return delivery
        return None

    def _is_paused(self, path: Path, name: JobFileName) -> bool:
        if not self.orders.all():
            return False
        if name.job_name not in self._groups:
            try:
                job = read_job(path)
            except FileNotFoundError:  # another worker was faster
                return True
            self._groups[name.job_name] = "" if isinstance(job, str) else group_of(job)
        return self.orders.is_paused(self._groups[name.job_name])

    def _take(self, path: Path, name: JobFileName) -> FolderDelivery | None:
        """Make a job this worker's; None where another was faster, or where the file is not the job that was put."""
        name = replace(name, attempts=name.attempts + 1, wait_ms=0, token=token_hex(4))
        taken = self._folder.in_flight / str(name)
        try:
            move(path, taken)
        except FileNotFoundError:
            return None
        job = read_job(taken)
        if not isinstance(job, str) and fingerprint(job) != name.fingerprint:
            job = "the file was changed after the job was put: enqueue the changed job as a new one"
        if isinstance(job, str):
            self._bury(taken, name, job)
            return None
        lease = Lease.taken(self._worker, attempt=name.attempts, lease_s=self._lease_s)
        delivery = FolderDelivery(self._folder, name, job, lease=lease, limits=(self._max_attempts, self._backoff_s))
        delivery.announce()
        return delivery

    def _bury(self, path: Path, name: JobFileName | None, reason: str) -> None:
        file_name = str(name) if name else path.name
        self._folder.describe_failure(file_name, worker=self._worker, error=reason)
        try:
            move(path, self._folder.dead / file_name)
        except FileNotFoundError:  # another observer was faster
            if name is not None:
                self._folder.forget_failure(file_name)
