"""How a worker talks to the job that it runs."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from nc_latent_tod.errors import LeaseLostError, NcLatentTodError
from nc_latent_tod.queues import Delivery
from nc_latent_tod.worker.heartbeat import Heartbeat

log = logging.getLogger(__name__)

_REPORT_EVERY_S = 1.0


class JobControl:
    """A worker's side of one job. May be used from any thread."""

    def __init__(self, delivery: Delivery, heartbeat: Heartbeat, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop
        """True once a signal asked to stop, or people cancelled the group: finish the turns in hand, checkpoint, raise
        `InterruptedJobError`."""
        self.check_lease = heartbeat.check
        """Raise `LeaseLostError` once another worker may hold the job. Call it before anything is stored."""
        self.fence = delivery.fence
        """What a conditional write can be tied to, so that only the newest holder of the job writes; None for some queues."""
        self._delivery = delivery
        self._heartbeat = heartbeat
        self._next_report = 0.0

    def report(self, progress: str | Mapping[str, Any]) -> None:
        """Show progress in the queue's status, at most once a second; a mapping is shown as JSON."""
        now = time.monotonic()
        if now < self._next_report:
            return
        self._next_report = now + _REPORT_EVERY_S
        try:
            self._delivery.progress(progress if isinstance(progress, str) else json.dumps(progress, default=str))
        except LeaseLostError as error:
            self._heartbeat.lose(str(error))
        except NcLatentTodError as error:
            log.debug("%s: progress not shown: %s", self._delivery.delivery_id, error)
