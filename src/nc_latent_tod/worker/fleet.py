"""What a queue and its workers are doing, from stored records and heartbeats alone: SQS's own counts lag by a minute."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from statistics import fmean
from typing import Any

from nc_latent_tod.queues import Queue
from nc_latent_tod.queues.orders import Order
from nc_latent_tod.queues.status import DeadLetter, InFlight, Waiting
from nc_latent_tod.worker.presence import WorkerRecord, workers
from nc_latent_tod.worker.usage import Usage


@dataclass(frozen=True, slots=True)
class Flight:
    """A job in flight, with the figures that its worker stored last; None before the first."""

    name: str
    worker: str
    age_s: float
    silent_s: float  # since the last heartbeat of its lease
    attempt: int
    progress: Mapping[str, Any] | str
    turns: int | None = None
    turns_left: int | None = None
    turns_per_second: float | None = None
    seconds_left: float | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Overview:
    """All that `status` shows."""

    ready: int
    in_flight: tuple[Flight, ...]
    done: int
    dead: tuple[DeadLetter, ...]
    orders: tuple[Order, ...]
    turns_per_second: float | None  # of all jobs in flight; None before there is a pace
    seconds_left: float | None  # to the end of all that is ready or in flight, but for groups that are on hold
    held: int = 0  # of those that are ready: jobs of paused or cancelled groups
    waiting: tuple[Waiting, ...] = ()  # of those that are ready: they failed, and are tried again later
    expired: tuple[str, ...] = ()  # jobs whose messages SQS threw away

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def overview(queue: Queue) -> Overview:
    """Read the queue once."""
    status = queue.status()
    usages = {(record.worker, record.job): record.usage for record in workers(queue.notes)} if status.in_flight else {}
    flights = tuple(replace(_flight(job), usage=usages.get((job.worker, job.name))) for job in status.in_flight)
    paces = [flight.turns_per_second for flight in flights if flight.turns_per_second]
    pace = sum(paces) if paces else None
    return Overview(status.ready, flights, status.done, status.dead, tuple(queue.orders.all().values()), pace,
                    _seconds_left(status.ready - status.held, flights, pace), status.held, status.waiting, status.expired)


def _flight(job: InFlight) -> Flight:
    try:
        progress = json.loads(job.progress)
        turns, done, before = (int(progress[name]) for name in ("turns", "turns_done", "turns_resumed"))
        pace = (done - before) / float(progress["seconds"]) if done > before else None
    except (ValueError, TypeError, KeyError, ZeroDivisionError):  # none yet, or a worker of another kind
        return Flight(job.name, job.worker, job.age_s, job.silent_s, job.attempt, job.progress)
    return Flight(job.name, job.worker, job.age_s, job.silent_s, job.attempt, progress, turns, turns - done,
                  pace and round(pace, 3), round((turns - done) / pace, 1) if pace else None)


def _seconds_left(ready: int, flights: tuple[Flight, ...], pace: float | None) -> float | None:
    """At the pace of the jobs in flight, as if a job that has not said yet had as many turns as the others have on average."""
    if not ready and not flights:
        return 0.0
    known = [flight.turns for flight in flights if flight.turns is not None]
    if pace is None or not known:
        return None
    unknown = ready + sum(flight.turns is None for flight in flights)
    return round((unknown * fmean(known) + sum(flight.turns_left or 0 for flight in flights)) / pace, 1)


def worker_json(record: WorkerRecord, now: float) -> dict[str, Any]:
    """A worker's record as plain data, with what `now` makes of it."""
    return {**asdict(record), "is_alive": record.is_alive(now), "silent_s": round(max(0.0, now - record.beat_at), 1)}
