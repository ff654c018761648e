"""What killed or overtaken workers leave behind: label files that no manifest entry names, checkpoints of finished runs."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import fsspec

from nc_latent_tod.errors import storage_failed
from nc_latent_tod.manifests import Manifest
from nc_latent_tod.pipeline.checkpoint import OWN
from nc_latent_tod.system.s3 import register

register()

Kind = Literal["superseded", "unfinished", "checkpoint", "leftover"]

_LABELS = re.compile(r"(?P<run>.+)-[0-9a-f]{8}\.(jsonl(\.gz)?|[0-9a-f]{12}\.vectors)")  # embeddings lie beside their labels
_LOCAL = "file://"
_HALF = re.compile(r"\..+\.tmp")  # a file that was not written to its end
_VECTORS = re.compile(r"\.[0-9a-f]{12}\.vectors\Z")


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file that nothing needs."""

    path: str  # on the file system of the labels, or a URL
    kind: Kind
    """`superseded`: labels of a run whose entry names others. `unfinished`: labels of a run that has no entry in this group:
    its job may come again. `checkpoint`: of a finished run. `leftover`: a file that was not
    written to its end, also of the manifest."""
    size: int  # bytes
    age_s: float  # since it was written, by the wall clock


def find_orphans(manifest: Manifest, group_id: str, labels_url: str, *, older_than_s: float) -> list[Orphan]:
    """Orphans below `labels_url`, as jobs of the group leave them. Files younger than `older_than_s` count as in use.

    No label file that any group of the manifest names is among them, wherever the entry says that it is: a link, a mount or a
    move gives a file other paths, and its name is of one attempt alone. Raises as the manifest does, `RetryableError` where
    the storage fails.
    """
    try:
        file_system, root = fsspec.core.url_to_fs(labels_url)
        # The files first: one whose entry is added meanwhile must not look forgotten.
        labels, checkpoints = (_files(file_system, f"{root}/{folder}") for folder in ("labels", "checkpoints"))
        groups = {group: manifest.entries(group) for group in {*manifest.groups(), group_id}}
        named = {_file_name(entry.labels_url) for entries in groups.values() for entry in entries}
        finished = {entry.run_id for entry in groups[group_id]}
        found = [*_of_manifest(manifest.leftovers()),
                 *_label_files(labels, finished, named),
                 *_checkpoint_files(file_system, f"{root}/checkpoints/", checkpoints, finished, group_id)]
    except OSError as error:
        raise storage_failed(f"look through {labels_url}", error) from error
    return sorted((orphan for orphan in found if orphan.age_s >= older_than_s), key=lambda orphan: orphan.path)


def remove_orphans(labels_url: str, orphans: Sequence[Orphan]) -> None:
    """Delete them. Raises `RetryableError` where the storage fails."""
    of_labels, _ = fsspec.core.url_to_fs(labels_url)
    for orphan in orphans:
        is_of_manifest = orphan.path.startswith(_LOCAL)
        file_system, path = fsspec.core.url_to_fs(orphan.path) if is_of_manifest else (of_labels, orphan.path)
        try:
            file_system.rm_file(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise storage_failed(f"delete {orphan.path}", error) from error


def _of_manifest(paths: Sequence[str]) -> Iterator[Orphan]:
    files = fsspec.filesystem("file")
    for path in paths:
        with suppress(FileNotFoundError):  # its writer lives, and has just finished
            info = files.info(path)
            yield Orphan(f"{_LOCAL}{path}", "leftover", int(info["size"]), _age_s(info))


def _label_files(files: dict[str, dict[str, Any]], finished: set[str], named: set[str]) -> Iterator[Orphan]:
    for path, info in files.items():
        name = _file_name(path)
        match = _LABELS.fullmatch(name)
        labels = [_VECTORS.sub(ending, name) for ending in (".jsonl", ".jsonl.gz")]
        if named.isdisjoint(labels) and (match or _HALF.fullmatch(name)):  # files of other making are left alone
            kind: Kind = "leftover" if match is None else "superseded" if match["run"] in finished else "unfinished"
            yield Orphan(path, kind, int(info.get("size") or 0), _age_s(info))


def _checkpoint_files(file_system: Any, root: str, files: dict[str, dict[str, Any]], finished: set[str],
                      group_id: str) -> Iterator[Orphan]:
    by_run: dict[str, list[str]] = {}
    for path in files:
        by_run.setdefault(path.removeprefix(root).partition("/")[0], []).append(path)
    for run in sorted(by_run.keys() - finished):  # its job may go on; what its killed workers did not finish is not read
        for path in (path for path in by_run[run] if _HALF.fullmatch(path.removeprefix(f"{root}{run}/"))):
            yield Orphan(path, "leftover", int(files[path].get("size") or 0), _age_s(files[path]))
    for run in sorted(by_run.keys() & finished):
        paths = [path for path in by_run[run] if OWN.fullmatch(path.removeprefix(f"{root}{run}/"))]  # never what others put
        if paths and _is_of(file_system, f"{root}{run}/header.json", group_id):
            youngest_s = min(_age_s(files[path]) for path in paths)  # a worker may still write
            yield from (Orphan(path, "checkpoint", int(files[path].get("size") or 0), youngest_s) for path in paths)


def _is_of(file_system: Any, header: str, group_id: str) -> bool:
    """Whether a checkpoint is of this group; one whose header is gone is, one whose header says something else is not."""
    try:
        return bool(json.loads(file_system.cat_file(header))["job"]["manifest"]["group_id"] == group_id)
    except FileNotFoundError:
        return True
    except (ValueError, KeyError, TypeError):
        return False


def _files(file_system: Any, folder: str) -> dict[str, dict[str, Any]]:
    file_system.invalidate_cache()
    found: dict[str, dict[str, Any]] = file_system.find(folder, detail=True) if file_system.exists(folder) else {}
    return found


def _file_name(place: str) -> str:
    return place.rpartition("/")[2]


def _age_s(info: dict[str, Any]) -> float:
    """Seconds since a file was written; 0, so that it is kept, where the storage does not say."""
    names = ("mtime", "LastModified", "last_modified", "updated", "created")  # of one file system or the other
    written = next((info[name] for name in names if info.get(name)), None)
    if isinstance(written, str):
        written = datetime.fromisoformat(written)
    if isinstance(written, datetime):
        written = written.timestamp()
    return max(0.0, time.time() - written) if isinstance(written, int | float) else 0.0
