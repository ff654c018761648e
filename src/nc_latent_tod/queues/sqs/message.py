"""Jobs as SQS messages: ASCII JSON that fits the queue, or a claim check on the job's own storage.

The sender's mark is in a message attribute, so that messages of other programs are told from jobs.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nc_latent_tod.errors import ConfigError, storage_failed
from nc_latent_tod.queues.job_name import job_name

JOB, JOB_AT_URL = "nc-latent-tod/job/1", "nc-latent-tod/job-at-url/1"
_STORED_AT = ("s3://", "file://")  # where a job that is too large for a message may be
_ROOM_BYTES = 5120  # of a message are left for the attributes that a dead letter gets
_REASON_CHARACTERS = 1000  # four bytes each at most
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Message:
    """What SQS delivered."""

    message_id: str
    group_id: str
    body: str
    handle: str  # receipt handle of this delivery
    attributes: Mapping[str, str]
    receives: int

    @classmethod
    def of(cls, message: Mapping[str, Any]) -> Message:
        """Read boto3's answer."""
        system = message.get("Attributes", {})
        attributes = {name: str(value.get("StringValue", "")) for name, value in message.get("MessageAttributes", {}).items()}
        return cls(message["MessageId"], system.get("MessageGroupId", ""), message["Body"], message["ReceiptHandle"],
                   attributes, int(system.get("ApproximateReceiveCount", 1)))


def attributes(**values: str) -> dict[str, dict[str, str]]:
    """Message attributes as boto3 takes them; SQS refuses empty ones."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in values.items() if value}


def has_room(body: str, max_bytes: int) -> bool:
    """Whether a message with this body may have the attributes that a dead letter gets."""
    return len(body.encode()) + _ROOM_BYTES <= max_bytes


def legal(text: str) -> str:
    """Text that SQS accepts: what it refuses is replaced, and the end of a long text is cut."""
    text = text if len(text) <= _REASON_CHARACTERS else f"{text[:_REASON_CHARACTERS]}..."
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)


def encode(job: Mapping[str, Any], max_bytes: int) -> tuple[str, str]:
    """The body of a job's message and its format. A job that does not fit is stored below its `output.labels_url`.

    Raises `ConfigError` where it does not fit and names no URL, or holds what JSON cannot, `RetryableError` where the storage
    fails.
    """
    name = job_name(dict(job))
    body = json.dumps(job, sort_keys=True, separators=(",", ":"), allow_nan=False)  # ASCII, control characters escaped
    if has_room(body, max_bytes):
        return body, JOB
    output = job.get("output")
    url = output.get("labels_url") if isinstance(output, Mapping) else None
    if not (isinstance(url, str) and "://" in url):
        raise ConfigError(f"{name}: the job has {len(body)} bytes, the queue takes {max_bytes - _ROOM_BYTES}. Give it an "
                          "output.labels_url such as s3://BUCKET/FOLDER: a job that is too large is stored there.")
    target = f"{url.rstrip('/')}/queue/{name}.json"
    _storage(target, body.encode())
    claim = {"url": target, "sha256": hashlib.sha256(body.encode()).hexdigest()}
    return json.dumps(claim, sort_keys=True), JOB_AT_URL


def decode(message: Message) -> dict[str, Any] | str:
    """The job in a message, or what is wrong with it. Raises `RetryableError` where the storage fails."""
    kind = message.attributes.get("format", "")
    if kind not in (JOB, JOB_AT_URL):
        return ("a message of another program: it lacks the attribute format = nc-latent-tod/job/1. Put jobs into this queue "
                "with nc-latent-tod enqueue only")
    try:
        body = _claimed(json.loads(message.body)) if kind == JOB_AT_URL else message.body
        job = json.loads(body)
        if not isinstance(job, dict):
            return f"not a JSON object but {type(job).__name__}"
        name = job_name(job)
    except FileNotFoundError as error:
        return f"the stored job is missing: {error}. Enqueue the job file again, which stores it, then dlq redrive"
    except ConfigError as error:  # a number that JSON lacks, a bucket that is gone: no fault of the worker
        return f"not a job that can be read: {error}"
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        return f"not a job as JSON: {type(error).__name__}: {error}"
    if name != message.group_id:
        return f"the message was changed after the job was put: it holds {name}. Enqueue the changed job as a new one"
    return job


def _claimed(claim: Mapping[str, str]) -> str:
    if not claim["url"].startswith(_STORED_AT):
        raise ConfigError(f"the message says that its job is stored at {claim['url']!r}, and jobs are read from "
                          f"{' and '.join(_STORED_AT)} alone")
    data = _storage(claim["url"])
    if hashlib.sha256(data).hexdigest() != claim["sha256"]:
        raise ValueError(f"{claim['url']} is not what was stored: its sha256 differs")
    return data.decode()


def _storage(url: str, data: bytes | None = None) -> bytes:
    """Write `data` at a URL, or read what is there. Raises `FileNotFoundError`, `RetryableError` or `ConfigError`."""
    import fsspec

    from nc_latent_tod.system.s3 import register

    register()
    try:
        file_system, path = fsspec.core.url_to_fs(url)
        if data is None:
            return file_system.cat_file(path)
        file_system.makedirs(path.rpartition("/")[0], exist_ok=True)
        file_system.pipe_file(path, data)
        return data
    except FileNotFoundError:
        raise
    except OSError as error:
        raise storage_failed(f"{'read' if data is None else 'write'} the job at {url}", error) from error
    except (ValueError, ImportError) as error:
        raise ConfigError(f"Cannot use the URL {url}: {error}.") from error
