"""Tells others that a worker lives and what it does, and hears which groups are cancelled: a thread beside the worker."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from types import TracebackType
from typing import Any

from nc_latent_tod.errors import NcLatentTodError
from nc_latent_tod.queues import Queue
from nc_latent_tod.queues.notes import Notes
from nc_latent_tod.queues.orders import CANCELLED, Order, Orders
from nc_latent_tod.system.process_id import ProcessId
from nc_latent_tod.system.version import __version__
from nc_latent_tod.worker.tally import JOBS, TURNS, Tally, Totals
from nc_latent_tod.worker.usage import Usage, stored_usage, usage_of

log = logging.getLogger(__name__)

KIND = "workers"
_BEATS_MISSED = 3  # before a worker does not count as alive
_KEPT_S = 24 * 3600.0  # the record of a worker that ended without removing it


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRecord:
    """What a worker tells about itself. Times are seconds since 1970 by the clock of its host, for display only."""

    worker: str  # host:pid
    host: str
    process: Mapping[str, Any]  # see `ProcessId`
    version: str
    started_at: float
    beat_at: float
    beat_s: float  # to the next beat
    job: str = ""  # "" while it waits
    group_id: str = ""
    job_began_at: float = 0.0
    jobs: Mapping[str, int]  # by outcome
    turns: int = 0
    turns_per_second: float | None = None
    usage: Usage | None = None  # of the job in hand; None while it loads, and from a worker of an earlier version

    def is_alive(self, now: float) -> bool:
        """Whether a beat is no longer overdue than a slow network explains, and the process is not known to be gone."""
        return now - self.beat_at <= _BEATS_MISSED * self.beat_s and not ProcessId(**self.process).is_gone()


def workers(notes: Notes) -> list[WorkerRecord]:
    """The workers that have left a record, longest at work first. Records of other versions that lack a field are left out."""
    names = {field.name for field in fields(WorkerRecord)}
    found = []
    for values in notes.read(KIND).values():
        try:
            known = {name: value for name, value in values.items() if name in names}
            found.append(WorkerRecord(**known | {"usage": stored_usage(known.get("usage"))}))
        except TypeError:
            continue
    return sorted(found, key=lambda record: record.started_at)


class Attendance:
    """Stores the worker's record at every beat, within a `with` block, and removes it in the end.

    A beat that fails does not disturb the work: the worker only looks silent.
    """

    def __init__(self, queue: Queue, tally: Tally) -> None:
        self._notes, self._tally = queue.notes, tally
        self._heard: dict[str, Order] = {}
        self._host, self._process = socket.gethostname(), ProcessId.of_this()
        self._worker = f"{self._host}:{os.getpid()}"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attendance", daemon=True)

    def __enter__(self) -> Attendance:
        self._attempt(self._beat)  # before the first job: its group may be cancelled
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=self._notes.beat_s)

    def cancelled(self, group_id: str) -> Order | None:
        """The order that cancels the group, as it was heard at the last beat."""
        order = self._heard.get(group_id)
        return order if order is not None and order.state == CANCELLED else None

    def confirmed(self, group_id: str) -> Order | None:
        """The order that cancels the group, read now: it may have been lifted since the last beat."""
        self._attempt(self._hear)
        return self.cancelled(group_id)

    def _run(self) -> None:
        self._attempt(self._prune)
        while not self._stop.wait(self._notes.beat_s):
            self._attempt(self._beat)
        self._attempt(lambda: self._notes.remove(KIND, self._worker))

    def _attempt(self, act: Any) -> None:
        try:
            act()
        except (NcLatentTodError, OSError) as error:
            log.debug("the worker's record: %s", error)

    def _beat(self) -> None:
        self._notes.write(KIND, self._worker, asdict(self._record(self._tally.look())))
        self._tally.beat()
        self._hear()

    def _hear(self) -> None:
        self._heard = Orders(self._notes).all()

    def _record(self, totals: Totals) -> WorkerRecord:
        job, pace = totals.current, totals.turns_per_second
        return WorkerRecord(
            worker=self._worker, host=self._host, process=asdict(self._process), version=__version__,
            started_at=totals.started_at, beat_at=time.time(), beat_s=self._notes.beat_s,
            job=job.name if job else "", group_id=job.group_id if job else "", job_began_at=job.began_at if job else 0.0,
            jobs={outcome: int(count) for outcome, count in totals.by_label(JOBS).items()},
            turns=int(totals.counts.get((TURNS, ""), 0)), turns_per_second=pace and round(pace, 3),
            usage=usage_of(job.progress) if job and job.progress else None)

    def _prune(self) -> None:
        for record in workers(self._notes):
            if time.time() - record.beat_at > _KEPT_S:
                self._notes.remove(KIND, record.worker)
