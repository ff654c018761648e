"""Receives jobs from a queue, runs them, and settles each: done, given back, or dead."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nc_latent_tod.errors import InterruptedJobError, LeaseLostError, NcLatentTodError, PermanentError, RetryableError
from nc_latent_tod.heartbeat import Heartbeat
from nc_latent_tod.queues import Delivery, Queue

log = logging.getLogger(__name__)

_REPORT_EVERY_S = 1.0
_LONGEST_PAUSE_S = 30.0  # after failures
_STEP_S = 0.1  # a pause is cut short by a signal within this time
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class JobControl:
    """How a worker talks to the job that it runs. May be used from any thread."""

    def __init__(self, delivery: Delivery, heartbeat: Heartbeat, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop
        """True once a signal asked to stop: finish the turns in hand, checkpoint, raise `InterruptedJobError`."""
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


@dataclass(frozen=True, slots=True)
class WorkSummary:
    """What became of the jobs that a worker received."""

    done: int = 0
    retried: int = 0  # failed and given back, or dead after the last attempt
    dead: int = 0  # can never work
    released: int = 0  # given back because a signal asked to stop
    lost: int = 0  # taken over by another worker, or not settled because the queue failed


class Worker:
    """Runs the jobs of a queue, one at a time. Only this class knows that queues exist.

    `run` labels one job and returns when its manifest entry is stored. What it raises decides what becomes of the
    job: `PermanentError` makes a dead letter, `InterruptedJobError` gives it back, after `LeaseLostError` nothing is
    written, and any other exception gives it back with the attempt counted.
    """

    def __init__(
        self,
        queue: Queue,
        run: Callable[[dict[str, Any], JobControl], None],
        *,
        lease_s: float = 60.0,
        poll_s: float | None = None,
        drain: bool = False,
        max_jobs: int | None = None,
    ) -> None:
        """`lease_s`: the heartbeat keeps a job for so long. `poll_s`: one wait for a job, as long as
        suits the queue by default; a signal is seen after it.

        `drain`: end when the queue holds no job, neither ready nor in flight elsewhere. `max_jobs`: end after so many.
        """
        self._queue = queue
        self._run = run
        self._lease_s = lease_s
        if poll_s is None:
            poll_s = min(queue.poll_s, 1.0) if drain else queue.poll_s  # with drain it ends after the last job, not later
        self._poll_s = poll_s
        self._drain = drain
        self._max_jobs = max_jobs
        self._stopping = False
        self._failures = 0  # in a row
        self._summary = WorkSummary()

    def work(self) -> WorkSummary:
        """Work until drained, `max_jobs` or a signal. Raises `PermanentError` where the queue can never be used.

        In the main thread SIGTERM and SIGINT are handled: the first asks the job to stop and gives it back, the
        second ends the process at once with exit code 143 or 130, and the lease of its job runs out.
        """
        with self._signals():
            received = 0
            while not self._stopping and (self._max_jobs is None or received < self._max_jobs):
                delivery = self._receive()
                if delivery is None:
                    if self._drain and self._drained():
                        log.info("the queue is drained")
                        break
                    continue
                received += 1
                self._handle(delivery)
        return self._summary

    def stop(self) -> None:
        """Ask the worker to stop, as the first signal does."""
        self._stopping = True

    def _receive(self) -> Delivery | None:
        try:
            return self._queue.receive(self._poll_s)
        except RetryableError as error:
            log.warning("no job received: %s", error)
            self._pause()
            return None

    def _drained(self) -> bool:
        try:
            return self._queue.drained()
        except RetryableError as error:
            log.warning("the queue did not say whether it is drained: %s", error)
            return False

    def _handle(self, delivery: Delivery) -> None:
        """Run one job and settle it."""
        if self._stopping:
            self._settle(delivery, "released", delivery.release)
            return
        log.info("%s: attempt %d begins", delivery.delivery_id, delivery.attempt)
        began = time.monotonic()
        outcome, settle = self._attempt(delivery)
        settled = self._settle(delivery, outcome, settle)
        log.info("%s: %s after %.1f s", delivery.delivery_id, settled, time.monotonic() - began)
        self._failures = self._failures + 1 if settled in ("retried", "lost") else 0
        if self._failures:
            self._pause()

    def _attempt(self, delivery: Delivery) -> tuple[str, Callable[[], None] | None]:
        """Run one job; what became of it, and how to tell the queue."""
        name = delivery.delivery_id
        with Heartbeat(delivery, self._lease_s) as heartbeat:
            try:
                self._run(delivery.job, JobControl(delivery, heartbeat, lambda: self._stopping))
                return "done", delivery.ack
            except PermanentError as error:
                reason = _reason(error)
                log.error("%s: can never work, put with the dead letters: %s", name, reason, exc_info=True)
                return "dead", lambda: delivery.nack(reason, dead=True)
            except InterruptedJobError as error:
                log.info("%s: given back: %s", name, error)
                return "released", delivery.release
            except LeaseLostError as error:
                log.warning("%s: another worker holds the job now: %s", name, error)
                return "lost", None
            except Exception as error:  # noqa: BLE001  the one place where anything may come
                reason = _reason(error)
                log.warning("%s: attempt %d failed, given back: %s", name, delivery.attempt, reason, exc_info=True)
                return "retried", lambda: delivery.nack(reason)

    def _settle(self, delivery: Delivery, outcome: str, settle: Callable[[], None] | None) -> str:
        """Tell the queue and count the outcome. Where the queue fails, the lease runs out and the job comes again."""
        try:
            if settle is not None:
                settle()
        except LeaseLostError as error:
            log.warning("%s: %s came too late: %s", delivery.delivery_id, outcome, error)
            outcome = "lost"
        except (NcLatentTodError, OSError) as error:
            log.error("%s: %s could not be recorded, the job will come again: %s", delivery.delivery_id, outcome, error)
            outcome = "lost"
        self._summary = replace(self._summary, **{outcome: getattr(self._summary, outcome) + 1})
        return outcome

    def _pause(self) -> None:
        """Wait longer after each failure in a row, so that a fault that passes does not use up all attempts."""
        until = time.monotonic() + min(_LONGEST_PAUSE_S, min(self._poll_s, 1.0) * 2**min(self._failures, 10))
        while not self._stopping and time.monotonic() < until:
            time.sleep(min(_STEP_S, self._poll_s))

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._on_signal) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _on_signal(self, number: int, frame: object) -> None:
        # Plain assignments and writes only: the signal may have come within a lock of threading or logging.
        if self._stopping:
            os._exit(128 + number)
        self._stopping = True
        os.write(2, b"Asked to stop: finishing the turns in hand. Signal again to stop at once.\n")


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
