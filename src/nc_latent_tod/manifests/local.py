"""A manifest that is a folder: one readable JSON file an entry, `<path>/<group_id>/<run_id>.json`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from nc_latent_tod.errors import ConfigError, DamagedError, RetryableError
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.system.durable import sync_folder, write_new

_NAME_BYTES = 255  # of a file name, https://man7.org/linux/man-pages/man7/path_resolution.7.html

_Version = tuple[int, int, int]  # inode, bytes, time of change in ns


class LocalManifest:
    """A manifest in a folder. Safe for many processes: an entry appears whole or not at all, and is never replaced.

    One object reads each entry once, so keep it for as long as groups are listed again and again.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Name the folder; it is created with the first entry."""
        self.path = Path(path)
        self._read_before: dict[str, tuple[_Version, ManifestEntry]] = {}  # else each job would read all earlier entries

    def add(self, entry: ManifestEntry) -> bool:
        """Add an entry, durably; False where (group_id, run_id) is already there: the first writer wins.

        Raises `DamagedError` where the entry that is already there is unreadable, `ConfigError` where the folder
        cannot be used, `RetryableError` on a full disk.
        """
        target = self._file(entry.group_id, entry.run_id)
        folder = target.parent
        temporary = folder / f".{uuid4().hex}.tmp"
        try:
            _create(folder)
            write_new(temporary, json.dumps(entry.stored(), indent=2, ensure_ascii=False) + "\n")
            try:
                os.link(temporary, target)
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(folder)
        except FileExistsError:
            _read(target, entry.group_id)
            return False
        except (PermissionError, NotADirectoryError) as error:
            raise ConfigError(f"{target}: cannot add the entry: {error}. Name a writable manifest folder.") from error
        except OSError as error:
            raise RetryableError(f"{target}: cannot add the entry: {error}. Free space, then try again.") from error
        return True

    def entry(self, group_id: str, run_id: str) -> ManifestEntry | None:
        """The entry of one run; None where there is none. Raises `DamagedError` as `entries` does."""
        path = self._file(group_id, run_id)
        return self._entry(str(path), path.stat, group_id) if os.path.lexists(path) else None

    def entries(self, group_id: str) -> list[ManifestEntry]:
        """Entries of a group ordered by run_id; [] for an unknown group.

        Raises `DamagedError` naming the file where one is truncated, unreadable or no entry of this group.
        """
        folder = self.path / _file_name(group_id, "group_id")
        try:
            with os.scandir(folder) as files:  # hidden ones are entries that a killed process did not finish
                visible = [file for file in files if not file.name.startswith(".")]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DamagedError(f"{folder}: the group cannot be listed: {error}. Correct its owner or mode.") from error
        found = [self._entry(file.path, file.stat, group_id) for file in visible]
        return sorted(found, key=lambda entry: entry.run_id)

    def groups(self) -> list[str]:
        """The groups that have entries, in order. Raises `DamagedError` where the folder cannot be listed."""
        try:
            folders = [folder for folder in self.path.iterdir() if folder.is_dir() and not folder.name.startswith(".")]
            return sorted(unquote(folder.name) for folder in folders if any(folder.glob("[!.]*.json")))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DamagedError(f"{self.path}: the manifest cannot be listed: {error}. Correct its owner or mode.") from error

    def leftovers(self) -> list[str]:
        """Files of entries that killed processes did not write to their end."""
        return sorted(str(path.absolute()) for path in self.path.glob("*/.*.tmp"))

    def _file(self, group_id: str, run_id: str) -> Path:
        return self.path / _file_name(group_id, "group_id") / f"{_file_name(run_id, 'run_id')}.json"

    def _entry(self, path: str, stat: Callable[[], os.stat_result], group_id: str) -> ManifestEntry:
        """Read an entry, or remember it where its file is the same as before."""
        try:
            status = stat()
        except OSError as error:
            raise DamagedError(f"{path}: cannot be read: {error}. Restore the file, or list the group again.") from error
        version = (status.st_ino, status.st_size, status.st_mtime_ns)
        known = self._read_before.get(path)
        if known is None or known[0] != version:
            known = self._read_before[path] = (version, _read(Path(path), group_id))
        return known[1]


def _file_name(identifier: str, field: str) -> str:
    """A file name for any identifier, equal for none but equal ones. Raises `ConfigError`."""
    if not identifier:
        raise ConfigError(f"A manifest entry has an empty {field}. Name one in the job file.")
    name = quote(identifier, safe=" +=,@")
    if name.startswith("."):  # hidden files are no entries; "." and ".." are no files
        name = f"%2E{name[1:]}"
    if len(name) + len(".json") > _NAME_BYTES:
        raise ConfigError(f"{field} = {identifier[:40]!r}...: too long for a file name. Use 200 plain letters at most.")
    return name


def _create(folder: Path) -> None:
    """Create a folder and its parents so that they survive a power cut."""
    if folder.is_dir():
        return
    if not folder.parent.exists():
        _create(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def _read(path: Path, group_id: str) -> ManifestEntry:
    """Read one entry, strictly."""
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise DamagedError(f"{path}: cannot be read: {error}. Correct its mode, or move it away if foreign.") from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(
            f"{path}: not a whole JSON file: {error}. Restore it from a copy, or move it away and run its job again."
        ) from error
    problem = _problem(values)
    if not problem:
        arguments: dict[str, Any] = {key: tuple(map(sys.intern, v)) if isinstance(v, list) else v  # a run is named by many
                                     for key, v in values.items()}
        entry = ManifestEntry(**arguments)
        if entry.group_id == group_id and f"{_file_name(entry.run_id, 'run_id')}.json" == path.name:
            return entry
        problem = f"it is the entry of run {entry.run_id!r} in group {entry.group_id!r}"
    raise DamagedError(f"{path}: not an entry of group {group_id!r} under its own name: {problem}. Move the file away.")


def _problem(values: Any) -> str:
    """What keeps decoded JSON from being an entry; "" where nothing does."""
    if not isinstance(values, dict):
        return f"it holds {type(values).__name__}, not an object"
    known = {field.name: field for field in fields(ManifestEntry)}
    if unknown := sorted(set(values).difference(known)):
        return f"unknown key {unknown[0]!r}"
    for name, field in known.items():
        if name not in values:
            if field.default is MISSING and field.default_factory is MISSING:
                return f"the key {name!r} is missing"
        elif not _is_of_type(values[name], str(field.type)):
            return f"{name} = {values[name]!r} must be of type {field.type}"
        elif name in ("group_id", "run_id") and not values[name]:
            return f"{name} is empty"
    return ""


def _is_of_type(value: Any, kind: str) -> bool:
    """Whether a decoded JSON value can stand for a field annotated with `kind`."""
    if kind == "tuple[str, ...]":
        return isinstance(value, list) and all(isinstance(part, str) for part in value)
    types: tuple[type, ...] = {"str": (str,), "int": (int,), "float": (int, float)}[kind]
    return isinstance(value, types) and not isinstance(value, bool)
