"""How the services of AWS refuse a request, in their own formats."""

from __future__ import annotations

import json

_TOO_FAST = {"dynamodb": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
             "sqs": "com.amazonaws.sqs#RequestThrottled"}
_BROKEN = {"dynamodb": "com.amazonaws.dynamodb.v20120810#InternalServerError", "sqs": "com.amazonaws.sqs#InternalFailure"}
_OLD_SIGNATURE = "com.amazon.coral.service#InvalidSignatureException"

Refusal = tuple[int, list[tuple[str, str]], bytes]


def throttled(service: str) -> Refusal:
    """Too many requests."""
    if service == "s3":
        return _xml(503, "SlowDown", "Please reduce your request rate.")
    return _json(400, _TOO_FAST.get(service, "ThrottlingException"), "The level of configured throughput was exceeded.")


def internal_error(service: str) -> Refusal:
    """A failure of the service itself."""
    if service == "s3":
        return _xml(500, "InternalError", "We encountered an internal error. Please try again.")
    return _json(500, _BROKEN.get(service, "InternalFailure"), "The request could not be processed. Try again.")


def skewed(service: str) -> Refusal:
    """The clock of whoever signed the request is wrong."""
    if service == "s3":
        return _xml(403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large.")
    return _json(400, _OLD_SIGNATURE, "Signature expired: it is now earlier than the time of the server less 5 min.")


def _json(status: int, kind: str, message: str) -> Refusal:
    return status, [("Content-Type", "application/x-amz-json-1.0")], json.dumps({"__type": kind, "message": message}).encode()


def _xml(status: int, code: str, message: str) -> Refusal:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return status, [("Content-Type", "application/xml")], body.encode()
