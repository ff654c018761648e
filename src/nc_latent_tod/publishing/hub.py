"""Datasets on the Hugging Face Hub: one commit each, private unless asked otherwise, and nothing where nothing changed."""

from __future__ import annotations

import hashlib
import logging
import random
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_latent_tod.errors import ConfigError, RetryableError
from nc_latent_tod.publishing.shards import DATA, write_files

if TYPE_CHECKING:
    from datasets import DatasetDict
    from huggingface_hub import HfApi

logger = logging.getLogger(__name__)

_ATTEMPTS = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0
_LONGEST_ASKED_S = 600  # rate limits are for windows of 5 minutes, https://huggingface.co/docs/hub/rate-limits
# 404: a repository that was just made may not be seen yet. 409, 412: another commit is being made, or was made.
_PASSING = frozenset({404, 408, 409, 412, 425, 429})
_NOT_ALLOWED = frozenset({401, 403})


def push(dataset: DatasetDict, card: str, repository: str, *, public: bool, token: str | None) -> tuple[str, bool]:
    """Make `repository` (`user/name`) hold `dataset` and its card; returns its address and whether it held them already.

    All files go up in one commit on top of the head that was compared with them, so a reader sees the whole dataset or
    what was there before, and of two that publish at once neither undoes the other. After a failure the head is read
    again: what went up is not sent twice, a commit whose answer was lost is found. Parquet files below data/ that are
    not the dataset's are deleted; other files are left alone. Without `token`, that of `hf auth login` or HF_TOKEN.

    Raises `ConfigError` where there is no token, the Hub refuses it or the files, or the repository is there with the
    other visibility; `RetryableError` where the Hub still fails after eight attempts (a minute or so, or as long as the
    Hub asks for).
    """
    from huggingface_hub import HfApi, get_token

    token = token or get_token()
    if not token:
        raise ConfigError(f"No Hugging Face token to upload {repository} with: run `hf auth login` or set HF_TOKEN to a token "
                          "that may write, or publish to a folder (--to FOLDER).")
    api = HfApi(token=token, library_name="nc-latent-tod")
    with tempfile.TemporaryDirectory(prefix="nc-latent-tod-") as folder:
        try:
            files = write_files(dataset, card, Path(folder))
        except OSError as error:
            raise RetryableError(f"Cannot write the files to upload to {folder}: {error}. Free space there, or set TMPDIR."
                                 ) from error
        return _persist(api, repository, files, public)


def _persist(api: HfApi, repository: str, files: Mapping[str, Path], public: bool) -> tuple[str, bool]:
    """Commit, with pauses after failures that may pass; the repository's address and whether nothing was to be done."""
    from huggingface_hub.errors import HTTPError

    for attempt in range(_ATTEMPTS):
        try:
            head = _head(api, repository, public)
            changes = _changes(api, repository, head, files)
            if changes:
                api.create_commit(repository, changes, repo_type="dataset", parent_commit=head,
                                  commit_message="Publish self-labelled dialogues")
            return f"{api.endpoint}/datasets/{repository}", not changes and not attempt
        except (OSError, HTTPError, RuntimeError, ValueError) as error:  # what the client raises
            pause_s = _pause_s(_refused(error, repository), attempt)
            if attempt == _ATTEMPTS - 1 or pause_s > _LONGEST_ASKED_S:
                raise RetryableError(f"Storing {repository} on the Hub failed: {error}. Publish again: what went up is not "
                                     "sent twice.") from error
            logger.warning("%s: %s. Attempt %d of %d failed, the next is in %.0f s", repository, error, attempt + 1, _ATTEMPTS,
                           pause_s)
            time.sleep(pause_s)
    raise AssertionError("the last attempt returns or raises")


def _head(api: HfApi, repository: str, public: bool) -> str | None:
    """The newest commit of the repository, which is made if need be."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        found = api.repo_info(repository, repo_type="dataset")
    except RepositoryNotFoundError:
        api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        found = api.repo_info(repository, repo_type="dataset")
    if bool(found.private) == public:
        raise ConfigError(f"{api.endpoint}/datasets/{repository} is there already and is "
                          f"{'private' if public else 'public'}, not as asked. Change its visibility on the Hub, or ask for "
                          "the one it has.")
    return found.sha


def _changes(api: HfApi, repository: str, head: str | None, files: Mapping[str, Path]) -> list[Any]:
    """What a commit on `head` has to do, so that the repository holds `files`."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, RepoFile

    tree = api.list_repo_tree(repository, repo_type="dataset", revision=head, recursive=True)
    there = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
    stale = [path for path in there if path.startswith(DATA) and path.endswith(".parquet") and path not in files]
    return [*(CommitOperationAdd(name, path) for name, path in files.items() if not _holds(there.get(name), path)),
            *map(CommitOperationDelete, stale)]


def _holds(entry: Any, path: Path) -> bool:
    """Whether a file of the repository has the bytes of `path`: by their sha256, or by git's id of a small file."""
    if entry is None or entry.size != path.stat().st_size:
        return False
    with path.open("rb") as stream:
        if entry.lfs is not None:
            return hashlib.file_digest(stream, "sha256").hexdigest() == entry.lfs.sha256
        return hashlib.sha1(b"blob %d\0" % entry.size + stream.read(), usedforsecurity=False).hexdigest() == entry.blob_id


def _refused(error: Exception, repository: str) -> Any:
    """The Hub's answer, if there is one, to a failure that may pass. Raises `ConfigError` for one that stays."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        raise ConfigError(f"HF_HUB_OFFLINE forbids to upload {repository}: unset it.") from error
    cause: BaseException = error
    while isinstance(cause, RuntimeError) and cause.__cause__:  # the client wraps what happens in its threads
        cause = cause.__cause__
    answer = getattr(cause, "response", None)
    if answer is None and isinstance(cause, ValueError):
        raise ConfigError(f"The Hub or its client refuses to store {repository}: {cause}.") from error
    if answer is not None and answer.status_code < 500 and answer.status_code not in _PASSING:
        advice = " Use a token that may write there." if answer.status_code in _NOT_ALLOWED else ""
        raise ConfigError(f"The Hub refuses to write {repository} ({cause}).{advice}") from error
    return answer


def _pause_s(answer: Any, attempt: int) -> float:
    """How long to wait: what the Hub asks for, or else longer after each failure, and never two at the same time."""
    from huggingface_hub.utils import parse_ratelimit_headers

    asked_s = 0.0
    if answer is not None:
        limit = parse_ratelimit_headers(answer.headers)
        after = answer.headers.get("Retry-After", "")
        asked_s = float(after) if after.isdigit() else float(limit.reset_in_seconds) if limit and not limit.remaining else 0.0
    return asked_s + random.uniform(0.5, 1.0) * min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**attempt)
