"""Records of the jobs of an SQS queue, in a DynamoDB table: what SQS itself does not tell or keep.

One item a job, in the partition `queue:<queue name>` of a manifest table: its state, its attempts, who holds it, and a
fencing token that every new holder raises. SQS decides who gets a job; the record makes the decision effective, for a holder
whose token is no longer the newest can change nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any
from uuid import uuid4

from nc_latent_tod.errors import RetryableError
from nc_latent_tod.system import aws
from nc_latent_tod.system.aws import Fence

SENDING, READY, IN_FLIGHT, DONE, DEAD = "sending", "ready", "in_flight", "done", "dead"
PENDING = frozenset({SENDING, READY, IN_FLIGHT})

_BEATS_MISSED = 2  # leases without a heartbeat
_FIRST_PAGE, _LONGEST_PAGE = 16, 4096  # records; DynamoDB ends a page at 1 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What is known of a job. Times are seconds since 1970 by the clocks of several machines: no decision may rest on them
    that a token does not make harmless."""

    name: str
    state: str = SENDING
    run: int = 1  # raised when the job is put again on purpose: part of the deduplication id
    token: int = 0  # raised by every new holder, never lowered
    attempts: int = 0  # begun in this run
    message_id: str = ""  # of the message that was taken last
    group: str = ""  # that the job names; "" where no `put` noted it
    sent_at: float = 0.0  # the newest message or dead letter; 0 where nobody noted it
    worker: str = ""
    taken_at: float = 0.0
    beat_at: float = 0.0
    lease_s: float = 0.0
    progress: str = ""
    reason: str = ""  # the last error
    waits_until: float = 0.0  # before the next attempt; 0 where the last one did not fail
    change: str = ""  # unique to the last change

    def is_silent(self, now: float) -> bool:
        """Whether the holder has missed so many heartbeats that it does not count as alive."""
        return now - self.beat_at >= _BEATS_MISSED * self.lease_s


class Refused(Exception):
    """A change whose condition does not hold. `record` is what is stored, or None."""

    def __init__(self, record: JobRecord | None) -> None:
        super().__init__(record)
        self.record = record


class JobLedger:
    """The records of one queue. Safe for many processes and threads. Failures raise as `aws.clear_errors` says."""

    def __init__(self, table: str, queue_name: str, *, region: str | None = None) -> None:
        self.table, self._partition, self._region = table, f"queue:{queue_name}", region

    def fence(self, record: JobRecord) -> Fence:
        """Proof of being the holder that raised the token to `record.token`."""
        return Fence(self.table, (self._partition, record.name), record.token)

    def create(self, record: JobRecord) -> JobRecord:
        """Store a first record. Raises `Refused` where the job has one."""
        return self._write(record.name, {name: value for name, value in _values(record).items() if name != "name"},
                           condition="attribute_not_exists(run_id)", where={})

    def change(self, name: str, where: Mapping[str, Any], **values: Any) -> JobRecord:
        """Set `values` where the stored record has the values of `where`. Raises `Refused` where it has not."""
        condition = " AND ".join(f"#{attribute} = :was_{attribute}" for attribute in where)
        return self._write(name, values, condition=condition, where=where)

    def get(self, name: str) -> JobRecord | None:
        """The record of a job; None where it has none."""
        with aws.clear_errors(f"read the record of {name} in the table {self.table}"):
            item = self._client.get_item(TableName=self.table, Key=self._key(name), ConsistentRead=True).get("Item")
        return _record(item) if item else None

    def not_done(self) -> tuple[list[JobRecord], int]:
        """The records of all jobs but those that are done, by name, and the number of those that are."""
        found: list[JobRecord] = []
        read = 0
        for page in self._pages("", {":done": {"S": DONE}}, first_page=_LONGEST_PAGE, FilterExpression="#state <> :done",
                                ExpressionAttributeNames={"#state": "state"}):
            found += map(_record, page["Items"])
            read += page["ScannedCount"]  # before the filter
        return found, read - len(found)

    def pending(self, *, after: str = "", until: str = "") -> Iterator[JobRecord]:
        """Records of jobs that are not settled, by name: all, those behind `after`, or those up to `until`.

        Few records are read at first, and more with each page, so the first of them costs little where it comes early.
        """
        values = {f":{state}": {"S": state} for state in sorted(PENDING)}
        where = {"FilterExpression": f"#state IN ({', '.join(values)})", "ExpressionAttributeNames": {"#state": "state"}}
        key = f" AND run_id {'>' if after else '<='} :name" if after or until else ""
        if key:
            values[":name"] = {"S": after or until}
        for page in self._pages(key, values, first_page=_FIRST_PAGE, **where):
            yield from map(_record, page["Items"])

    def _pages(self, key: str, values: Mapping[str, Any], *, first_page: int, **where: Any) -> Iterator[dict[str, Any]]:
        request = {"TableName": self.table, "ConsistentRead": True, "KeyConditionExpression": f"group_id = :partition{key}",
                   "ExpressionAttributeValues": {":partition": {"S": self._partition}, **values}, **where}
        size = first_page
        while True:
            with aws.clear_errors(f"read the records of {self._partition} in the table {self.table}"):
                page = self._client.query(Limit=size, **request)
            yield page
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
            size = min(4 * size, _LONGEST_PAGE)

    @cached_property
    def _client(self) -> Any:
        return aws.client("dynamodb", region=self._region)

    def _key(self, name: str) -> dict[str, Any]:
        return {"group_id": {"S": self._partition}, "run_id": {"S": name}}

    def _write(self, name: str, values: Mapping[str, Any], *, condition: str, where: Mapping[str, Any]) -> JobRecord:
        values = {**values, "change": uuid4().hex}
        arguments: dict[str, Any] = {
            "UpdateExpression": "SET " + ", ".join(f"#{key} = :{key}" for key in values),
            "ExpressionAttributeNames": {f"#{key}": key for key in {**values, **where}},
            "ExpressionAttributeValues": {**{f":{key}": _attribute(value) for key, value in values.items()},
                                          **{f":was_{key}": _attribute(value) for key, value in where.items()}}}
        with aws.clear_errors(f"write the record of {name} in the table {self.table}"):
            try:
                answer = self._client.update_item(
                    TableName=self.table, Key=self._key(name), ConditionExpression=condition, ReturnValues="ALL_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD", **arguments)
            except self._client.exceptions.ConditionalCheckFailedException as error:
                stored = _record(error.response["Item"]) if error.response.get("Item") else None
                if stored and stored.change == values["change"]:
                    return stored  # our own write: its answer was lost on the way, and boto3 sent it again
                raise Refused(stored) from error
        return _record(answer["Attributes"])


def _values(record: JobRecord) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(JobRecord)}


def _attribute(value: str | float) -> dict[str, str]:
    if isinstance(value, str):
        return {"S": value.encode("utf-8", "backslashreplace").decode()}  # a lone surrogate of a model's text
    return {"N": repr(value)}


def _record(item: Mapping[str, Any]) -> JobRecord:
    kinds = {"str": str, "int": int, "float": float}
    values: dict[str, Any] = {"name": item["run_id"]["S"]}
    try:
        for field in fields(JobRecord)[1:]:
            if field.name in item:
                [raw] = item[field.name].values()
                values[field.name] = kinds[str(field.type)](raw)
    except (ValueError, TypeError) as error:
        raise RetryableError(f"The record of {values['name']} is damaged ({error}). Delete it, then enqueue again.") from error
    return JobRecord(**values)
