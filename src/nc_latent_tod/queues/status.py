"""What a queue holds at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class InFlight:
    """A job in the hands of a worker."""

    name: str
    worker: str  # host:pid; "unknown" between taking a job and saying so
    age_s: float  # since it was taken, by the wall clock: for display only
    attempt: int  # from 1
    silent_s: float = 0.0  # since the holder's last heartbeat, by the wall clock: for display only
    progress: str = ""  # what the worker reported last


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that has failed and waits for its next attempt."""

    name: str
    reason: str  # the last error
    attempts: int
    waits_until: float  # seconds since 1970, for display only


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that was given up."""

    name: str
    reason: str  # the last error
    attempts: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, opened."""

    name: str
    reasons: tuple[str, ...]  # of the failed attempts, as far as they are kept; the last one is why it was given up
    attempts: int
    job: dict[str, Any] | str  # what the message or file held, where that is no job


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """What a queue holds. Taken while others work, so a job that moves may be seen twice or not at all."""

    ready: int
    in_flight: tuple[InFlight, ...]
    done: int
    dead: tuple[DeadLetter, ...]
    waiting: tuple[Waiting, ...] = ()  # of those that are ready
    held: int = 0  # of those that are ready: jobs of paused or cancelled groups
    expired: tuple[str, ...] = ()  # jobs that are in no other state: SQS threw their messages away, so nobody will run them
