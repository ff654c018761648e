"""Messages that SQS throws away by their age, as far as the records of their jobs tell."""

from __future__ import annotations

from dataclasses import dataclass

from nc_latent_tod.queues.sqs.ledger import DEAD, IN_FLIGHT, READY, JobRecord

_MARGIN_S = 3600.0  # clocks differ, and SQS may keep a message somewhat longer
_LAST_HOURS_S = 12 * 3600.0  # of a message: as long as a worker may hold it


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a queue keeps its messages, and its dead-letter queue the dead letters. All times in seconds."""

    jobs_s: float
    letters_s: float

    def has_expired(self, record: JobRecord, now: float) -> bool:
        """Whether nobody will ever receive the job: nobody holds it, and its message or dead letter must be gone.

        A job whose record does not say when it was sent (one of an earlier version) counts as there.
        """
        if not record.sent_at or not (record.state in (READY, DEAD) or record.state == IN_FLIGHT and record.is_silent(now)):
            return False
        return now > record.sent_at + (self.letters_s if record.state == DEAD else self.jobs_s) + _MARGIN_S

    def ends_soon(self, record: JobRecord, now: float) -> bool:
        """Whether the message of a pending job may be thrown away while a worker holds it."""
        last_s = min(_LAST_HOURS_S, self.jobs_s / 10)
        return bool(record.sent_at) and now > record.sent_at + self.jobs_s - last_s

    @property
    def letters_text(self) -> str:
        """`14 days`, the time that dead letters are kept, for messages."""
        return f"{self.letters_s / 86400:.3g} days"
