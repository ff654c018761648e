"""Sending jobs to SQS, and burying them in its dead-letter queue: records and messages in the order that loses neither.

A burial notes the reason first, then sends the dead letter, then deletes the message: killed in between, the message comes
again and the burial goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from contextlib import closing, suppress

from nc_latent_tod.errors import ConfigError, LeaseLostError
from nc_latent_tod.queues.sqs.client import SqsClient
from nc_latent_tod.queues.sqs.ledger import DEAD, DONE, IN_FLIGHT, PENDING, READY, SENDING, JobLedger, JobRecord, Refused
from nc_latent_tod.queues.sqs.message import Message, decode, has_room, legal
from nc_latent_tod.queues.status import Letter

log = logging.getLogger(__name__)

_LOOK_S = 60.0  # dead letters are held for so long while they are looked at


class DeadLetters:
    """The dead letters of one queue."""

    def __init__(self, sqs: SqsClient, ledger: JobLedger) -> None:
        self._sqs, self._ledger = sqs, ledger

    def send(self, record: JobRecord, body: str, kind: str) -> None:
        """Send the message of a record in the state `sending`, and note that it was sent."""
        fingerprint = record.name[-16:]
        self._sqs.send(body, group=record.name, deduplication=f"{fingerprint}-{record.run}", format=kind)
        with suppress(Refused):  # a worker has it already
            self._ledger.change(record.name, {"state": SENDING, "run": record.run}, state=READY, sent_at=time.time())

    def send_again(self, record: JobRecord, body: str, kind: str) -> None:
        """Send a job whose message or dead letter SQS threw away. Raises `Refused` where `record` is not the newest."""
        self.send(self._sending(record), body, kind)

    def _sending(self, record: JobRecord) -> JobRecord:
        """Note that a job is about to be sent afresh. Raises `Refused`."""
        return self._ledger.change(record.name, {"state": record.state, "token": record.token, "run": record.run},
                                   state=SENDING, run=record.run + 1, attempts=0, message_id="", sent_at=time.time())

    def renew(self, message: Message, record: JobRecord) -> None:
        """Send a job's message again and delete this one: the copy has no receipts, and all of its time to live."""
        self._sqs.send(message.body, group=record.name, deduplication=f"{record.name[-16:]}-{record.run}-{message.message_id}",
                       format=message.attributes.get("format", ""))
        with suppress(Refused):
            self._ledger.change(record.name, {"state": record.state, "token": record.token}, sent_at=time.time())
        with suppress(LeaseLostError):
            self._sqs.delete(message)

    def bury(self, message: Message, record: JobRecord, reason: str) -> None:
        """Give a job up. Raises `Refused` where `record` is not the newest."""
        dead = self._ledger.change(record.name, {"token": record.token, "state": record.state}, state=DEAD, reason=reason,
                                   progress="", sent_at=time.time())
        self.bury_again(message, dead)

    def bury_again(self, message: Message, record: JobRecord) -> None:
        """Send the dead letter of a job that is noted as dead, and delete its message."""
        burial = f"{record.name[-16:]}-{record.run}-{record.token}"
        notes = {"run": str(record.run), "format": message.attributes.get("format", ""), "reason": legal(record.reason),
                 "attempts": str(record.attempts)}
        if not has_room(message.body, self._sqs.max_bytes):  # no job is so large, and the record says why
            notes = {}
        self._sqs.send(message.body, group=record.name, deduplication=burial, dead=True, **notes)
        with suppress(LeaseLostError):  # visible again: it is buried once more when it comes
            self._sqs.delete(message)

    def bury_unreadable(self, message: Message, problem: str) -> None:
        """Give up a message that is no job, or that of a job which is not at its URL any more."""
        job = self._ledger.get(message.group_id)
        if job and (job.state in (SENDING, READY) or job.state == IN_FLIGHT and job.is_silent(time.time())):
            with suppress(Refused):  # a worker was faster
                log.error("%s: %s", job.name, problem)
                self.bury(message, job, problem)
            return
        record = JobRecord(name=f"foreign-{message.message_id}", state=DEAD, reason=problem, attempts=message.receives)
        with suppress(Refused):
            self._ledger.create(record)
        log.error("%s: %s", record.name, problem)
        self.bury_again(message, record)

    def record_all(self) -> None:
        """Note as dead what SQS gave up by itself, after more receipts than its policy permits."""
        with closing(self._sqs.letters(visibility_s=_LOOK_S)) as letters:
            for message in letters:
                self._note(message)

    def letter(self, name: str) -> Letter | None:
        """A dead letter with its job; None where there is none of this name."""
        with closing(self._sqs.letters(visibility_s=_LOOK_S)) as letters:
            for message in letters:
                record = self._note(message)
                if record and record.name == name:
                    job = decode(message)
                    return Letter(name, (record.reason,), record.attempts, message.body if isinstance(job, str) else job)
        record = self._ledger.get(name)
        if record and self._sqs.retention.has_expired(record, time.time()):  # only the record is left of it
            return Letter(name, (record.reason,), record.attempts, f"Its dead letter {self.gone}.")
        return None

    @property
    def gone(self) -> str:
        """What became of an old dead letter, and what to do."""
        return f"was thrown away by SQS after {self._sqs.retention.letters_text}: enqueue the job file again to run it"

    def redrive(self, names: Collection[str]) -> list[str]:
        """Put dead letters back, with no attempts counted; the names of those that were.

        Raises `ConfigError` where letters are no jobs, after putting back the others.
        """
        done, problems = [], []
        with closing(self._sqs.letters(visibility_s=_LOOK_S)) as letters:
            for message in letters:
                record = self._note(message) if message.group_id in names else None
                if record is None:
                    continue
                problem = decode(message)
                if isinstance(problem, str):
                    problems.append(f"{record.name}: {problem}.")
                elif self._put_back(message, record):
                    done.append(record.name)
                if len(done) + len(problems) == len(names):
                    break
        problems += [f"{name}: its dead letter {self.gone}." for name in names if name not in done and self._is_gone(name)]
        if problems:
            raise ConfigError("\n".join([*problems, "These stay with the dead letters: enqueue the job files afresh."]))
        return done

    def _put_back(self, message: Message, record: JobRecord) -> bool:
        with suppress(Refused):
            if record.state == DEAD:
                record = self._sending(record)
            self.send(record, message.body, message.attributes["format"])
            self._sqs.delete(message, dead=True)
            return True
        return False

    def _is_gone(self, name: str) -> bool:
        record = self._ledger.get(name)
        return record is not None and self._sqs.retention.has_expired(record, time.time())

    def _note(self, message: Message) -> JobRecord | None:
        """The record of a dead letter; None where its job lives again. A letter of an earlier run is deleted."""
        record = self._ledger.get(message.group_id)
        if record is None:  # the table was emptied or made anew
            record = JobRecord(name=message.group_id, state=DEAD, reason=message.attributes.get("reason") or _given_up(message),
                               attempts=_number(message, "attempts"), sent_at=time.time())
            with suppress(Refused):
                return self._ledger.create(record)
            return None
        if not message.attributes.get("reason") and record.state in PENDING:  # given up by SQS, not by a worker
            with suppress(Refused):
                return self._ledger.change(record.name, {"state": record.state, "token": record.token}, state=DEAD,
                                           reason=_given_up(message), progress="", sent_at=time.time())
            return None
        is_old = record.state == DONE or 0 < _number(message, "run") < record.run
        if is_old and record.state != SENDING:  # while it is being sent, the letter is the only message there is
            log.debug("%s: is %s, its old dead letter is deleted", record.name, record.state)
            with suppress(LeaseLostError):
                self._sqs.delete(message, dead=True)
            return None
        return record if record.state in (DEAD, SENDING) else None


def _number(message: Message, attribute: str) -> int:
    text = message.attributes.get(attribute, "")
    return int(text) if text.isdecimal() else 0  # an attribute of another program may have the name


def _given_up(message: Message) -> str:
    return f"SQS gave it up after {message.receives} receipts: its workers ended before they could say why"
