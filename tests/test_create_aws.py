"""scripts/create_aws.py: creates what is missing, corrects what differs, and a check changes nothing."""

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from aws_server import LocalAws

from nc_latent_tod.queues.sqs.queue import SqsQueue

SCRIPT = Path(__file__).resolve().parents[1] / "scripts" / "create_aws.py"
NAMES = ["--queue", "made.fifo", "--table", "made", "--bucket", "made"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., SimpleNamespace]:
    main = runpy.run_path(str(SCRIPT))["main"]

    def run(*arguments: str) -> SimpleNamespace:
        code = main([*arguments])
        out, err = capsys.readouterr()
        assert "local" not in out + err, "the key is never shown"
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return run


def test_everything_is_created_once_checked_and_repaired(aws: LocalAws, run) -> None:
    missing = run(*NAMES, "--check")
    assert (missing.returncode, missing.stdout, missing.stderr.count("missing")) == (3, "", 4)

    created = run(*NAMES)
    assert created.returncode == 0 and created.stderr.count("created") == 4
    again, checked = run(*NAMES), run(*NAMES, "--check")
    assert again.returncode == checked.returncode == 0
    assert "All is as it has to be" in again.stderr and again.stdout == created.stdout == checked.stdout

    url = aws.client("sqs").get_queue_url(QueueName="made.fifo")["QueueUrl"]
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    aws.client("s3").delete_public_access_block(Bucket="made")
    spoilt = run(*NAMES, "--check")
    assert spoilt.returncode == 3 and "MessageRetentionPeriod is 60" in spoilt.stderr and "public" in spoilt.stderr
    assert run(*NAMES).returncode == run(*NAMES, "--check").returncode == 0

    queue = SqsQueue("made.fifo")
    assert queue._ledger.table == "made", "the queue itself says where its records are"
    assert queue.put({"run_id": "r"}) and queue.receive(0) is not None


def test_the_policy_allows_what_workers_do_and_nothing_else(aws: LocalAws, run) -> None:
    policy = json.loads(run(*NAMES).stdout)

    actions = {action for statement in policy["Statement"] for action in statement["Action"]}
    resources = {resource for statement in policy["Statement"] for resource in statement["Resource"]}
    assert not any("*" in action for action in actions)
    assert {"sqs:ChangeMessageVisibility", "dynamodb:ConditionCheckItem", "s3:PutObject"} <= actions
    assert not actions & {"sqs:DeleteQueue", "sqs:PurgeQueue", "dynamodb:DeleteTable", "s3:DeleteBucket"}
    [deletes] = [statement for statement in policy["Statement"] if "dynamodb:DeleteItem" in statement["Action"]]
    assert deletes["Action"] == ["dynamodb:DeleteItem"], "of the queue's notes alone: no run, and no job's record"
    assert deletes["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"queue:{NAMES[1]}:*"]}}
    assert resources == {"arn:aws:sqs:eu-west-1:123456789012:made.fifo", "arn:aws:sqs:eu-west-1:123456789012:made-dead.fifo",
                         "arn:aws:dynamodb:eu-west-1:123456789012:table/made", "arn:aws:s3:::made", "arn:aws:s3:::made/*"}


def test_what_cannot_work_is_one_readable_error(aws: LocalAws, run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("--queue", "no-fifo").returncode == 2
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    no_region = run(*NAMES)
    assert no_region.returncode == 2 and "AWS_DEFAULT_REGION" in no_region.stderr


def test_a_local_server_can_be_named(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")

    command = [sys.executable, SCRIPT, "--queue", "named.fifo", "--table", "named", "--endpoint-url", aws.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("export NC_LATENT_TOD_QUEUE_PATH=named.fifo\n")
