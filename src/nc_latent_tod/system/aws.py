"""What all backends on AWS share: clients from the standard chain, and AWS's failures as errors of this package.

Region and credentials come from the chain that every AWS tool uses (environment, shared files, instance role), and so does
`AWS_ENDPOINT_URL` for a local server. Nothing of it is read, stored or logged here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nc_latent_tod.errors import ConfigError, RetryableError

DEFAULT_TABLE = "NCLatentTODExperimentsLogManifestTable"
"""The table of manifests and of a queue's records that is named no other."""

_ATTEMPTS = 6  # of one request, with exponential back-off: throttling, 5xx and lost connections end within them, or persist
_CONNECT_TIMEOUT_S = 5
_READ_TIMEOUT_S = 40  # longer than the longest poll of SQS, 20 s

_MISSING = {"ResourceNotFoundException", "NoSuchBucket", "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
_REFUSED = {"AccessDenied", "AccessDeniedException", "AllAccessDisabled", "ExpiredToken", "ExpiredTokenException", "403",
            "InvalidAccessKeyId", "InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken",
            "SignatureDoesNotMatch", "UnrecognizedClientException", "KmsAccessDenied", "KMS.AccessDeniedException"}
_OTHER_TIME = ("RequestTimeTooSkewed", "Signature expired", "Signature not yet current")  # S3's code, the others' messages
_PASSING = {"ConditionalRequestConflict", "LimitExceededException", "PriorRequestNotComplete", "RequestLimitExceeded",
            "ProvisionedThroughputExceededException", "RequestThrottled", "RequestTimeout", "SlowDown",
            "Throttling", "ThrottlingException", "TransactionConflictException", "TransactionInProgressException"}


@dataclass(frozen=True, slots=True)
class Fence:
    """Proof of holding a job: a record in a table whose `token` only grows, and that every new holder raises.

    A write on the condition that the record still has this token comes from the newest holder or not at all.
    """

    table: str
    key: tuple[str, str]  # group_id, run_id
    token: int


def client(service: str, *, region: str | None = None, endpoint_url: str | None = None) -> Any:
    """A boto3 client. Thread-safe; belongs to this process. Raises `ConfigError` without boto3 or without a region."""
    try:
        from botocore.config import Config
    except ImportError as error:
        raise ConfigError(f"{service} needs boto3: pip install boto3.") from error
    retries: Any = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    config = Config(retries=retries, connect_timeout=_CONNECT_TIMEOUT_S, read_timeout=_READ_TIMEOUT_S, tcp_keepalive=True)
    with clear_errors(f"use {service}", opening=True), _making:
        try:
            return _session(os.getpid()).client(service, region_name=region, endpoint_url=endpoint_url, config=config)
        except ValueError as error:
            raise ConfigError(f"Cannot use {service}: {error}. Correct AWS_ENDPOINT_URL.") from error


_making = threading.Lock()  # sessions are not thread-safe, clients are


@lru_cache(maxsize=1)
def _session(process: int) -> Any:
    """One session a process: reading the services' definitions is most of the cost of a client."""
    import boto3

    return boto3.session.Session()


@contextmanager
def clear_errors(doing: str, *, opening: bool = False) -> Iterator[None]:
    """Turn a failure that boto3 has retried in vain into a `RetryableError`, or a `ConfigError` where waiting cannot help.

    Refused credentials are a `ConfigError` only while `opening`: later they have expired, which is no fault of the job in
    hand. Failures that a caller handles itself are caught inside.
    """
    from botocore import exceptions as failures

    try:
        yield
    except failures.NoRegionError as error:
        raise ConfigError(f"Cannot {doing}: no AWS region is set. Set AWS_DEFAULT_REGION, or run aws configure.") from error
    except failures.ClientError as error:
        raise _of_answer(f"Cannot {doing}: {error}.", error, opening) from error
    except (failures.NoCredentialsError, failures.PartialCredentialsError, failures.TokenRetrievalError,
            failures.UnauthorizedSSOTokenError, failures.CredentialRetrievalError) as error:
        raise _refused(f"Cannot {doing}: {error}.", opening) from error
    except (failures.ParamValidationError, failures.InvalidEndpointConfigurationError, failures.UnknownRegionError,
            failures.ProfileNotFound, failures.ConfigParseError) as error:
        raise ConfigError(f"Cannot {doing}: {error}.") from error
    except failures.BotoCoreError as error:
        raise RetryableError(f"Cannot {doing}: {error}. Check the network, then try again.") from error


def error_code(error: Any) -> str:
    """The code of a `ClientError`, such as `ConditionalCheckFailedException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _of_answer(message: str, error: Any, opening: bool) -> Exception:
    code, status = error_code(error), error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if any(words in message for words in _OTHER_TIME):
        return RetryableError(f"{message} The clock of this machine is wrong: set it (timedatectl), then try again.")
    if code in _MISSING:
        return ConfigError(f"{message} Create it with scripts/create_aws.py, or correct its name or AWS_DEFAULT_REGION.")
    if code in _REFUSED:
        return _refused(message, opening)
    if code in _PASSING or status == 429 or status >= 500:
        return RetryableError(f"{message} It was tried {_ATTEMPTS} times: try again later.")
    return ConfigError(message)


def _refused(message: str, opening: bool) -> Exception:
    advice = "Check the credentials (aws sts get-caller-identity) and the policy that scripts/create_aws.py prints."
    return (ConfigError if opening else RetryableError)(f"{message} {advice}")
