"""Names to queues and manifests: a folder, or a service of AWS. What is local needs no AWS package and no credentials."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from nc_latent_tod.config.job import Job
from nc_latent_tod.config.places import NAME_PATTERN
from nc_latent_tod.config.sections import ManifestSection
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.manifests import Manifest
from nc_latent_tod.queues import Queue
from nc_latent_tod.system.aws import DEFAULT_TABLE, Fence

Opened = dict[tuple[str, str], Manifest]
"""Manifests by their type and place."""

DYNAMO = "dynamo:"
_FORMS = "a folder (local), or the name or URL of an SQS queue that ends in .fifo"


def open_queue(path: str, *, must_exist: bool = False, **options: Any) -> Queue:
    """Open the queue that `path` names: a folder, or an SQS queue by its name or URL.

    A folder is created within an existing one unless it `must_exist`. Raises `ConfigError` where the name is of neither
    form, or the queue cannot be used.
    """
    if not path:
        raise ConfigError(f"Which queue? Set NC_LATENT_TOD_QUEUE_PATH, or pass --queue: {_FORMS}.")
    if is_sqs(path):
        from nc_latent_tod.queues.sqs.queue import SqsQueue

        return SqsQueue(path, **options)
    if "://" in path or path.startswith("arn:"):
        raise ConfigError(f"Queue {path!r}: not a queue that is known here. NC_LATENT_TOD_QUEUE_PATH or --queue is {_FORMS}.")
    if must_exist and not Path(path).is_dir():
        raise ConfigError(f"There is no queue folder {path!r}: enqueue a job first, or correct NC_LATENT_TOD_QUEUE_PATH, which "
                          f"is {_FORMS}.")
    from nc_latent_tod.queues.folder.queue import FolderQueue

    return FolderQueue(path, **options)


def is_sqs(path: str) -> bool:
    """Whether a queue's name is that of an SQS queue."""
    is_url = path.startswith(("https://", "http://"))
    return is_url or (path.endswith(".fifo") and not {"/", ":"} & set(path) and not Path(path).is_dir())


def open_manifest(section: ManifestSection, *, fence: Fence | None = None, opened: Opened | None = None) -> Manifest:
    """The manifest that a job names. Raises `ConfigError` where it must exist and does not.

    With `fence`, a DynamoDB manifest takes entries from the newest holder of the job only. `opened`: manifests that were opened
    before, and are used again, for they know what they have read.
    """
    opened = {} if opened is None else opened
    key = (section.type, section.manifest_path)
    if section.type == "dynamo":
        from nc_latent_tod.manifests.dynamo import DynamoManifest

        table = opened.setdefault(key, DynamoManifest(section.manifest_path))
        assert isinstance(table, DynamoManifest)
        if section.manifest_must_exist:
            table.check()
        return table.fenced(fence)
    from nc_latent_tod.manifests.local import LocalManifest

    if section.manifest_must_exist and not Path(section.manifest_path).is_dir():
        raise ConfigError(f"The manifest {section.manifest_path!r} does not exist and manifest.manifest_must_exist is true. "
                          "Run the group's first job (job_0) to its end, or correct manifest.manifest_path.")
    return opened.setdefault(key, LocalManifest(section.manifest_path))


def manifest_section(name: str, group_id: str) -> ManifestSection:
    """What a job file would say of the manifest `name`: a folder, or `dynamo:TABLE` (`dynamo:` for the usual table).

    Raises `ConfigError` where no group can be called `group_id`.
    """
    if not re.fullmatch(NAME_PATTERN, group_id):
        raise ConfigError(f"No group is called {group_id!r}: the ids of groups have letters, digits, '_', '.' and '-' only.")
    if name.startswith(DYNAMO):
        return ManifestSection(type="dynamo", manifest_path=name.removeprefix(DYNAMO) or DEFAULT_TABLE, group_id=group_id)
    return ManifestSection(type="local", manifest_path=name, group_id=group_id)


def manifest_at(name: str, group_id: str) -> Manifest:
    """The manifest `name`: a folder, or `dynamo:TABLE`. Raises `ConfigError` where there is none."""
    if not name.startswith(DYNAMO) and not (name and Path(name).is_dir()):
        raise ConfigError(f"There is no manifest folder {name!r}. Name it with --manifest as in the job file, or "
                          "dynamo:TABLE, or set NC_LATENT_TOD_MANIFEST_PATH.")
    return open_manifest(manifest_section(name, group_id))


def warnings(job: Job, queue: str = "") -> list[str]:
    """What will not work once the job runs on another machine."""
    is_shared = job.manifest.type == "dynamo" or is_sqs(queue)
    notes = []
    if is_shared and "://" not in job.labels_url:
        notes.append(f"labels go to the folder {job.labels_url!r} of the machine that runs the job; others cannot read them "
                     "there. Set output.labels_url to s3://BUCKET/FOLDER.")
    if is_sqs(queue) and job.manifest.type == "local":
        notes.append(f"the manifest is the folder {job.manifest.manifest_path!r} of the machine that runs the job. Set "
                     'manifest.type to "dynamo", or mount the folder on all machines.')
    return notes
