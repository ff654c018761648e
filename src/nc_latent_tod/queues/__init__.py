"""Queues of jobs. Delivery is at least once; the manifest makes the effect exactly once."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from nc_latent_tod.queues.notes import Notes
from nc_latent_tod.queues.orders import Orders
from nc_latent_tod.queues.status import DeadLetter, Letter, QueueStatus
from nc_latent_tod.system.aws import Fence


class Delivery(Protocol):
    """One job in the hands of one worker, until it is acknowledged, given back or its lease runs out.

    Every method raises `LeaseLostError` once another worker holds the job.
    """

    job: dict[str, Any]  # decoded job file
    attempt: int  # from 1
    delivery_id: str

    @property
    def fence(self) -> Fence | None:
        """What a conditional write elsewhere can be tied to, where the queue has such a thing."""

    def ack(self) -> None:
        """Mark the job done."""

    def nack(self, error: str, *, dead: bool = False) -> None:
        """Give the job back with the reason, or put it with the dead letters (also after too many attempts)."""

    def release(self) -> None:
        """Give the job back without counting the attempt: the worker is asked to stop."""

    def extend(self, seconds: float) -> None:
        """Hold the job for `seconds` from now. May be called from another thread."""

    def progress(self, text: str) -> None:
        """Show `text` in the queue's status, as far as the queue can; losing it does no harm."""


class Queue(Protocol):
    """Where jobs wait."""

    poll_s: float  # a wait for a job that costs little
    orders: Orders  # groups that are paused or cancelled

    @property
    def notes(self) -> Notes:
        """Notes that everyone who reaches the queue can read."""

    def put(self, job: dict[str, Any]) -> bool:
        """Add a job; False where an equal one is waiting, in flight or done already."""

    def receive(self, wait_s: float) -> Delivery | None:
        """Take a job whose group is not paused, waiting up to `wait_s` seconds; None where there is none."""

    def drained(self) -> bool:
        """True where no job is ready or in flight. May be late to say so, but not early: a delayed job counts."""

    def status(self) -> QueueStatus:
        """Count and list the jobs by state."""

    def letters(self) -> tuple[DeadLetter, ...]:
        """All dead letters, also those that the queue's server gave up by itself."""

    def letter(self, name: str) -> Letter | None:
        """Open a dead letter, by its name in the status; None where there is none of this name."""

    def redrive(self, names: Collection[str]) -> list[str]:
        """Put dead letters back with no attempts counted; the names of those that were, which leaves out what is no job."""
