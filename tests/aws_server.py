"""A real HTTP server on loopback that speaks SQS, DynamoDB and S3: what scripts/local_aws starts."""

import json
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import boto3

LOCAL_AWS = Path(__file__).resolve().parents[1] / "scripts" / "local_aws.py"
VARIABLES = 7


class LocalAws:
    """Runs from `with` to the end of the block, on a free port, in a process of its own."""

    def __enter__(self) -> "LocalAws":
        self._process = subprocess.Popen([sys.executable, LOCAL_AWS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                         text=True)
        assert self._process.stdout is not None
        exports = [self._process.stdout.readline() for _ in range(VARIABLES)]
        self.environment = dict(shlex.split(line)[1].split("=", 1) for line in exports)
        self.url = self.environment["AWS_ENDPOINT_URL"]
        urllib.request.urlopen(f"{self.url}/moto-api/", timeout=60).close()  # the first answer is a slow one
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def client(self, service: str) -> Any:
        """A client of the tests' own. Call it within the test's environment."""
        return boto3.client(service)

    def table(self, prefix: str = "table", *, name: str = "") -> str:
        """A new manifest table, of its own name unless one is given."""
        name = name or f"{prefix}-{uuid4().hex[:8]}"
        keys = [("group_id", "HASH"), ("run_id", "RANGE")]
        self.client("dynamodb").create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys])
        return name

    def queue(self, *, table: str = "") -> str:
        """The name of a new FIFO queue with a dead-letter queue."""
        name, sqs = f"jobs-{uuid4().hex[:8]}", self.client("sqs")
        dead = sqs.create_queue(QueueName=f"{name}-dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 50})
        sqs.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true", "RedrivePolicy": policy},
                         tags={"nc-latent-tod-table": table} if table else {})
        return f"{name}.fifo"
