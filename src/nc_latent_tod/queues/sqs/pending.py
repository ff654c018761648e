"""Whether any job of an SQS queue is pending, without reading all of its records at every look."""

from __future__ import annotations

import time
from collections.abc import Iterator

from nc_latent_tod.queues.sqs.ledger import PENDING, JobLedger, JobRecord
from nc_latent_tod.queues.sqs.retention import Retention


class PendingJobs:
    """Remembers a pending job. While it stays pending a look is one read of its record; then the look goes on behind it.

    That no job is pending is said only after all records were seen in one look, so somebody who waits for the end of a queue
    reads the whole of it about twice. Not thread-safe.
    """

    def __init__(self, ledger: JobLedger, retention: Retention) -> None:
        self._ledger, self._retention = ledger, retention
        self._name = ""  # of the job that was found last

    def any(self) -> bool:
        """Whether some job is pending; those whose messages SQS threw away are not, for they wait for nobody."""
        now = time.time()
        for record in self._candidates():
            if record.state in PENDING and not self._retention.has_expired(record, now):
                self._name = record.name
                return True
        return False

    def _candidates(self) -> Iterator[JobRecord]:
        last = self._name
        if last and (record := self._ledger.get(last)):
            yield record
        yield from self._ledger.pending(after=last)
        if last:
            yield from self._ledger.pending(until=last)
