"""Jobs that can never work and jobs that fail by chance, through the real worker, on folders and on SQS."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aws_server import LocalAws
from test_cli import call, folder, write_job, write_logs  # noqa: F401

from nc_latent_tod.api.connect import open_queue
from nc_latent_tod.queues import Queue
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.queues.sqs.queue import SqsQueue
from nc_latent_tod.worker.worker import JobControl, Worker, WorkSummary

Raw = Callable[[str], object]


@pytest.fixture(params=["folder", "sqs"])
def sections(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:  # noqa: F811
    """What a job file says of the place where it runs; the variable names its queue."""
    write_logs(folder / "logs.jsonl", 4)
    if request.param == "folder":
        return {}
    aws: LocalAws = request.getfixturevalue("aws")
    table, bucket = aws.table(), f"bucket-{uuid4().hex[:8]}"
    aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    monkeypatch.setenv("NC_LATENT_TOD_QUEUE_PATH", aws.queue(table=table))
    return {"manifest": {"type": "dynamo", "manifest_path": table, "group_id": "mine"},
            "output": {"labels_url": f"s3://{bucket}/mine"}}


@pytest.fixture
def put_raw(sections: dict[str, Any], request: pytest.FixtureRequest) -> Raw:
    """Puts any text where the queue's messages are, as another program would."""
    name = os.environ["NC_LATENT_TOD_QUEUE_PATH"]
    if not sections:
        return lambda body: Path(name, "ready", f"{uuid4().hex}.json").write_text(body)
    sqs = request.getfixturevalue("aws").client("sqs")
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    return lambda body: sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=uuid4().hex,
                                         MessageDeduplicationId=uuid4().hex)


def test_what_can_never_work_is_a_dead_letter_at_once_and_says_why(folder, sections, put_raw) -> None:  # noqa: F811
    data = json.loads(write_job(folder / "job.json").read_text())["data"]
    wrong: dict[str, dict[str, Any]] = {
        "split": {"data": {**data, "eval_set_split_name": "test_0_2"}},
        "corpus": {"data": {**data, "eval_set_path_or_name": "absent.jsonl"}},
        "schema": {"data": {**data, "schema_path": "absent.json"}},
        "model": {"dst": {"model": {"model_name_or_path": "/absent/model"}, "retriever": {"type": "none"}}}}
    for name, section in wrong.items():
        write_job(folder / "jobs" / f"{name}.json", **{**sections, **section})
    write_job(folder / "jobs" / "right.json", "train_2_4", **sections)
    call("enqueue", "jobs")
    queue = open_queue(os.environ["NC_LATENT_TOD_QUEUE_PATH"])
    queue.put({"run_id": "no-job", "bach": 1})
    put_raw("{not json")
    put_raw('{"task": "someone.else", "args": [1]}')

    worked = call("work", "--drain")

    assert worked.exit_code == 3 and "1 done, 0 retried" in worked.stdout, worked.stderr
    letters = queue.letters()
    shown = [call("dlq", "show", letter.name).stdout for letter in letters]
    assert len(letters) == 7 and max(letter.attempts for letter in letters) == 1, shown
    for words in ("no split 'test_0_2'", "absent.jsonl: no such file", "No schema at absent.json", "bach = 1: unknown key",
                  "'/absent/model' does not exist", "{not json", '"someone.else"'):
        assert sum(words in text for text in shown) == 1, f"{words} in {shown}"
    for text in shown:
        assert ("enqueue" in text) == ("{not json" in text or "someone.else" in text), text


@pytest.fixture(params=["folder", "sqs"])
def queue(request: pytest.FixtureRequest, tmp_path: Path) -> Queue:
    if request.param == "folder":
        return FolderQueue(tmp_path / "queue", lease_s=1.0, max_attempts=3, backoff_s=(0.0, 0.0))
    aws: LocalAws = request.getfixturevalue("aws")
    return SqsQueue(aws.queue(), table=aws.table(), lease_s=1.0, max_attempts=3, backoff_s=(1.0, 1.0))


@pytest.mark.parametrize("error", [ConnectionResetError("the network is away"), MemoryError()], ids=repr)
def test_a_job_that_fails_by_chance_is_done_in_the_next_attempt(queue: Queue, error: Exception) -> None:
    queue.put({"run_id": "train_0_50"})
    left = [error]

    def run(job: dict[str, Any], control: JobControl) -> None:
        if left:
            raise left.pop()

    summary = Worker(queue, run, lease_s=1.0, poll_s=0.05, drain=True).work()

    assert summary == WorkSummary(done=1, retried=1)
    assert (queue.status().done, queue.status().dead) == (1, ())
