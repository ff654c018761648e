"""A job's finished labels while it runs: a header that fixes what the job depends on, and one part a batch.

Parts are whole label files with names of their own, so a job that is killed loses the batch in hand and nothing else, and two
workers that hold the same job cannot tear each other's parts.
"""

from __future__ import annotations

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from nc_latent_tod.corpus.label_files import parse_examples, write_examples
from nc_latent_tod.errors import ConfigError, DamagedError, RetryableError, storage_failed
from nc_latent_tod.labels import Example
from nc_latent_tod.system.files import create_bytes, resolve, storage_errors

logger = logging.getLogger(__name__)

_READERS = 8  # parts at a time: on S3 most of the time is waiting
_PART = re.compile(r"/part-[^/]+\.jsonl\Z")
OWN = re.compile(r"header\.json|part-\d{6}-[0-9a-f]{8}\.jsonl|\..+\.tmp")
"""The files of a checkpoint, half-written ones too: nothing else below its folder is ever deleted."""


class Checkpoint:
    """Labels of one run under `url`, a folder or fsspec URL of their own."""

    def __init__(self, url: str) -> None:
        """Name the place; nothing is written yet. Raises `ConfigError` where the URL's file system is unknown."""
        self.url = url.rstrip("/")
        self._fs, self._path = resolve(self.url)
        self._written = 0

    def open(self, header: Mapping[str, Any], fixed: Sequence[str]) -> dict[str, Any]:
        """Return the header that is stored, or store `header`; of several workers that do so at once, the first wins.

        Keys in `fixed` must be equal in both: labels of two configurations never mix. Raises `ConfigError` with the
        differences, `DamagedError` where the stored header cannot be read.
        """
        path = f"{self._path}/header.json"
        if foreign := [name for name in self._names() if not OWN.fullmatch(name)]:
            raise ConfigError(f"The folder {self.url} is to hold the checkpoint of this job, and holds {foreign[0]!r}"
                              f"{f' and {len(foreign) - 1} more files' if foreign[1:] else ''}, which no job has written. Give "
                              "the job another run_id or output.labels_url, or move those files away.")
        if create_bytes(f"{self.url}/header.json", f"{json.dumps(header, indent=2, sort_keys=True)}\n".encode()):
            return dict(header)
        try:
            stored: dict[str, Any] = json.loads(self._fs.cat_file(path))
            changed = [difference for key in fixed for difference in differences(key, stored[key], header[key])]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"The checkpoint header {path} cannot be read ({error}). "
                               f"Delete the folder {self.url} to label the split afresh.") from error
        if changed:
            raise ConfigError(f"The checkpoint {self.url} was made by another configuration ({'; '.join(changed)}). "
                              "Restore that configuration, give the job another run_id, or delete the folder to start afresh.")
        return stored

    def add(self, examples: Sequence[Example]) -> None:
        """Store one batch of labels; on disk when this returns."""
        write_examples(f"{self.url}/part-{self._written:06d}-{uuid.uuid4().hex[:8]}.jsonl", examples)
        self._written += 1

    def labels(self, check: Callable[[], None] = lambda: None) -> dict[tuple[str, int], Example]:
        """All stored labels by (dialogue_id, turn_id).

        `check` is called before each part: what it raises ends the reading, which may take long on a slow storage.
        """
        self._fs.invalidate_cache()  # another worker may have written since
        names = self._fs.ls(self._path, detail=False) if self._fs.exists(self._path) else []
        parts = sorted(name for name in names if _PART.search(name))  # not by glob: the URL may hold the signs of a pattern
        found: dict[tuple[str, int], Example] = {}
        executor = ThreadPoolExecutor(_READERS, "checkpoint")
        try:
            for part, data in zip(parts, executor.map(self._read, parts), strict=True):
                check()
                for example in parse_examples(data, self._fs.unstrip_protocol(part)):
                    found.setdefault(example.turn.key, example)
        finally:
            executor.shutdown(cancel_futures=True)
        self._written = len(parts)
        return found

    def _names(self) -> list[str]:
        """What the folder holds, folders too."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._path, detail=False)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise storage_failed(f"look into {self.url}", error) from error
        names = (str(name).rstrip("/").rpartition("/")[2] for name in found)
        return sorted(name for name in names if not name.startswith(".nfs"))  # deleted on NFS, and still open somewhere

    def _read(self, part: str) -> bytes:
        # On this file system: one for each part would mean a client and a connection for each part on S3.
        with storage_errors(part):
            return bytes(self._fs.cat_file(part))

    def remove(self) -> None:
        """Delete the checkpoint, file by file: its labels are in the label file now. Files of other making stay.

        What cannot be deleted stays too, with a warning.
        """
        try:
            names = self._names()
            own = [f"{self._path}/{name}" for name in names if OWN.fullmatch(name)]
            if isinstance(self._fs, LocalFileSystem):
                for path in own:
                    with suppress(FileNotFoundError):  # another worker deletes it too
                        self._fs.rm_file(path)
            elif own:
                self._fs.rm(own)  # in few requests
            if foreign := [name for name in names if not OWN.fullmatch(name)]:
                logger.warning("%s: the checkpoint is gone; %s and what else lies there is not its own, and stays", self.url,
                               foreign[0])
            elif names:
                with suppress(FileNotFoundError):
                    self._fs.rmdir(self._path)
        except (OSError, RetryableError) as error:  # another worker still writes
            logger.warning("%s: the checkpoint is no longer needed and could not be deleted whole: %s", self.url, error)


def differences(name: str, then: Any, now: Any) -> list[str]:
    """What changed between two values of JSON, by the path of each option."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        return [difference for key in dict.fromkeys((*then, *now))
                for difference in differences(f"{name}.{key}", then.get(key), now.get(key))]
    return [] if then == now else [f"{name}: {then!r} then, {now!r} now"]
