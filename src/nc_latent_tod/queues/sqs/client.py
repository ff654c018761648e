"""One FIFO queue and its dead-letter queue: requests with their limits kept, failures as this package's errors."""

from __future__ import annotations

import json
import logging
import math
import re
import uuid
from collections.abc import Generator, Sequence
from typing import Any

from nc_latent_tod.errors import ConfigError, LeaseLostError
from nc_latent_tod.queues.sqs.message import Message, attributes
from nc_latent_tod.queues.sqs.retention import Retention
from nc_latent_tod.system import aws
from nc_latent_tod.system.aws import DEFAULT_TABLE

log = logging.getLogger(__name__)

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
LONGEST_POLL_S = 20
LONGEST_VISIBILITY_S = 12 * 3600  # counted from the receipt
BATCH = 10
_RETENTION_S = 345_600  # where a queue says nothing

TABLE_TAG = "nc-latent-tod-table"
"""A tag of the queue: the table that holds the records of its jobs."""

_LETTERS_POLL_S = 1  # a short poll asks some of SQS's servers only

_URL = re.compile(r"https?://(?:sqs\.(?P<region>[a-z0-9-]+)\.amazonaws\.com[a-z.]*|[^/]+)/(?:.+/)?(?P<name>[^/]+)/?")
_EXPIRED = {"InvalidParameterValue", "InvalidReceiptHandle", "MessageNotInflight", "ReceiptHandleIsInvalid",
            "AWS.SimpleQueueService.MessageNotInflight"}


class SqsClient:
    """Requests on one queue. Thread-safe."""

    def __init__(self, path: str, *, client: Any = None) -> None:
        """Look the queue up by its name or URL. Raises `ConfigError` where it is missing or not made as it has to be."""
        match = _URL.fullmatch(path)
        self.name = match["name"] if match else path
        if not self.name.endswith(".fifo"):
            raise ConfigError(f"Queue {path!r}: not a FIFO queue. Its name must end in .fifo; create one with "
                              "scripts/create_aws.py.")
        self.region = match["region"] if match else None
        self._sqs = client or aws.client("sqs", region=self.region)
        with aws.clear_errors(f"open the queue {path}", opening=True):
            self.url = path if match else self._sqs.get_queue_url(QueueName=path)["QueueUrl"]
            found = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["All"])["Attributes"]
            policy = json.loads(found.get("RedrivePolicy", "{}"))
            if "deadLetterTargetArn" not in policy:
                raise ConfigError(f"Queue {path!r} has no dead-letter queue. scripts/create_aws.py makes both.")
            self.dead_name = policy["deadLetterTargetArn"].rpartition(":")[2]
            tags = self._sqs.list_queue_tags(QueueUrl=self.url).get("Tags", {})
            self.dead_url = self._sqs.get_queue_url(QueueName=self.dead_name)["QueueUrl"]
            dead = self._sqs.get_queue_attributes(QueueUrl=self.dead_url, AttributeNames=["All"])["Attributes"]
        self.table = tags.get(TABLE_TAG, DEFAULT_TABLE)
        self.retention = Retention(*(float(queue.get("MessageRetentionPeriod", _RETENTION_S)) for queue in (found, dead)))
        self.max_bytes = int(found.get("MaximumMessageSize", 262_144))

    def send(self, body: str, *, group: str, deduplication: str, dead: bool = False, **values: str) -> None:
        """Send a message with these attributes; one of the same deduplication id within five minutes is one message."""
        with aws.clear_errors(f"send {group} to the queue {self.dead_name if dead else self.name}"):
            self._sqs.send_message(QueueUrl=self.dead_url if dead else self.url, MessageBody=body, MessageGroupId=group,
                                   MessageDeduplicationId=deduplication, MessageAttributes=attributes(**values))

    def receive(self, *, visibility_s: float, wait_s: float = 0, count: int = 1, dead: bool = False) -> list[Message]:
        """Take up to `count` messages, waiting up to `wait_s` whole seconds."""
        with aws.clear_errors(f"receive from the queue {self.dead_name if dead else self.name}"):
            answer = self._sqs.receive_message(
                QueueUrl=self.dead_url if dead else self.url, MaxNumberOfMessages=count,
                VisibilityTimeout=min(math.ceil(visibility_s), LONGEST_VISIBILITY_S),
                WaitTimeSeconds=min(int(wait_s), LONGEST_POLL_S), MessageAttributeNames=["All"],
                MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
                # A receipt whose answer was lost is repeated with this id, and gives the same messages again.
                ReceiveRequestAttemptId=uuid.uuid4().hex)
        return [Message.of(message) for message in answer.get("Messages", [])]

    def hide(self, message: Message, seconds: float) -> None:
        """Keep a message invisible for `seconds` from now; 0 shows it. Raises `LeaseLostError` once it is not held."""
        self._held(message, "hold", self._sqs.change_message_visibility, VisibilityTimeout=math.ceil(seconds))

    def delete(self, message: Message, *, dead: bool = False) -> None:
        """Delete a message. Raises `LeaseLostError` once it is not held."""
        self._held(message, "delete", self._sqs.delete_message, dead=dead)

    def _held(self, message: Message, doing: str, request: Any, *, dead: bool = False, **arguments: Any) -> None:
        from botocore.exceptions import ClientError

        with aws.clear_errors(f"{doing} the message {message.message_id}"):
            try:
                request(QueueUrl=self.dead_url if dead else self.url, ReceiptHandle=message.handle, **arguments)
            except ClientError as error:
                if aws.error_code(error) not in _EXPIRED:
                    raise
                raise LeaseLostError(f"{message.group_id}: cannot {doing} the message: its receipt handle has expired or is "
                                     f"not the newest: {error}") from error

    def letters(self, *, visibility_s: float) -> Generator[Message]:
        """All messages of the dead-letter queue, once each, held until the iteration ends; those not deleted are let go then.

        One that comes again was held for too short a time to see all of them: from then on they are held for twice as long.
        """
        held: dict[str, Message] = {}
        try:
            while messages := self.receive(visibility_s=visibility_s, wait_s=_LETTERS_POLL_S, count=BATCH, dead=True):
                fresh = [message for message in messages if message.message_id not in held]
                held.update({message.message_id: message for message in messages})
                if len(fresh) < len(messages):
                    visibility_s *= 2
                yield from fresh
        finally:
            newest = list(held.values())
            for start in range(0, len(newest), BATCH):
                self._let_go(newest[start : start + BATCH])

    def _let_go(self, messages: Sequence[Message]) -> None:
        entries = [{"Id": str(number), "ReceiptHandle": message.handle, "VisibilityTimeout": 0}
                   for number, message in enumerate(messages)]
        with aws.clear_errors(f"let go of messages of the queue {self.dead_name}"):
            answer = self._sqs.change_message_visibility_batch(QueueUrl=self.dead_url, Entries=entries)
        for failed in answer.get("Failed", []):
            if failed["Code"] not in _EXPIRED:  # else it was deleted meanwhile
                log.warning("%s: a dead letter stays held for a while: %s %s", self.dead_name, failed["Code"],
                            failed.get("Message", ""))
