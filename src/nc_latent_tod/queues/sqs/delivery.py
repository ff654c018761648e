"""One job of an SQS queue in the hands of one worker."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from nc_latent_tod.errors import LeaseLostError, RetryableError
from nc_latent_tod.queues.backoff import Backoff, wait_s
from nc_latent_tod.queues.sqs.client import LONGEST_VISIBILITY_S, SqsClient
from nc_latent_tod.queues.sqs.ledger import DONE, IN_FLIGHT, READY, JobLedger, JobRecord, Refused
from nc_latent_tod.queues.sqs.message import Message
from nc_latent_tod.system.aws import Fence

log = logging.getLogger(__name__)

_PROGRESS_EVERY_S = 10.0  # a thousand workers must not wear out one partition of the table
_MARGIN_S = 10.0  # before the end of the longest time that SQS lets a message be held

Bury = Callable[[Message, JobRecord, str], None]


class SqsDelivery:
    """A message that is invisible to others, and the newest token of its job's record.

    The record is changed first, on the condition of the token; then the message. A holder that is not the newest changes
    neither. Every method but `progress` raises `LeaseLostError` then, and `RetryableError` where AWS cannot be reached.
    Thread-safe.
    """

    def __init__(self, sqs: SqsClient, ledger: JobLedger, message: Message, record: JobRecord, job: dict[str, Any], *,
                 received_at: float, max_attempts: int, backoff: Backoff, bury: Bury) -> None:
        """`received_at`: on the monotonic clock, before the request that received the message."""
        self.job = job
        self.attempt = record.attempts
        self.delivery_id = f"{record.name}.a{record.attempts}.{record.token}"
        self.fence: Fence = ledger.fence(record)
        self._sqs, self._ledger, self._message, self._record = sqs, ledger, message, record
        self._received_at, self._max_attempts = received_at, max_attempts
        self._backoff, self._bury = backoff, bury
        self._progress, self._next_progress = "", 0.0
        self._lock = threading.Lock()
        self._is_settled = False

    def ack(self) -> None:
        """Note the job as done, then delete its message."""
        self._settle(state=DONE, progress="", beat_at=time.time())
        # A message that cannot be deleted now is dropped when it comes again: its job is done.
        with self._harmless("delete the message"):
            self._sqs.delete(self._message)

    def nack(self, error: str, *, dead: bool = False) -> None:
        """Let the message be seen again after a while, or bury the job if `dead` or after the last attempt."""
        if dead or self.attempt >= self._max_attempts:
            with self._lock:
                self._check()
                try:
                    self._bury(self._message, self._record, error)
                except Refused as refused:
                    raise self._lost(refused.record) from None
                self._is_settled = True
            return
        seconds = self._within_limit(wait_s(self.attempt, self._backoff))
        self._settle(state=READY, reason=error, progress="", waits_until=time.time() + seconds)
        with self._harmless("set the time of the next attempt"):
            self._sqs.hide(self._message, seconds)

    def release(self) -> None:
        """Let the message be seen at once, without counting the attempt."""
        self._settle(state=READY, attempts=self._record.attempts - 1, progress="")
        with self._harmless("let the message be seen"):
            self._sqs.hide(self._message, 0)

    def extend(self, seconds: float) -> None:
        """Hold the job for `seconds` from now, but never beyond the 12 hours that SQS permits from the receipt on."""
        with self._lock:
            self._check()
            allowed_s = self._within_limit(seconds)
            if allowed_s <= 0:
                raise LeaseLostError(f"{self.delivery_id}: SQS lets nobody hold a message for more than 12 hours. What is "
                                     "finished is checkpointed, and the next attempt goes on there: use smaller partitions.")
            self._change(beat_at=time.time(), lease_s=float(seconds), progress=self._progress)
            self._sqs.hide(self._message, allowed_s)

    def progress(self, text: str) -> None:
        """Show `text` in the status: now and then at once, otherwise with the next heartbeat."""
        with self._lock:
            self._progress = text
            if self._is_settled or time.monotonic() < self._next_progress:
                return
            self._next_progress = time.monotonic() + _PROGRESS_EVERY_S
            try:
                self._change(progress=text)
            except RetryableError as problem:
                log.debug("%s: progress not shown: %s", self.delivery_id, problem)

    def _settle(self, **values: Any) -> None:
        with self._lock:
            self._check()
            self._change(**values)
            self._is_settled = True

    def _check(self) -> None:
        if self._is_settled:
            raise LeaseLostError(f"{self.delivery_id}: it was settled already. Write nothing more for it.")

    def _change(self, **values: Any) -> None:
        try:
            self._ledger.change(self._record.name, {"token": self._record.token, "state": IN_FLIGHT}, **values)
        except Refused as refused:
            raise self._lost(refused.record) from None

    def _lost(self, stored: JobRecord | None) -> LeaseLostError:
        now = "its record is gone"
        if stored:
            now = f"it is {stored.state} with token {stored.token}, last taken by {stored.worker}"
        return LeaseLostError(f"{self.delivery_id} no longer holds the job: {now}. Write nothing more for it.")

    def _within_limit(self, seconds: float) -> float:
        return min(seconds, LONGEST_VISIBILITY_S - _MARGIN_S - (time.monotonic() - self._received_at))

    @contextlib.contextmanager
    def _harmless(self, doing: str) -> Any:
        try:
            yield
        except RetryableError as problem:  # LeaseLostError is one of them: the message is visible already
            log.info("%s: could not %s: %s", self.delivery_id, doing, problem)
