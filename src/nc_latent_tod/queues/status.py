"""What a queue holds at one moment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InFlight:
    """A job in the hands of a worker."""

    name: str
    worker: str  # host:pid; "unknown" between taking a job and saying so
    age_s: float  # since it was taken, by the wall clock: for display only
    attempt: int  # from 1
    progress: str = ""  # what the worker reported last


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that was given up."""

    name: str
    reason: str  # the last error
    attempts: int


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """What a queue holds. Taken while others work, so a job that moves may be seen twice or not at all."""

    ready: int
    in_flight: tuple[InFlight, ...]
    done: int
    dead: tuple[DeadLetter, ...]
