"""A manifest that is a DynamoDB table: partition key `group_id`, sort key `run_id`, one item an entry."""

from __future__ import annotations

import json
import math
import random
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from decimal import Decimal
from functools import cached_property
from typing import Any

from nc_latent_tod.errors import ConfigError, DamagedError, LeaseLostError, RetryableError
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.system import aws
from nc_latent_tod.system.aws import Fence

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
_MAX_ITEM_BYTES = 400 * 1024
_MAX_KEY_BYTES = {"group_id": 2048, "run_id": 1024}
_RESERVED = "queue:"  # partitions of the table that hold the records of a queue
_LONG_LIST_BYTES = 16 * 1024  # a longer list of runs is stored compressed
_COMPRESSED = frozenset({"made_by"})  # 2 kB of options, of which an item is written and read by the kB
_VERSION = ("run_id", "labels_url", "finished_at")  # tell an entry from another that was added after its removal
_GET_UP_TO = 50  # new entries of a group one by one; more of them with the whole group
_CONFLICT_ATTEMPTS, _CONFLICT_PAUSE_S = 8, 0.05  # two transactions that touch one item at once; the pause doubles

_Version = tuple[str, ...]


class DynamoManifest:
    """A manifest in a table. Safe for many processes and threads: conditional writes, consistent reads.

    With `fence`, an entry is added only while the fence's token is the newest. Throttling is waited out; every other failure
    raises. An entry never changes, so one object reads it once: keep it for as long as groups are listed again and again.
    """

    def __init__(self, table: str, *, fence: Fence | None = None, region: str | None = None) -> None:
        """Name the table. No request is made, so a table that is not there shows with the first one."""
        self.table, self._fence, self._region = table, fence, region
        self._read_before: dict[str, dict[_Version, ManifestEntry]] = {}  # by group

    def fenced(self, fence: Fence | None) -> DynamoManifest:
        """The same manifest in the hands of one job's holder; what one has read, the other knows."""
        if fence is None:
            return self
        other = DynamoManifest(self.table, fence=fence, region=self._region)
        other._client, other._read_before = self._client, self._read_before
        return other

    def __reduce__(self) -> tuple[Any, ...]:  # a client belongs to one process
        return _opened, (self.table, self._fence, self._region)

    def check(self) -> None:
        """Raise `ConfigError` where the table is not there, or has other keys."""
        with aws.clear_errors(f"describe the table {self.table}", opening=True):
            schema = self._client.describe_table(TableName=self.table)["Table"]["KeySchema"]
        keys = {key["KeyType"]: key["AttributeName"] for key in schema}
        if keys != {"HASH": "group_id", "RANGE": "run_id"}:
            raise ConfigError(f"The table {self.table} has the keys {keys}: it needs the partition key group_id and the sort "
                              "key run_id. Create another with scripts/create_aws.py.")

    def add(self, entry: ManifestEntry) -> bool:
        """Add an entry; False where (group_id, run_id) is already there: the first writer wins.

        Raises `LeaseLostError` where the fence's token is not the newest, `DamagedError` where the entry that is there is
        unreadable, `ConfigError` where the entry is too large, `RetryableError` where DynamoDB cannot be reached.
        """
        item = _encode(entry)
        put = {"TableName": self.table, "Item": item, "ConditionExpression": "attribute_not_exists(run_id)"}
        with aws.clear_errors(f"add {entry.run_id} to the table {self.table}"):
            is_added = self._add_fenced(put, self._fence) if self._fence else self._add(put)
            if is_added:
                return True
        stored = self.entry(entry.group_id, entry.run_id)
        if stored is None:
            raise RetryableError(f"The entry of run {entry.run_id!r} was removed while it was added. Try again.")
        # Equal to the last letter, the URL of this attempt included: the answer to our own write was lost on its way.
        return stored == entry

    def entry(self, group_id: str, run_id: str) -> ManifestEntry | None:
        """The entry of one run; None where there is none. Raises as `entries` does."""
        key = {"group_id": group_id, "run_id": run_id}
        for name, value in key.items():
            _check_key(name, value)
        with aws.clear_errors(f"read {run_id} in the table {self.table}"):
            item = self._client.get_item(TableName=self.table, Key={name: {"S": value} for name, value in key.items()},
                                         ConsistentRead=True).get("Item")
        return _decode(item, self.table) if item else None

    def entries(self, group_id: str) -> list[ManifestEntry]:
        """Entries of a group ordered by run_id; [] for an unknown group.

        Raises `DamagedError` on an unreadable entry, `ConfigError` without the table, `RetryableError` without a network.
        """
        _check_key("group_id", group_id)
        before = self._read_before.get(group_id, {})
        found = self._with_new(group_id, before) if before else None
        if found is None:
            found = {_version(item): _decode(item, self.table) for item in self._items(group_id)}
        self._read_before[group_id] = found
        return sorted(found.values(), key=lambda entry: entry.run_id)  # DynamoDB orders by bytes

    def groups(self) -> list[str]:
        """The groups that have entries. Reads the keys of the whole table."""
        pages = self._client.get_paginator("scan").paginate(TableName=self.table, ProjectionExpression="group_id",
                                                            ConsistentRead=True)
        with aws.clear_errors(f"read the table {self.table}"):
            names = {item["group_id"]["S"] for page in pages for item in page["Items"]}
        return sorted(name for name in names if not name.startswith(_RESERVED))

    def leftovers(self) -> list[str]:
        """None: an item is written whole."""
        return []

    @cached_property
    def _client(self) -> Any:
        return aws.client("dynamodb", region=self._region)

    def _with_new(self, group_id: str, before: Mapping[_Version, ManifestEntry]) -> dict[_Version, ManifestEntry] | None:
        """The entries of a group, of which only the new ones are fetched; None where they are too many for that."""
        there = {_version(item): item["run_id"]["S"] for item in self._items(group_id, _VERSION)}
        new = {version: run_id for version, run_id in there.items() if version not in before}
        if len(new) > _GET_UP_TO:
            return None
        fetched = {version: self.entry(group_id, run_id) for version, run_id in new.items()}
        found = {version: before.get(version) or fetched[version] for version in there}
        return {version: entry for version, entry in found.items() if entry}  # one may have been removed meanwhile

    def _items(self, group_id: str, attributes: tuple[str, ...] = ()) -> Iterator[dict[str, Any]]:
        # The paginator goes on while there is a LastEvaluatedKey, also after an empty page.
        pages = self._client.get_paginator("query").paginate(
            TableName=self.table, ConsistentRead=True, KeyConditionExpression="group_id = :group",
            ExpressionAttributeValues={":group": {"S": group_id}},
            **({"ProjectionExpression": ", ".join(attributes)} if attributes else {}))
        with aws.clear_errors(f"read the group {group_id!r} in the table {self.table}"):
            for page in pages:
                yield from page["Items"]

    def _add(self, put: dict[str, Any]) -> bool:
        try:
            self._client.put_item(**put)
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def _add_fenced(self, put: dict[str, Any], fence: Fence) -> bool:
        check = {"TableName": fence.table, "Key": dict(zip(_MAX_KEY_BYTES, ({"S": part} for part in fence.key), strict=True)),
                 "ConditionExpression": "#token = :token", "ExpressionAttributeNames": {"#token": "token"},
                 "ExpressionAttributeValues": {":token": {"N": str(fence.token)}}}
        for attempt in range(_CONFLICT_ATTEMPTS):
            try:
                self._client.transact_write_items(TransactItems=[{"ConditionCheck": check}, {"Put": put}])
                return True
            except self._client.exceptions.TransactionCanceledException as error:
                of_fence, of_entry = (reason.get("Code") for reason in error.response["CancellationReasons"])
                if of_entry == "ConditionalCheckFailed":
                    return False
                if of_fence == "ConditionalCheckFailed":
                    raise LeaseLostError(f"{put['Item']['run_id']['S']}: another worker holds the job now (token {fence.token} "
                                         "is not the newest). Nothing was written.") from error
                if not {of_fence, of_entry} <= {"None", "TransactionConflict", "ThrottlingError",
                                               "ProvisionedThroughputExceeded"}:
                    raise
            time.sleep(random.uniform(0.5, 1.0) * _CONFLICT_PAUSE_S * 2**attempt)
        raise RetryableError(f"The table {self.table} refused an entry {_CONFLICT_ATTEMPTS} times for conflicts. Try again.")


def _opened(table: str, fence: Fence | None, region: str | None) -> DynamoManifest:
    return DynamoManifest(table, fence=fence, region=region)


def _version(item: Mapping[str, Any]) -> _Version:
    return tuple(str(item.get(name)) for name in _VERSION)


def _check_key(name: str, value: str) -> None:
    if not value:
        raise ConfigError(f"A manifest entry has an empty {name}. Name one in the job file.")
    if name == "group_id" and value.startswith(_RESERVED):
        raise ConfigError(f"group_id = {value!r}: names that begin with {_RESERVED!r} belong to queues. Choose another.")
    if len(value.encode("utf-8", "surrogatepass")) > _MAX_KEY_BYTES[name]:
        raise ConfigError(f"{name} = {value[:40]!r}...: longer than {_MAX_KEY_BYTES[name]} bytes. Shorten it.")


def _encode(entry: ManifestEntry) -> dict[str, Any]:
    """An entry as DynamoDB's typed attributes. Raises `ConfigError` where it cannot be stored."""
    for name in _MAX_KEY_BYTES:
        _check_key(name, getattr(entry, name))
    item = {name: _attribute(name, value) for name, value in entry.stored().items()}
    size = sum(len(name) + len(json.dumps(value, default=lambda raw: "-" * len(raw))) for name, value in item.items())
    if size > _MAX_ITEM_BYTES:
        raise ConfigError(f"The entry of run {entry.run_id!r} has about {size} bytes; DynamoDB takes {_MAX_ITEM_BYTES}. It was "
                          f"seeded by {len(entry.seed_run_ids)} runs: seed it from a smaller group.")
    return item


def _attribute(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"B": zlib.compress(value.encode(), 9)} if value and name in _COMPRESSED else {"S": value}
    if isinstance(value, int | float):
        if isinstance(value, bool) or not math.isfinite(value):
            raise ConfigError(f"{name} = {value!r}: not a number that a manifest can hold.")
        return {"N": repr(value)}  # the shortest decimal that reads back as the same number
    parts = [{"S": part} for part in value]
    text = json.dumps(list(value))
    return {"L": parts} if len(text) <= _LONG_LIST_BYTES else {"B": zlib.compress(text.encode(), 9)}


def _decode(item: dict[str, Any], table: str) -> ManifestEntry:
    """Read an item, strictly. Raises `DamagedError`."""
    where = f"The item {item['run_id'].get('S')!r} of group {item['group_id'].get('S')!r} in the table {table}"
    known = {field.name: field for field in fields(ManifestEntry)}
    if unknown := sorted(set(item).difference(known)):
        raise DamagedError(f"{where} is no manifest entry: unknown attribute {unknown[0]!r}. Move it to another table.")
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name in item:
            try:
                values[name] = _value(item[name], str(field.type))
            except (ValueError, ArithmeticError, KeyError, TypeError, zlib.error) as error:
                raise DamagedError(f"{where} is damaged: {name} = {item[name]!r} must be of type {field.type}.") from error
        elif field.default is MISSING and field.default_factory is MISSING:
            raise DamagedError(f"{where} is damaged: it lacks {name}. Correct or delete it.")
    return ManifestEntry(**values)


def _value(attribute: dict[str, Any], kind: str) -> Any:
    [(tag, raw)] = attribute.items()
    if kind == "str":
        return zlib.decompress(raw).decode() if tag == "B" else {"S": str}[tag](raw)
    if kind == "tuple[str, ...]":
        parts = [part["S"] for part in raw] if tag == "L" else json.loads(zlib.decompress({"B": bytes}[tag](raw)))
        return tuple(map(sys.intern, parts))  # a run is named by many
    number = {"N": Decimal}[tag](raw)
    if kind == "int" and number != number.to_integral_value():
        raise ValueError(raw)
    return {"int": int, "float": float}[kind](number)
