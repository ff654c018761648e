"""Receives jobs from a queue, runs them, and settles each: done, given back, or dead."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from nc_latent_tod.errors import InterruptedJobError, LeaseLostError, NcLatentTodError, PermanentError, RetryableError
from nc_latent_tod.queues import Delivery, Queue
from nc_latent_tod.queues.job_name import job_name
from nc_latent_tod.queues.orders import Order, cancellation, group_of
from nc_latent_tod.system.logs import log_fields, notice
from nc_latent_tod.worker.control import JobControl
from nc_latent_tod.worker.heartbeat import Heartbeat
from nc_latent_tod.worker.presence import Attendance
from nc_latent_tod.worker.tally import RECEIVE_ERRORS, SECONDS, CurrentJob, Ended, Tally

log = logging.getLogger(__name__)

_LONGEST_PAUSE_S = 30.0  # after failures
_STEP_S = 0.1  # a pause is cut short by a signal within this time
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_ALIKE = 3  # jobs that die of one reason before any is done: the machine may be at fault, and the queue is left to others


@dataclass(frozen=True, slots=True)
class WorkSummary:
    """What became of the jobs that a worker received."""

    done: int = 0
    retried: int = 0  # failed and given back, or dead after the last attempt
    dead: int = 0  # can never work
    released: int = 0  # given back because a signal asked to stop
    cancelled: int = 0  # dead letters that resuming their group puts back
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
        tally: Tally | None = None,
        ended: Callable[[Ended], None] = lambda ended: None,
    ) -> None:
        """`lease_s`: the heartbeat keeps a job for so long. `poll_s`: one wait for a job, as long as
        suits the queue by default; a signal is seen after it.

        `drain`: end when the queue holds no job, neither ready nor in flight elsewhere. `max_jobs`: end after so many.
        `tally`: counts what is done, `ended` hears of each job that was settled.
        """
        self._queue = queue
        self._run = run
        self._lease_s = lease_s
        if poll_s is None:
            poll_s = min(queue.poll_s, 1.0) if drain else queue.poll_s  # with drain it ends after the last job, not later
        self._poll_s = poll_s
        self._drain = drain
        self._max_jobs = max_jobs
        self._tally = tally or Tally()
        self._ended = ended
        self._attendance = Attendance(queue, self._tally)
        self._stopping = False
        self.stopped_by = 0
        """The number of the signal that ended `work`; 0 where none did."""
        self._failures = 0  # in a row
        self._reasons = set[str]()  # of dead letters, without their numbers
        self._summary = WorkSummary()

    def work(self) -> WorkSummary:
        """Work until drained, `max_jobs` or a signal.

        Raises `PermanentError` where the queue can never be used, and where the first jobs all became dead letters for one
        reason: else a machine without the model or the credentials would empty the queue into them.

        In the main thread SIGTERM and SIGINT are handled: the first asks the job to stop and gives it back, the
        second ends the process at once with exit code 143 or 130, and the lease of its job runs out.
        """
        with self._signals(), self._attendance:
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
        began = time.monotonic()
        try:
            return self._queue.receive(self._poll_s)
        except RetryableError as error:
            log.warning("no job received: %s", error)
            self._tally.count(RECEIVE_ERRORS)
            self._pause()
            return None
        finally:
            self._tally.count(SECONDS, "waiting", by=time.monotonic() - began)

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
        name, group_id = job_name(delivery.job), group_of(delivery.job)
        self._tally.began(CurrentJob(name, group_id, delivery.attempt, time.time()))
        worker = f"{socket.gethostname()}:{os.getpid()}"
        with log_fields(worker=worker, job=name, attempt=delivery.attempt, group_id=group_id):
            settled = self._work_on(delivery, group_id)
        self._failures = self._failures + 1 if settled in ("retried", "lost") else 0
        if self._failures:
            self._pause()

    def _work_on(self, delivery: Delivery, group_id: str) -> str:
        """Run one job and tell everyone what became of it."""
        log.info("%s: attempt %d begins", delivery.delivery_id, delivery.attempt)
        began = time.monotonic()
        outcome, reason, settle = self._attempt(delivery, group_id)
        settled = self._settle(delivery, outcome, settle)
        seconds = time.monotonic() - began
        log.info("%s: %s after %.1f s", delivery.delivery_id, settled, seconds)
        self._ended(self._tally.ended(settled, reason, seconds))
        if settled == "dead":
            self._reasons.add(re.sub(r"\d+", "0", reason))
            if self._summary.dead == _ALIKE and len(self._reasons) == 1 and not self._summary.done:
                raise PermanentError(
                    f"The first {_ALIKE} jobs became dead letters for one reason, so this worker leaves the others. {reason}\n"
                    "If this machine is at fault, correct it, then nc-latent-tod dlq redrive --all; else start it again.")
        return settled

    def _attempt(self, delivery: Delivery, group_id: str) -> tuple[str, str, Callable[[], None] | None]:
        """Run one job; what became of it, why, and how to tell the queue."""
        name = delivery.delivery_id
        if self._attendance.cancelled(group_id) and (order := self._attendance.confirmed(group_id)):
            return self._cancel(delivery, order)
        with Heartbeat(delivery, self._lease_s) as heartbeat:
            try:
                self._run(delivery.job, JobControl(delivery, heartbeat, lambda: self._should_stop(group_id)))
                return "done", "", delivery.ack
            except PermanentError as error:
                reason = _reason(error)
                log.error("%s: can never work, put with the dead letters: %s", name, reason)
                return "dead", reason, lambda: delivery.nack(reason, dead=True)
            except InterruptedJobError as error:
                if order := self._attendance.confirmed(group_id):
                    return self._cancel(delivery, order)
                log.info("%s: given back: %s", name, error)
                return "released", "", delivery.release
            except LeaseLostError as error:
                log.warning("%s: another worker holds the job now: %s", name, error)
                return "lost", _reason(error), None
            except Exception as error:  # noqa: BLE001  the one place where anything may come
                reason = _reason(error)
                log.warning("%s: attempt %d failed, given back: %s", name, delivery.attempt, reason,
                            exc_info=not isinstance(error, NcLatentTodError))  # whose message says all
                return "retried", reason, lambda: delivery.nack(reason)

    def _should_stop(self, group_id: str) -> bool:
        return self._stopping or self._attendance.cancelled(group_id) is not None

    def _cancel(self, delivery: Delivery, order: Order) -> tuple[str, str, Callable[[], None]]:
        group = order.group_id
        reason = f"{cancellation(group)} at {order.at} by {order.by}. nc-latent-tod resume {group} puts it back."
        log.info("%s: %s", delivery.delivery_id, reason)
        return "cancelled", reason, lambda: delivery.nack(reason, dead=True)

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
        self._stopping, self.stopped_by = True, number
        os.write(2, notice("Asked to stop: finishing the turns in hand. Signal again to stop at once."))


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
