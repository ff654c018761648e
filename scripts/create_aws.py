"""Create what many workers share on AWS, or check it: a FIFO queue with its dead-letter queue, a table, a bucket.

    python scripts/create_aws.py --bucket BUCKET           create what is missing, correct what differs
    python scripts/create_aws.py --bucket BUCKET --check   change nothing; exit code 3 where something is missing or differs

The IAM policy that workers need goes to stdout as JSON, everything else to stderr. Region and credentials come from the
standard chain of AWS tools. Run it as often as you like.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

try:
    from botocore.exceptions import ClientError

    from nc_latent_tod.errors import ConfigError, NcLatentTodError
    from nc_latent_tod.queues.sqs.client import TABLE_TAG
    from nc_latent_tod.system import aws
except ModuleNotFoundError as error:
    raise SystemExit(f"error: this Python has no {error.name}: run scripts/quickstart, then use .venv/bin/python") from None

RETENTION_S = str(14 * 24 * 3600)  # the longest
MAX_RECEIVES = "50"  # workers give up after fewer attempts; this is for messages that end a worker before it can say so
KEYS = [("group_id", "HASH"), ("run_id", "RANGE")]
PRIVATE = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)
ABSENT = {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "ResourceNotFoundException", "404", "NoSuchBucket",
          "NoSuchPublicAccessBlockConfiguration"}


class Setup:
    """Compares what is there with what is wanted; changes it unless `is_check`."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.is_check, self.differences = options, options.check, 0
        self.sqs, self.dynamodb, self.s3 = (aws.client(service, endpoint_url=options.endpoint_url)
                                            for service in ("sqs", "dynamodb", "s3"))

    def run(self) -> dict[str, Any] | None:
        """Do all of it; the policy, or None where a check found something missing."""
        dead = self.queue(self.options.dead_queue, {})
        policy = {"deadLetterTargetArn": dead, "maxReceiveCount": MAX_RECEIVES}
        queue = self.queue(self.options.queue, {"RedrivePolicy": json.dumps(policy)} if dead else {},
                           {TABLE_TAG: self.options.table})
        table = self.table(self.options.table)
        bucket = self.bucket(self.options.bucket) if self.options.bucket else None
        arns = (queue, dead, table)
        return policy_of(queue, dead, table, bucket) if all(arns) and not (self.is_check and self.differences) else None

    def queue(self, name: str, more: dict[str, str], tags: dict[str, str] | None = None) -> str:
        """A FIFO queue; its ARN, or "" where it is missing."""
        wanted = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
                  "MessageRetentionPeriod": RETENTION_S, "VisibilityTimeout": "60", **more}
        url = self.found(lambda: self.sqs.get_queue_url(QueueName=name)["QueueUrl"])
        if url is None:
            if self.report(f"queue {name}", "missing", "created"):
                return ""
            url = self.sqs.create_queue(QueueName=name, Attributes=wanted, tags=tags or {})["QueueUrl"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        differing = {key: value for key, value in wanted.items() if _decoded(found.get(key)) != _decoded(value)}
        if "FifoQueue" in differing:
            raise ConfigError(f"The queue {name} is not a FIFO queue, which cannot be changed. Choose another name.")
        for key in differing:
            self.report(f"queue {name}", f"{key} is {found.get(key)}, not {wanted[key]}", "corrected")
        if differing and not self.is_check:
            self.sqs.set_queue_attributes(QueueUrl=url, Attributes=differing)
        if tags and (self.sqs.list_queue_tags(QueueUrl=url).get("Tags", {}).get(TABLE_TAG) != tags[TABLE_TAG]):
            self.report(f"queue {name}", f"the tag {TABLE_TAG} is not {tags[TABLE_TAG]}", "corrected")
            if not self.is_check:
                self.sqs.tag_queue(QueueUrl=url, Tags=tags)
        return str(found["QueueArn"])

    def table(self, name: str) -> str:
        """The table of manifests and of the queue's records; its ARN, or "" where it is missing."""
        found = self.found(lambda: self.dynamodb.describe_table(TableName=name)["Table"])
        if found is None:
            if self.report(f"table {name}", "missing", "created"):
                return ""
            self.dynamodb.create_table(
                TableName=name, BillingMode="PAY_PER_REQUEST", DeletionProtectionEnabled=True,
                KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in KEYS],
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in KEYS])
            self.dynamodb.get_waiter("table_exists").wait(TableName=name)
            found = self.dynamodb.describe_table(TableName=name)["Table"]
        if [(key["AttributeName"], key["KeyType"]) for key in found["KeySchema"]] != KEYS:
            raise ConfigError(f"The table {name} has other keys than {KEYS}, which cannot be changed. Choose another name.")
        if not found.get("DeletionProtectionEnabled") and not self.report(f"table {name}", "can be deleted", "protected"):
            self.dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)
        return str(found["TableArn"])

    def bucket(self, name: str) -> str:
        """A bucket that nobody else can read; its name."""
        is_there = self.found(lambda: self.s3.head_bucket(Bucket=name)) is not None
        if not is_there and not self.report(f"bucket {name}", "missing", "created"):
            region = self.s3.meta.region_name
            where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
            self.s3.create_bucket(Bucket=name, **where)
        block = self.found(lambda: self.s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"])
        if block != PRIVATE and not self.report(f"bucket {name}", "could be made public", "closed to the public"):
            self.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=PRIVATE)
        return name

    def report(self, what: str, problem: str, remedy: str) -> bool:
        """Say what was found; True where it stays so, because this is a check."""
        self.differences += 1
        print(f"{what}: {problem}" + ("" if self.is_check else f": {remedy}"), file=sys.stderr)
        return bool(self.is_check)

    def found(self, request: Callable[[], Any]) -> Any:
        """What a request gives; None where the thing is not there."""
        try:
            return request()
        except ClientError as error:
            if aws.error_code(error) in ABSENT:
                return None
            raise


def policy_of(queue: str, dead: str, table: str, bucket: str | None) -> dict[str, Any]:
    """What a worker may do, and nothing else."""
    statements = [
        _allow("Queue", [queue, dead], "sqs", "GetQueueUrl", "GetQueueAttributes", "ListQueueTags", "SendMessage",
               "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"),
        _allow("ManifestAndRecords", [table], "dynamodb", "DescribeTable", "GetItem", "PutItem", "UpdateItem", "Query",
               "ConditionCheckItem"),
        _allow("OnlyForGc", [table], "dynamodb", "Scan"),
        {**_allow("NotesOfItsQueue", [table], "dynamodb", "DeleteItem"),  # never a run or a job's record
         "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": [f"queue:{queue.rpartition(':')[2]}:*"]}}}]
    if bucket:
        arn = f"arn:{queue.split(':')[1]}:s3:::{bucket}"
        statements += [_allow("FindLabels", [arn], "s3", "ListBucket"),
                       _allow("Labels", [f"{arn}/*"], "s3", "GetObject", "PutObject", "DeleteObject")]
    return {"Version": "2012-10-17", "Statement": statements}


def _allow(name: str, resources: list[str], service: str, *actions: str) -> dict[str, Any]:
    return {"Sid": name, "Effect": "Allow", "Action": [f"{service}:{action}" for action in actions], "Resource": resources}


def _decoded(value: str | None) -> Any:
    """Attributes that hold JSON compare by what they say; counts in them come back as text or as numbers."""
    if value and value.startswith("{"):
        return {key: str(part) for key, part in json.loads(value).items()}
    return value


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queue", default="nc-latent-tod.fifo", help="default: %(default)s")
    parser.add_argument("--dead-queue", help="default: the queue's name with -dead")
    parser.add_argument("--table", default=aws.DEFAULT_TABLE, help="default: %(default)s")
    parser.add_argument("--bucket", help="for labels and checkpoints; names of buckets are unique in the world")
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument("--endpoint-url", help="a local server in place of AWS")
    options = parser.parse_args(arguments)
    options.dead_queue = options.dead_queue or f"{options.queue.removesuffix('.fifo')}-dead.fifo"
    try:
        if not (options.queue.endswith(".fifo") and options.dead_queue.endswith(".fifo")):
            raise ConfigError("The name of a FIFO queue ends in .fifo.")
        with aws.clear_errors("set up AWS", opening=True):
            setup = Setup(options)
            policy = setup.run()
    except NcLatentTodError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if policy is None:
        return 3
    print("" if setup.differences else "All is as it has to be.\n", end="", file=sys.stderr)
    print(f"For workers: export NC_LATENT_TOD_QUEUE_PATH={options.queue}", file=sys.stderr)
    print(json.dumps(policy, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
