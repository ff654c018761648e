"""Versions of a dataset: which files it has, by their sha256. The name of a version is a hash of that list."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from nc_latent_tod.errors import ConfigError, DamagedError

VERSION_DIGITS = 12


@dataclass(frozen=True, order=True)
class File:
    """One file of a version."""

    path: str  # below the dataset's folder, with "/"
    sha256: str
    size: int  # bytes


@dataclass(frozen=True)
class Version:
    """A manifest: what a version holds. `faults` is how many `check` found when it was uploaded."""

    name: str
    files: tuple[File, ...]  # by path
    faults: int
    uploaded_at: str  # UTC, ISO 8601

    @property
    def version(self) -> str:
        """Of the files alone: the same content has the same version, whoever uploads it when."""
        told = json.dumps([[file.path, file.sha256, file.size] for file in self.files])
        return hashlib.sha256(told.encode()).hexdigest()[:VERSION_DIGITS]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> bytes:
        return f"{json.dumps({**asdict(self), 'version': self.version}, indent=1)}\n".encode()


def read_version(data: bytes, where: str) -> Version:
    """A stored manifest. Raises `DamagedError` where it is none, or tells of other files than its name says."""
    try:
        row = json.loads(data)
        found = Version(row["name"], tuple(File(**file) for file in row["files"]), row["faults"], row["uploaded_at"])
        for file in found.files:
            below(file.path)
    except (ValueError, KeyError, TypeError, ConfigError) as error:
        raise DamagedError(f"{where} is no manifest of a dataset ({error}).") from error
    if found.version != row.get("version"):
        raise DamagedError(f"{where} was changed: its files make the version {found.version}, it says {row.get('version')}.")
    return found


def files_of(folder: Path) -> tuple[File, ...]:
    """The files of a dataset folder; hidden ones are left out. Raises `ConfigError` on a symbolic link."""
    found = []
    for path in sorted(folder.rglob("*")):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if path.is_symlink():
            raise ConfigError(f"{path} is a symbolic link: put the file itself into the dataset.")
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found.append(File(path.relative_to(folder).as_posix(), digest, path.stat().st_size))
    return tuple(sorted(found))


def below(path: str) -> str:
    """A path within a dataset, as it is stored. Raises `ConfigError` where it leads out of it."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise ConfigError(f"The path {path!r} leads out of the dataset: give one below its folder, without '..'.")
    return "/".join(parts)


@dataclass(frozen=True)
class Difference:
    """Paths that one version has and another has not, or has otherwise."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]


def difference(old: Version, new: Version) -> Difference:
    """What became of `old` in `new`."""
    before: Mapping[str, str] = {file.path: file.sha256 for file in old.files}
    after = {file.path: file.sha256 for file in new.files}
    return Difference(tuple(sorted(set(after) - set(before))), tuple(sorted(set(before) - set(after))),
                      tuple(sorted(path for path in set(before) & set(after) if before[path] != after[path])))
