"""The DynamoDB manifest where it differs from a folder: pages, throttling, lost answers, numbers, fences."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aws_server import LocalAws
from scripted_http import Answer, ScriptedServer, refusal

from nc_latent_tod.errors import ConfigError, DamagedError, LeaseLostError, RetryableError
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.dynamo import DynamoManifest, _encode
from nc_latent_tod.system.aws import Fence


def entry(run_id: str = "job_0", **values: object) -> ManifestEntry:
    return ManifestEntry("g", run_id, 7, "s3://b/labels.jsonl.gz", "train_0_50", **values)


@pytest.fixture
def manifest(aws: LocalAws) -> DynamoManifest:
    return DynamoManifest(aws.table())


@pytest.fixture
def scripted(aws: LocalAws, monkeypatch: pytest.MonkeyPatch):
    """A manifest on a server that gives these answers; waits between two attempts take no time."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)

    @contextmanager
    def serve(*answers: Answer) -> Iterator[tuple[DynamoManifest, ScriptedServer]]:
        with ScriptedServer(*answers) as server:
            monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
            yield DynamoManifest("t"), server

    return serve


def test_a_missing_table_is_no_empty_group(aws: LocalAws) -> None:
    for act in (lambda m: m.entries("g"), lambda m: m.add(entry()), lambda m: m.check(), lambda m: m.groups()):
        with pytest.raises(ConfigError, match=r"absent.*create_aws"):
            act(DynamoManifest("absent"))


def test_a_table_with_other_keys_is_refused(aws: LocalAws) -> None:
    aws.client("dynamodb").create_table(
        TableName="other-keys", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}])

    with pytest.raises(ConfigError, match="group_id"):
        DynamoManifest("other-keys").check()


def test_what_made_the_labels_is_stored_compressed_and_read_as_it_was(manifest: DynamoManifest) -> None:
    made_by = json.dumps({"job": {f"option_{number}": number for number in range(100)}, "model": "ü"}, ensure_ascii=False)

    manifest.add(entry(made_by=made_by))

    assert manifest.entries("g") == [entry(made_by=made_by)]
    assert len(_encode(entry(made_by=made_by))["made_by"]["B"]) < len(made_by) / 3


def test_a_group_of_several_pages_is_read_whole(manifest: DynamoManifest) -> None:
    runs = [f"run_{number}" for number in range(6)]
    for run in runs:
        manifest.add(entry(run, labels_url="s3://" + "x" * 300_000))

    assert [found.run_id for found in manifest.entries("g")] == runs


def test_an_empty_page_is_not_the_end(scripted) -> None:
    keys = [{"group_id": {"S": "g"}, "run_id": {"S": run}} for run in "ab"]
    empty = [(200, {"Items": [], "Count": 0, "LastEvaluatedKey": key}) for key in keys]
    with scripted(*empty, (200, {"Items": [_encode(entry())]})) as (manifest, server):
        assert manifest.entries("g") == [entry()]
    assert all(request["ConsistentRead"] for request in server.requests)


@pytest.mark.parametrize("fault", [refusal("ProvisionedThroughputExceededException"), refusal("ThrottlingException"),
                                   refusal("InternalServerError", 500), None])
def test_a_fault_that_passes_is_waited_out(scripted, fault: Answer) -> None:
    with scripted(fault, fault, (200, {"Items": [_encode(entry())]})) as (manifest, server):
        assert manifest.entries("g") == [entry()]
    assert len(server.requests) == 3


@pytest.mark.parametrize(("fault", "error"), [
    (refusal("ProvisionedThroughputExceededException"), RetryableError), (refusal("InternalServerError", 500), RetryableError),
    (None, RetryableError), (refusal("ExpiredTokenException"), RetryableError),
    (refusal("InvalidSignatureException", message="Signature expired: 20240101T000000Z is now earlier than"), RetryableError),
    (refusal("InvalidSignatureException", message="Signature not yet current: 20240101T030000Z is later"), RetryableError),
    (refusal("AccessDeniedException"), RetryableError), (refusal("ValidationException"), ConfigError),
    (refusal("ResourceNotFoundException"), ConfigError),
])
def test_a_fault_that_stays_is_raised_and_never_an_empty_group(scripted, fault: Answer, error: type[Exception]) -> None:
    with scripted(fault) as (manifest, _):
        with pytest.raises(error):
            manifest.entries("g")
        with pytest.raises(error):
            manifest.add(entry())


def test_a_write_whose_answer_was_lost_is_a_write(scripted) -> None:
    stored = (200, {"Item": _encode(entry(labels_url="s3://b/job_0-1a2b3c4d"))})
    failed = refusal("ConditionalCheckFailedException")
    with scripted(None, failed, stored) as (manifest, _):
        assert manifest.add(entry(labels_url="s3://b/job_0-1a2b3c4d"))
    with scripted(failed, stored) as (manifest, _):
        assert not manifest.add(entry(labels_url="s3://b/job_0-99999999"))


@pytest.mark.parametrize(("tokens", "seconds"), [(0, 0.0), (10**37 + 1, 0.1 + 0.2), (2**63, 1e-100), (123_456_789, 1 / 3)])
def test_numbers_come_back_without_loss(manifest: DynamoManifest, tokens: int, seconds: float) -> None:
    manifest.add(entry(tokens=tokens, seconds=seconds))

    [found] = manifest.entries("g")

    assert (found.tokens, found.seconds) == (tokens, seconds)
    assert (type(found.tokens), type(found.seconds)) == (int, float)


def test_numbers_that_are_none_are_refused(manifest: DynamoManifest) -> None:
    for seconds in (float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="seconds"):
            manifest.add(entry(seconds=seconds))


def test_thousands_of_seeding_runs_fit_into_an_item(manifest: DynamoManifest) -> None:
    seeds = tuple(f"train_{50 * number}_{50 * number + 50}-{number * 2654435761 % 2**32:08x}" for number in range(15_000))

    manifest.add(entry(seed_run_ids=seeds))

    assert manifest.entries("g")[0].seed_run_ids == seeds


def test_an_item_that_is_too_large_is_refused_unsent(scripted) -> None:
    with scripted((200, {})) as (manifest, server), pytest.raises(ConfigError, match="409600"):
        manifest.add(entry(labels_url="x" * 410_000))
    assert server.requests == []


@pytest.mark.parametrize(("attribute", "value"), [
    ("owner", {"S": "someone"}), ("num_logs", {"S": "7"}), ("num_logs", {"N": "7.5"}), ("labels_url", {"NULL": True}),
    ("seed_run_ids", {"B": b"not zlib"})])
def test_an_item_of_other_make_is_damage(manifest: DynamoManifest, aws: LocalAws, attribute: str, value: dict) -> None:
    aws.client("dynamodb").put_item(TableName=manifest.table, Item={**_encode(entry()), attribute: value})

    with pytest.raises(DamagedError, match=attribute):
        manifest.entries("g")


def test_an_item_of_the_original_five_attributes_is_an_entry(manifest: DynamoManifest, aws: LocalAws) -> None:
    five = dict(list(_encode(entry()).items())[:5])
    aws.client("dynamodb").put_item(TableName=manifest.table, Item=five)

    assert manifest.entries("g") == [entry()]


def test_only_the_newest_holder_of_a_job_adds_its_entry(manifest: DynamoManifest, aws: LocalAws) -> None:
    record = ("queue:jobs.fifo", "train_0_50-0123456789abcdef")
    aws.client("dynamodb").put_item(TableName=manifest.table, Item={
        "group_id": {"S": record[0]}, "run_id": {"S": record[1]}, "token": {"N": "8"}})
    stale, newest = (DynamoManifest(manifest.table, fence=Fence(manifest.table, record, token)) for token in (7, 8))

    with pytest.raises(LeaseLostError, match="token 7"):
        stale.add(entry(num_failures=1))
    assert manifest.entries("g") == []
    assert newest.add(entry(num_failures=2))
    assert not newest.add(entry(num_failures=3))

    assert manifest.entries("g") == [entry(num_failures=2)]
    assert manifest.groups() == ["g"], "records of a queue are no group"


def test_a_conflict_between_two_writers_is_tried_again(scripted) -> None:
    conflict = refusal("TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}, {"Code": "None"}])
    with scripted(conflict, conflict, (200, {})) as (manifest, server):
        assert DynamoManifest("t", fence=Fence("t", ("queue:q", "job"), 1)).add(entry())
    assert len(server.requests) == 3
    with scripted(conflict) as (manifest, server), pytest.raises(RetryableError, match="conflicts"):
        DynamoManifest("t", fence=Fence("t", ("queue:q", "job"), 1)).add(entry())


def test_a_group_may_not_take_the_name_of_a_queue(manifest: DynamoManifest) -> None:
    with pytest.raises(ConfigError, match="queue:"):
        manifest.entries("queue:jobs.fifo")


def test_without_region_or_credentials_the_error_says_so(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(ConfigError, match="AWS_DEFAULT_REGION"):
        DynamoManifest("t").entries("g")
