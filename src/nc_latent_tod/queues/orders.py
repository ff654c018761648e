"""Groups of jobs that people have paused or cancelled, as notes beside the queue.

A paused group's jobs stay where they are: the queue gives them to nobody. A cancelled group's jobs become dead letters as
workers meet them, so that they can be listed and put back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from nc_latent_tod.queues.notes import Notes

PAUSED, CANCELLED = "paused", "cancelled"
KIND = "groups"

_MAX_AGE_S = 1.0  # of what was read: a worker that polls a folder must not read it at every look


@dataclass(frozen=True, slots=True)
class Order:
    """What people want of a group."""

    group_id: str
    state: str  # PAUSED or CANCELLED
    by: str  # user@host
    at: str  # ISO 8601, UTC


class Orders:
    """The orders on one queue. Not thread-safe."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._known: dict[str, Order] = {}
        self._read_at = float("-inf")

    def give(self, order: Order) -> None:
        """Store an order, durably; it replaces the group's earlier one."""
        self._notes.write(KIND, order.group_id, asdict(order), durable=True)
        self._read_at = float("-inf")

    def lift(self, group_id: str) -> None:
        """Remove a group's order, where there is one."""
        self._notes.remove(KIND, group_id)
        self._read_at = float("-inf")

    def all(self) -> dict[str, Order]:
        """The orders by group, a second old at most."""
        now = time.monotonic()
        if now - self._read_at > _MAX_AGE_S:
            self._known = {name: Order(name, str(values.get("state")), str(values.get("by")), str(values.get("at")))
                           for name, values in self._notes.read(KIND).items()}
            self._read_at = now
        return self._known

    def is_paused(self, group_id: str) -> bool:
        """Whether no job of the group may be taken."""
        order = self.all().get(group_id)
        return order is not None and order.state == PAUSED


def group_of(job: Mapping[str, Any]) -> str:
    """The group that a decoded job names; "" where it names none."""
    manifest = job.get("manifest")
    return str(manifest.get("group_id", "")) if isinstance(manifest, Mapping) else ""


def cancellation(group_id: str) -> str:
    """The beginning of the reason of a dead letter whose group was cancelled."""
    return f"Cancelled: the group {group_id!r} was cancelled"
