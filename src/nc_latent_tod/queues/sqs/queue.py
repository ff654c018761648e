"""A queue on AWS: a FIFO queue of SQS for the messages, records in DynamoDB for what becomes of the jobs."""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from collections import defaultdict
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from typing import Any

from nc_latent_tod.errors import ConfigError, LeaseLostError
from nc_latent_tod.queues.backoff import USUAL, Backoff
from nc_latent_tod.queues.job_name import job_name
from nc_latent_tod.queues.orders import Orders, group_of
from nc_latent_tod.queues.sqs.client import LONGEST_VISIBILITY_S, SqsClient
from nc_latent_tod.queues.sqs.dead_letters import DeadLetters
from nc_latent_tod.queues.sqs.delivery import SqsDelivery
from nc_latent_tod.queues.sqs.ledger import DEAD, DONE, IN_FLIGHT, READY, SENDING, JobLedger, JobRecord, Refused
from nc_latent_tod.queues.sqs.message import Message, decode, encode
from nc_latent_tod.queues.sqs.notes import LedgerNotes
from nc_latent_tod.queues.sqs.pending import PendingJobs
from nc_latent_tod.queues.status import DeadLetter, InFlight, Letter, QueueStatus, Waiting

log = logging.getLogger(__name__)

_SHORT_POLL_S = 0.2  # between two looks where the wait is too short for a long poll
_LONGEST_POSTPONEMENT_S = 900.0
_SHORTEST_LEAVE_S = 30.0  # before a message of a paused group is looked at again
_RENEW_AFTER = 20  # receipts; the queue's policy gives a message up after 50
_EXPIRED = "expired"  # in the status; the record has another state
_LETTERS_EVERY_S = 60.0  # between two looks for messages that SQS itself gave up


class SqsQueue:
    """A FIFO queue with a dead-letter queue. Safe for many processes; one object belongs to one thread.

    One message group a job, so jobs do not wait for each other and their order is not promised. What makes delivery at least
    once into work at most once at a time is the record of each job: see `ledger.py`.
    """

    poll_s = 10.0  # SQS permits 20; a signal is seen after it

    def __init__(self, path: str, *, table: str | None = None, lease_s: float = 60.0, max_attempts: int = 5,
                 worker: str | None = None, backoff_s: Backoff = USUAL, client: Any = None) -> None:
        """Open a queue by its name (`*.fifo`) or URL; `table` holds the records, that which the queue's tag names by
        default. Creates neither.

        `backoff_s`: see `backoff.py`.
        Raises `ConfigError` where the queue is missing, is not made as it has to be, or may not be used.
        """
        if not 1 <= lease_s <= LONGEST_VISIBILITY_S or max_attempts < 1:
            raise ConfigError(f"lease_s = {lease_s}, max_attempts = {max_attempts}: SQS takes leases of 1 to "
                              f"{LONGEST_VISIBILITY_S} seconds, and at least one attempt is needed.")
        self._sqs = SqsClient(path, client=client)
        self._ledger = JobLedger(table or self._sqs.table, self._sqs.name, region=self._sqs.region)
        self._letters = DeadLetters(self._sqs, self._ledger)
        self.notes = LedgerNotes(self._ledger.table, self._sqs.name, region=self._sqs.region)
        self.orders = Orders(self.notes)
        self._lease_s, self._max_attempts, self._backoff_s = float(math.ceil(lease_s)), max_attempts, backoff_s
        self._worker = worker or f"{socket.gethostname()}:{os.getpid()}"
        self._pending = PendingJobs(self._ledger, self._sqs.retention)
        self._next_look = 0.0

    def put(self, job: dict[str, Any]) -> bool:
        """Add a job; False where an equal one is waiting, in flight, done or dead (see `redrive`).

        A job whose message or dead letter SQS threw away by its age is sent again. Raises `ConfigError` where SQS cannot take
        it, `RetryableError` where AWS cannot be reached: put it again then.
        """
        name = job_name(job)
        body, kind = encode(job, self._sqs.max_bytes)
        try:
            self._letters.send(self._ledger.create(JobRecord(name=name, group=group_of(job), sent_at=time.time())), body, kind)
            return True
        except Refused as refused:
            record = refused.record
        if record is not None and record.state == SENDING:
            self._letters.send(record, body, kind)  # a put that was killed, or is under way: one message in any case
        elif record is not None and self._sqs.retention.has_expired(record, time.time()):
            with suppress(Refused):  # another process sends it
                self._letters.send_again(record, body, kind)
                return True
        return False

    def receive(self, wait_s: float) -> SqsDelivery | None:
        """Take a job, waiting up to `wait_s` seconds with as few requests as SQS permits.

        A message that is no job of this package goes to the dead letters with the reason, one of a job that is done is dropped.
        """
        deadline = time.monotonic() + wait_s
        while True:
            began = time.monotonic()
            messages = self._sqs.receive(visibility_s=self._lease_s, wait_s=max(0.0, deadline - began))
            for message in messages:
                if delivery := self._take(message, began):
                    return delivery
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return None
            if not messages:
                time.sleep(min(_SHORT_POLL_S, left_s))

    def drained(self) -> bool:
        """True where no job is ready or in flight, by the records: SQS's own counts lag behind."""
        if not self._pending.any():
            return True
        if time.monotonic() >= self._next_look:  # a job may be pending by its record and given up by SQS
            self._next_look = time.monotonic() + _LETTERS_EVERY_S
            self._letters.record_all()
        return False

    def status(self) -> QueueStatus:
        """Count and list the jobs by state, from their records."""
        now, (found, done) = time.time(), self._ledger.not_done()
        by_state: dict[str, list[JobRecord]] = defaultdict(list)
        for record in found:
            is_gone = self._sqs.retention.has_expired(record, now)
            by_state[_EXPIRED if is_gone and record.state != DEAD else record.state].append(
                replace(record, reason=f"{record.reason} (The dead letter {self._letters.gone}.)") if is_gone else record)
        ready, orders = by_state[SENDING] + by_state[READY], self.orders.all()
        return QueueStatus(
            ready=len(ready),
            in_flight=tuple(InFlight(name=record.name, worker=record.worker, age_s=max(0.0, now - record.taken_at),
                                     attempt=record.attempts, silent_s=max(0.0, now - record.beat_at),
                                     progress=record.progress) for record in by_state[IN_FLIGHT]),
            done=done,
            dead=tuple(DeadLetter(record.name, record.reason, record.attempts) for record in by_state[DEAD]),
            held=sum(record.group in orders for record in ready),
            waiting=tuple(Waiting(record.name, record.reason, record.attempts, record.waits_until) for record in ready
                          if record.waits_until > now),
            expired=tuple(record.name for record in by_state[_EXPIRED]))

    def letters(self) -> tuple[DeadLetter, ...]:
        """All dead letters; what SQS gave up by itself is noted first."""
        self._letters.record_all()
        return self.status().dead

    def letter(self, name: str) -> Letter | None:
        """A dead letter with its job; None where there is none of this name."""
        return self._letters.letter(name)

    def redrive(self, names: Collection[str]) -> list[str]:
        """Put dead letters back with no attempts counted; the names of those that were.

        Raises `ConfigError` where letters are no jobs, after putting back the others.
        """
        return self._letters.redrive(names)

    def _take(self, message: Message, received_at: float) -> SqsDelivery | None:
        """Make a received message this worker's job; None where it is none, or another's."""
        job = decode(message)
        if isinstance(job, str):
            self._letters.bury_unreadable(message, job)
            return None
        record = self._ledger.get(message.group_id)
        if record is None:  # the table was emptied or made anew
            record = self._first_record(message.group_id)
        if record.state == DONE:
            log.debug("%s: is done, its message is dropped", record.name)
            self._sqs.delete(message)
            return None
        if self.orders.is_paused(group_of(job)):
            self._leave(message, record)
            return None
        try:
            if record.state == DEAD:
                return self._take_dead(message, record, job, received_at)
            if record.state == IN_FLIGHT and record.message_id != message.message_id and not record.is_silent(time.time()):
                self._postpone(message)
                return None
            if self._sqs.retention.ends_soon(record, time.time()):
                self._letters.renew(message, record)
                return None
            if record.attempts >= self._max_attempts:
                self._bury_silent(message, record)
                return None
            return self._hold(message, record, job, received_at)
        except Refused:
            return None  # another worker was faster; the message comes again if that one fails

    def _hold(self, message: Message, record: JobRecord, job: dict[str, Any], received_at: float,
              **values: Any) -> SqsDelivery:
        """Raise the token: whoever held the job until now holds it no more. Raises `Refused`."""
        reason = record.reason
        if record.state == IN_FLIGHT:
            reason = _silence(record)
            log.info("%s: taken over: %s", record.name, reason)
        now = time.time()
        held = self._ledger.change(record.name, {"token": record.token, "state": record.state}, **{
            "state": IN_FLIGHT, "token": record.token + 1, "attempts": record.attempts + 1, "reason": reason, "progress": "",
            "message_id": message.message_id, "worker": self._worker, "taken_at": now, "beat_at": now,
            "lease_s": self._lease_s, "waits_until": 0.0, **values})
        return SqsDelivery(self._sqs, self._ledger, message, held, job, received_at=received_at,
                           max_attempts=self._max_attempts, backoff=self._backoff_s, bury=self._letters.bury)

    def _take_dead(self, message: Message, record: JobRecord, job: dict[str, Any], received_at: float) -> SqsDelivery | None:
        """The message of a dead job: left over by a worker that was killed, or sent back by a person in AWS's console."""
        if not message.attributes.get("reason") and message.message_id == record.message_id:
            self._letters.bury_again(message, record)
            return None
        return self._hold(message, replace(record, attempts=0), job, received_at, run=record.run + 1,
                          sent_at=time.time())

    def _leave(self, message: Message, record: JobRecord) -> None:
        """A message whose group is paused: look again later, and before SQS gives it up for its receipts or its age."""
        if message.receives >= _RENEW_AFTER:
            self._letters.renew(message, record)
        else:
            self._hide(message, min(_LONGEST_POSTPONEMENT_S, _SHORTEST_LEAVE_S * message.receives))

    def _bury_silent(self, message: Message, record: JobRecord) -> None:
        reason = _silence(record) if record.state == IN_FLIGHT else record.reason
        self._letters.bury(message, record, reason)

    def _first_record(self, name: str) -> JobRecord:
        try:
            return self._ledger.create(JobRecord(name=name, state=READY, sent_at=time.time()))
        except Refused as refused:
            assert refused.record is not None
            return refused.record

    def _postpone(self, message: Message) -> None:
        """A second message of a job that is in flight: look again later."""
        self._hide(message, min(_LONGEST_POSTPONEMENT_S, self._lease_s * message.receives))

    def _hide(self, message: Message, seconds: float) -> None:
        try:
            self._sqs.hide(message, seconds)
        except LeaseLostError as error:
            log.debug("%s", error)


def _silence(record: JobRecord) -> str:
    return f"the lease of {record.worker} ran out in attempt {record.attempts}: it was killed or got stuck"
