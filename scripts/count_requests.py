"""Count what labelling on AWS asks of it: requests by operation, messages, objects and bytes.

    scripts/local_aws .venv/bin/python scripts/count_requests.py --jobs 6 --dialogues 50

Enqueues that many jobs of simulated dialogues, labels them with one worker, without a language model, and publishes. A real
model makes labels larger by the texts of its candidates; requests are the same but for heartbeats and progress, which come
by the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.client import BaseClient
from create_aws import main as create_aws

from nc_latent_tod.cli import app
from nc_latent_tod.queues.sqs.ledger import DONE, READY, JobLedger, JobRecord
from nc_latent_tod.queues.sqs.queue import SqsQueue

_send = BaseClient._make_api_call
counts: Counter[str] = Counter()


def counted(client: Any, operation: str, arguments: Any) -> Any:
    """Every call of every boto3 client, and what queries read."""
    counts[f"{client.meta.service_model.service_name} {operation}"] += 1
    answer = _send(client, operation, arguments)
    counts["records that queries read"] += answer.get("ScannedCount", 0)
    return answer


@contextmanager
def phase(name: str, jobs: int) -> Iterator[None]:
    """Print the requests of what runs within it, all of them and by job (or look)."""
    counts.clear()
    began = time.monotonic()
    yield
    print(f"\n{name}: {time.monotonic() - began:.1f} s")
    for operation, count in sorted(counts.items()):
        print(f"  {operation:34} {count:6}   {count / jobs:8.2f} each")


def call(*arguments: object) -> None:
    app([str(argument) for argument in arguments], standalone_mode=False)


def item_bytes(items: list[dict[str, Any]]) -> list[float]:
    """Mean size of the items of a queue, and of those of a manifest: of names and values, almost as DynamoDB counts them."""
    kinds = [[item for item in items if item["group_id"]["S"].startswith("queue:") is of_queue] for of_queue in (True, False)]
    return [sum(len(name) + sum(len(value if isinstance(value, str | bytes) else json.dumps(value)) for value in typed.values())
                for item in kind for name, typed in item.items()) / max(1, len(kind)) for kind in kinds]


def look(queue: str, table: str, jobs: int) -> None:
    """What a worker with --drain asks while another one holds the last job, and when that is done."""
    ledger = JobLedger(table, queue)
    for number in range(jobs - 1):
        ledger.create(JobRecord(name=f"train_{number:06}-0123456789abcdef", state=DONE, worker="host:12345"))
    left = ledger.create(JobRecord(name=f"train_{jobs // 2:06}-left", state=READY, worker="host:12345"))
    opened = SqsQueue(queue)
    BaseClient._make_api_call = counted
    with phase("ten looks, one job is left", 10):
        assert not any(opened.drained() for _ in range(10))
    ledger.change(left.name, {"token": 0}, state=DONE)
    with phase("a look, all jobs are done", 1):
        assert opened.drained()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--dialogues", type=int, default=50, help="of each job")
    parser.add_argument("--looks-at", type=int, metavar="JOBS", help="only look ten times whether a queue of so many jobs is "
                                                                     "drained, all but one of them done")
    parser.add_argument("--model-type", default="none", help="none labels by proposals")
    options = parser.parse_args()
    os.chdir(tempfile.mkdtemp())
    bucket, queue, table = (f"count-{uuid4().hex[:8]}{end}" for end in ("", ".fifo", ""))
    create_aws(["--bucket", bucket, "--queue", queue, "--table", table])
    os.environ["NC_LATENT_TOD_QUEUE_PATH"] = queue
    if options.looks_at:
        look(queue, table, options.looks_at)
        return
    call("simulate", "--dialogues", options.jobs * options.dialogues, "--out", "logs")
    task = {"model": {"model_type": options.model_type}, "retriever": {"type": "none"}}
    for number in range(options.jobs):
        split = f"train_{number * options.dialogues}_{(number + 1) * options.dialogues}"
        Path("jobs").mkdir(exist_ok=True)
        Path(f"jobs/{split}.json").write_text(json.dumps({
            "data": {"eval_set_path_or_name": "logs/logs.jsonl", "eval_set_split_name": split,
                     "schema_path": "packaged:schema"},
            "output": {"labels_url": f"s3://{bucket}/g"}, "dst": task, "act_tag": task,
            "manifest": {"type": "dynamo", "manifest_path": table, "group_id": "g", "seed_retrievers_from_manifest": False}}))
    BaseClient._make_api_call = counted
    with phase("enqueue", options.jobs):
        call("enqueue", "jobs")
    with phase("work", options.jobs):
        call("work", "--drain")
    with phase("publish", options.jobs):
        call("publish", "--group-id", "g", "--manifest", f"dynamo:{table}", "--to", "datasets")
    stored = boto3.client("s3").list_objects_v2(Bucket=bucket)["Contents"]
    items = boto3.client("dynamodb").scan(TableName=table)["Items"]
    files = [path for path in Path("datasets").rglob("*") if path.is_file()]
    print(f"\nstored: {len(stored)} objects, {sum(thing['Size'] for thing in stored) / options.jobs:.0f} bytes a job; "
          f"{len(items)} items, {', '.join(f'{size:.0f}' for size in item_bytes(items))} bytes of each kind; "
          f"dataset {sum(path.stat().st_size for path in files) / options.jobs:.0f} bytes a job; "
          f"message {next(Path('jobs').iterdir()).stat().st_size} bytes and more")


if __name__ == "__main__":
    main()
