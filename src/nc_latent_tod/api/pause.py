"""A group's queued jobs put on hold, and put back."""

from __future__ import annotations

import getpass
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime

from nc_latent_tod.api.connect import open_queue
from nc_latent_tod.config.places import NAME_PATTERN
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.queues import Queue
from nc_latent_tod.queues.orders import CANCELLED, PAUSED, Order, cancellation
from nc_latent_tod.worker.presence import workers

__all__ = ["CANCELLED", "PAUSED", "give", "hold", "lift"]


def _open(group: str, queue: str) -> Queue:
    if not re.fullmatch(NAME_PATTERN, group):
        raise ConfigError(f"No group is called {group!r}: the ids of groups have letters, digits, '_', '.' and '-' only.")
    return open_queue(queue, must_exist=True)


def give(group: str, queue: str, state: str, *, tell: Callable[[str], None] = lambda note: None) -> Order:
    """Put a group of the queue of that name on hold. Raises `ConfigError`; as `hold` else."""
    return hold(_open(group, queue), group, state, tell=tell)


def hold(queue: Queue, group: str, state: str, *, tell: Callable[[str], None] = lambda note: None) -> Order:
    """Put a group on hold in this user's name; `tell` is told where the queue has no job of it."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unknown"
    order = Order(group, state, by=f"{user}@{socket.gethostname()}", at=datetime.now(UTC).isoformat(timespec="seconds"))
    before = None if group in queue.orders.all() else queue.status().held
    queue.orders.give(order)
    if before is not None and not _has_jobs(queue, group, before):
        tell(f"note: no job of the group {group} waits or runs in this queue. The order holds for jobs that come later; if "
               f"the name is wrong, nc-latent-tod resume {group} takes it back.")
    return order


def _has_jobs(queue: Queue, group: str, held_before: int) -> bool:
    """Whether jobs of the group wait or run, now that it is on hold; True where a worker has not said what it runs."""
    status = queue.status()
    groups = {record.job: record.group_id for record in workers(queue.notes)}
    return status.held > held_before or any(groups.get(job.name, group) == group for job in status.in_flight)


def lift(group: str, queue: str) -> tuple[Order | None, list[str]]:
    """End a group's hold: the order that stood, and the names of cancelled jobs that were put back. Raises `ConfigError`."""
    opened = _open(group, queue)
    order = opened.orders.all().get(group)
    opened.orders.lift(group)
    mine = [letter.name for letter in opened.letters() if letter.reason.startswith(cancellation(group))]
    return order, list(opened.redrive(mine) if mine else [])
