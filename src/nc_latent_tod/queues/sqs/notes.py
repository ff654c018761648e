"""Notes beside an SQS queue: items of the table that holds its records, in the partitions `queue:<queue name>:<kind>`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from nc_latent_tod.system import aws


class LedgerNotes:
    """Notes in a table. A write is one request, and so is reading all notes of a kind up to 1 MB."""

    beat_s = 10.0  # a thousand workers must not wear out one partition of the table

    def __init__(self, table: str, queue_name: str, *, region: str | None = None) -> None:
        self._table, self._queue, self._region = table, queue_name, region

    def write(self, kind: str, name: str, values: Mapping[str, Any], *, durable: bool = False) -> None:
        """Replace the item of a note; it is durable in any case."""
        with aws.clear_errors(f"write the note {name} to the table {self._table}"):
            text = json.dumps(values, separators=(",", ":"))  # a worker's stays below 1 KB: a write costs a unit for each
            self._client.put_item(TableName=self._table, Item={**self._key(kind, name), "values": {"S": text}})

    def read(self, kind: str) -> dict[str, dict[str, Any]]:
        """Read the items of a kind, consistently."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table, ConsistentRead=True, KeyConditionExpression="group_id = :partition",
            ExpressionAttributeValues={":partition": {"S": self._partition(kind)}})
        found = {}
        with aws.clear_errors(f"read the notes {self._partition(kind)} in the table {self._table}"):
            for item in (item for page in pages for item in page["Items"]):
                try:
                    found[item["run_id"]["S"]] = dict(json.loads(item["values"]["S"]))
                except (KeyError, ValueError, TypeError):  # an item of somebody else
                    continue
        return found

    def remove(self, kind: str, name: str) -> None:
        """Delete the item of a note."""
        with aws.clear_errors(f"remove the note {name} from the table {self._table}"):
            self._client.delete_item(TableName=self._table, Key=self._key(kind, name))

    @cached_property
    def _client(self) -> Any:
        return aws.client("dynamodb", region=self._region)

    def _partition(self, kind: str) -> str:
        return f"queue:{self._queue}:{kind}"

    def _key(self, kind: str, name: str) -> dict[str, Any]:
        return {"group_id": {"S": self._partition(kind)}, "run_id": {"S": name}}
