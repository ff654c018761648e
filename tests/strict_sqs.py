"""SQS as it is documented where moto's server is lenient: expired handles, characters, sizes, batches, the 12 hours.

Implements the methods of boto3's client that the package uses, and what AWS's console does. In memory, on a clock of its own.
"""

import itertools
import re
from typing import Any

from botocore.exceptions import ClientError

LEGAL = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")
DEDUPLICATION_S, LONGEST_VISIBILITY_S, LONGEST_POLL_S, BATCH = 300, 12 * 3600, 20, 10


def refuse(code: str, operation: str, message: str = "for a test", status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)


class StrictSqs:
    """Two FIFO queues, `jobs.fifo` and its dead-letter queue `dead.fifo`. A queue's URL is its name."""

    def __init__(self, *, max_bytes: int = 262_144, max_receives: int = 50, table: str = "",
                 kept_s: int = 14 * 24 * 3600) -> None:
        self.now = 0.0
        self.messages: dict[str, list[dict[str, Any]]] = {"jobs.fifo": [], "dead.fifo": []}
        self.failures: list[ClientError] = []  # raised instead of the next answers of send_message
        self._sent: dict[tuple[str, str], float] = {}
        self._numbers = itertools.count(1)
        self._max_bytes, self._max_receives, self._table, self._kept_s = max_bytes, max_receives, table, kept_s

    def get_queue_url(self, QueueName: str) -> dict[str, str]:
        if QueueName not in self.messages:
            raise refuse("QueueDoesNotExist", "GetQueueUrl")
        return {"QueueUrl": QueueName}

    def get_queue_attributes(self, QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:
        policy = f'{{"deadLetterTargetArn": "arn:aws:sqs:eu-west-1:1:dead.fifo", "maxReceiveCount": {self._max_receives}}}'
        return {"Attributes": {"FifoQueue": "true", "MaximumMessageSize": str(self._max_bytes), "RedrivePolicy": policy,
                               "MessageRetentionPeriod": str(self._kept_s)}}

    def list_queue_tags(self, QueueUrl: str) -> dict[str, Any]:
        return {"Tags": {"nc-latent-tod-table": self._table}}

    def send_message(self, QueueUrl: str, MessageBody: str, MessageGroupId: str, MessageDeduplicationId: str,
                     MessageAttributes: dict[str, Any] | None = None) -> dict[str, str]:
        if self.failures:
            raise self.failures.pop(0)
        attributes = MessageAttributes or {}
        texts = [MessageBody, *(value["StringValue"] for value in attributes.values())]
        if not all(text and LEGAL.fullmatch(text) for text in texts):
            raise refuse("InvalidMessageContents", "SendMessage")
        size = sum(len(text.encode()) for text in texts) + sum(len(name) + len("String") for name in attributes)
        if size > self._max_bytes or len(attributes) > 10:
            raise refuse("InvalidParameterValue", "SendMessage", f"{size} bytes")
        for name in (MessageGroupId, MessageDeduplicationId):
            assert re.fullmatch(r"[!-~]{1,128}", name), name
        number = next(self._numbers)
        before = self._sent.setdefault((QueueUrl, MessageDeduplicationId), self.now - DEDUPLICATION_S)
        if self.now - before >= DEDUPLICATION_S:  # also where the first one was deleted
            self._sent[QueueUrl, MessageDeduplicationId] = self.now
            self.messages[QueueUrl].append({"id": f"m{number}", "body": MessageBody, "group": MessageGroupId, "receives": 0,
                                            "attributes": attributes, "handle": "", "visible_at": self.now,
                                            "sent_at": self.now})
        return {"MessageId": f"m{number}"}

    def receive_message(self, QueueUrl: str, MaxNumberOfMessages: int, VisibilityTimeout: int, WaitTimeSeconds: int,
                        MessageAttributeNames: list[str], MessageSystemAttributeNames: list[str],
                        ReceiveRequestAttemptId: str) -> dict[str, Any]:
        whole = all(isinstance(value, int) for value in (MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds))
        if not (whole and 1 <= MaxNumberOfMessages <= BATCH and 0 <= WaitTimeSeconds <= LONGEST_POLL_S):
            raise refuse("InvalidParameterValue", "ReceiveMessage")
        self._throw_away()
        taken: list[dict[str, Any]] = []
        for message in list(self.messages[QueueUrl]):
            group = (other for other in self.messages[QueueUrl] if other["group"] == message["group"])
            if any(other["visible_at"] > self.now for other in group) or len(taken) == MaxNumberOfMessages:
                continue
            if QueueUrl == "jobs.fifo" and message["receives"] >= self._max_receives:
                self.messages[QueueUrl].remove(message)
                self.messages["dead.fifo"].append({**message, "visible_at": self.now, "sent_at": self.now})
                continue
            message.update(receives=message["receives"] + 1, handle=f"{message['id']}-{message['receives'] + 1}",
                           visible_at=self.now + VisibilityTimeout, received_at=self.now)
            taken.append(message)
        return {"Messages": [{
            "MessageId": m["id"], "Body": m["body"], "ReceiptHandle": m["handle"], "MessageAttributes": m["attributes"],
            "Attributes": {"ApproximateReceiveCount": str(m["receives"]), "MessageGroupId": m["group"]}} for m in taken]}

    def delete_message(self, QueueUrl: str, ReceiptHandle: str) -> None:
        self.messages[QueueUrl].remove(self._held(QueueUrl, ReceiptHandle, "DeleteMessage"))

    def change_message_visibility(self, QueueUrl: str, ReceiptHandle: str, VisibilityTimeout: int) -> None:
        message = self._held(QueueUrl, ReceiptHandle, "ChangeMessageVisibility")
        if self.now + VisibilityTimeout - message["received_at"] > LONGEST_VISIBILITY_S or VisibilityTimeout < 0:
            raise refuse("InvalidParameterValue", "ChangeMessageVisibility", "Total VisibilityTimeout is beyond the limit")
        message["visible_at"] = self.now + VisibilityTimeout

    def change_message_visibility_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:
        if not 1 <= len(Entries) <= BATCH:
            raise refuse("TooManyEntriesInBatchRequest", "ChangeMessageVisibilityBatch")
        answer: dict[str, list[dict[str, str]]] = {"Successful": [], "Failed": []}
        for entry in Entries:
            try:
                self.change_message_visibility(QueueUrl, entry["ReceiptHandle"], entry["VisibilityTimeout"])
                answer["Successful"].append({"Id": entry["Id"]})
            except ClientError as error:
                answer["Failed"].append({"Id": entry["Id"], "Code": error.response["Error"]["Code"]})
        return answer

    def start_message_move_task(self) -> None:
        """What "Start DLQ redrive" in the console does: the messages are new ones, with their attributes."""
        for message in self.messages["dead.fifo"]:
            fresh = {"id": f"m{next(self._numbers)}", "receives": 0, "handle": "", "visible_at": self.now, "sent_at": self.now}
            self.messages["jobs.fifo"].append({**message, **fresh})
        self.messages["dead.fifo"] = []

    def _throw_away(self) -> None:
        for messages in self.messages.values():
            messages[:] = [message for message in messages if self.now - message["sent_at"] <= self._kept_s]

    def _held(self, queue: str, handle: str, operation: str) -> dict[str, Any]:
        self._throw_away()
        for message in self.messages[queue]:
            if message["handle"] == handle and message["visible_at"] > self.now:
                return message
        raise refuse("InvalidParameterValue", operation, "The receipt handle has expired")
