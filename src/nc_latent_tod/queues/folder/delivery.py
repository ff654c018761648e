"""One job of a folder queue in the hands of one worker."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from dataclasses import replace
from typing import Any

from nc_latent_tod.errors import LeaseLostError
from nc_latent_tod.queues.backoff import Backoff, wait_s
from nc_latent_tod.queues.folder.files import QueueFolder
from nc_latent_tod.queues.folder.leases import Lease
from nc_latent_tod.queues.job_name import JobFileName

log = logging.getLogger(__name__)


class FolderDelivery:
    """A job in in_flight/, under a file name that no other delivery has: whoever takes it over renames it.

    Every method but `progress` raises `LeaseLostError` and changes nothing once the lease is lost or the job settled,
    and `RetryableError` on a full disk. Thread-safe.
    """

    fence = None  # a rename needs none

    def __init__(self, folder: QueueFolder, name: JobFileName, job: dict[str, Any], *, lease: Lease,
                 limits: tuple[int, Backoff]) -> None:
        """`limits`: the number of attempts, and the waits between them."""
        self.job = job
        self.attempt = name.attempts
        self.delivery_id = f"{name.job_name}.a{name.attempts}.{name.token}"
        self._folder = folder
        self._name = name
        self._lease = lease
        self._max_attempts, self._backoff = limits
        self._lock = threading.Lock()

    def ack(self) -> None:
        """Move the job to done/."""
        self._folder.leave(self._name, self._folder.done / str(self._name))

    def nack(self, error: str, *, dead: bool = False) -> None:
        """Move the job to the end of ready/, where it waits for a while, or to dead/ if `dead` or after the last attempt.

        The reason is kept.
        """
        name = str(self._name)
        if dead or self.attempt >= self._max_attempts:
            target = self._folder.dead / name
        else:
            wait_ms = round(1000 * wait_s(self.attempt, self._backoff))
            target = self._folder.ready / str(replace(self._name, order=time.time_ns(), wait_ms=wait_ms, token=""))
        self._folder.describe_failure(name, worker=self._lease.worker, error=error)
        try:
            self._folder.leave(self._name, target)
        except LeaseLostError:
            self._folder.forget_failure(name)
            raise

    def release(self) -> None:
        """Move the job back to its place in ready/, as if it had not been taken."""
        back = replace(self._name, attempts=self._name.attempts - 1, token="")
        self._folder.leave(self._name, self._folder.ready / str(back))

    def extend(self, seconds: float) -> None:
        """Hold the job for `seconds` from now. Touches the job file, which also works on a full disk."""
        with self._lock, self._folder.clear_errors(f"extend the lease of {self._name.job_name}"):
            if seconds != self._lease.lease_s:
                self._describe(replace(self._lease, lease_s=seconds))
            try:
                os.utime(self._folder.in_flight / str(self._name))
            except FileNotFoundError:
                (self._folder.leases / str(self._name)).unlink(missing_ok=True)
                raise self._folder.lost(self._name) from None

    def progress(self, text: str) -> None:
        """Show `text` in the queue's status."""
        with self._lock:
            try:
                self._describe(replace(self._lease, progress=text))
            except OSError as problem:
                log.debug("%s: progress not shown: %s", self._name.job_name, problem)

    def announce(self) -> None:
        """Say who holds the job. The job is held without it, for the observers' own length of a lease."""
        with self._lock:
            try:
                self._describe(self._lease)
            except OSError as problem:
                log.warning("%s: the holder could not be noted: %s", self._name.job_name, problem)

    def _describe(self, lease: Lease) -> None:
        path = self._folder.leases / str(self._name)
        lease.write(path, self._folder.scratch)
        self._lease = lease
        if not (self._folder.in_flight / str(self._name)).exists():
            with contextlib.suppress(FileNotFoundError):
                path.unlink()
