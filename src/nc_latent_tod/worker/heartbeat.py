"""Holds a job while it runs: extends its lease from a thread, and knows when the lease is lost."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from types import TracebackType

from nc_latent_tod.errors import LeaseLostError, NcLatentTodError
from nc_latent_tod.queues import Delivery

log = logging.getLogger(__name__)

_BEATS_PER_LEASE = 3


class Heartbeat:
    """Extends a delivery three times a lease, within a `with` block. `check` may be called from any thread."""

    def __init__(self, delivery: Delivery, lease_s: float) -> None:
        self._delivery = delivery
        self._lease_s = lease_s
        self._held_since = time.monotonic()
        self._lost = ""
        self._stop = threading.Event()
        context = contextvars.copy_context()  # its log records are those of the job
        self._thread = threading.Thread(target=lambda: context.run(self._beat), name=f"heartbeat-{delivery.delivery_id}",
                                        daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the heartbeat: the job is about to be settled. A beat that hangs is not waited for beyond a lease."""
        self._stop.set()
        self._thread.join(timeout=self._lease_s)

    def check(self) -> None:
        """Raise `LeaseLostError` once another worker may hold the job: write nothing after that."""
        silent_s = time.monotonic() - self._held_since
        if not self._lost and silent_s > self._lease_s:
            self._lost = f"no heartbeat reached the queue for {silent_s:.0f} s, longer than the lease of {self._lease_s:g} s"
        if self._lost:
            raise LeaseLostError(f"{self._delivery.delivery_id}: {self._lost}")

    def lose(self, reason: str) -> None:
        """Note that the lease is lost."""
        self._lost = self._lost or reason

    def _beat(self) -> None:
        while not self._stop.wait(self._lease_s / _BEATS_PER_LEASE):
            began = time.monotonic()
            try:
                self._delivery.extend(self._lease_s)
                self._held_since = began
            except LeaseLostError as error:
                if not self._stop.is_set():  # else the job was settled during the beat
                    self.lose(str(error))
                return
            except (NcLatentTodError, OSError) as error:
                # May pass: the lease lasts for two more beats.
                log.warning("%s: heartbeat failed, trying again: %s", self._delivery.delivery_id, error)
