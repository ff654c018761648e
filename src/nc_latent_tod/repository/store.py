"""Versions of datasets at one place, a folder or `s3://BUCKET/datasets`: nothing is listed before it is whole.

    NAME/objects/SHA256               a file by its content, which versions share
    NAME/versions/VERSION/manifest.json   written last: a half upload is not there
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_latent_tod.errors import ConfigError, DamagedError, nearest, storage_failed
from nc_latent_tod.repository.elements import NAME_PATTERN
from nc_latent_tod.repository.versions import File, Version, below, read_version
from nc_latent_tod.system.files import create_bytes, resolve, write_bytes, write_whole

MANIFEST = "manifest.json"
WORKERS = 8

Progress = Callable[[int, int], None]
"""Told (bytes done, bytes in all) after each file, from any thread."""


@dataclass(frozen=True)
class Moved:
    """What an upload, a download or a promotion did."""

    version: Version
    sent: tuple[str, ...]  # paths; what was there already is not among them
    bytes: int


class Store:
    """The datasets of one environment. Thread-safe; several processes may upload at once."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files, self._root = resolve(self.url)

    def datasets(self) -> list[str]:
        """The names of datasets that have a version."""
        return sorted({name for name, _ in self._manifests("")})

    def versions(self, name: str) -> list[Version]:
        """The versions of a dataset, the oldest first. Raises `ConfigError` for an unknown one."""
        found = [self._read(path) for _, path in self._manifests(_named(name))]
        if not found:
            known = self.datasets()
            raise ConfigError(f"There is no dataset {name!r} at {self.url}.{nearest(name, known)} "
                              f"There are: {', '.join(known) or 'none'}.")
        return sorted(found, key=lambda version: (version.uploaded_at, version.version))

    def version(self, reference: str) -> Version:
        """The version `NAME@VERSION`, which may be cut short where it is clear; of a `NAME` alone the newest.

        Raises `ConfigError` for an unknown dataset or version.
        """
        name, _, asked = reference.partition("@")
        known = self.versions(name)
        found = [version for version in known if version.version.startswith(asked)] if asked else known[-1:]
        if len(found) != 1:
            told = f"{'several versions' if found else 'no version'} {asked!r}"
            raise ConfigError(f"The dataset {name!r} at {self.url} has {told}. "
                              f"There are: {', '.join(version.version for version in known)}.")
        return found[0]

    def upload(self, folder: Path, version: Version, *, workers: int = WORKERS, progress: Progress | None = None) -> Moved:
        """Send what is not there yet, then the manifest. Raises `ConfigError` where a file changed meanwhile."""
        def send(file: File) -> None:
            data = (folder / file.path).read_bytes()
            if hashlib.sha256(data).hexdigest() != file.sha256:
                raise ConfigError(f"{folder / file.path} was changed during the upload: upload the dataset again.")
            write_bytes(self._object(version.name, file), data)

        return self._filled(version, send, workers, progress)

    def copy_from(self, other: Store, version: Version, *, workers: int = WORKERS, progress: Progress | None = None) -> Moved:
        """Copy a version, on the server where both are S3 or folders. Raises `DamagedError` naming what is missing."""
        def copy(file: File) -> None:
            source, target = (resolve(store._object(version.name, file))[1] for store in (other, self))
            if type(self._files) is not type(other._files):
                return write_bytes(self._object(version.name, file), other._whole(version, file))
            try:
                self._files.makedirs(target.rpartition("/")[0], exist_ok=True)
                self._files.cp_file(source, target)
            except FileNotFoundError:
                raise other._is_missing(version, file) from None
            except OSError as error:
                raise storage_failed(f"copy {file.path}", error) from error

        return self._filled(version, copy, workers, progress)

    def _filled(self, version: Version, bring: Callable[[File], None], workers: int, progress: Progress | None) -> Moved:
        there = self._objects(version.name)
        lacking = list({file.sha256: file for file in version.files if there.get(file.sha256) != file.size}.values())
        in_parallel(bring, lacking, workers=workers, progress=progress)
        create_bytes(f"{self._folder(version)}/{MANIFEST}", version.to_json())
        return Moved(version, tuple(file.path for file in lacking), sum(file.size for file in lacking))

    def download(self, version: Version, folder: Path, *, path: str = "", workers: int = WORKERS,
                 progress: Progress | None = None) -> Moved:
        """Write a version, or the file or folder `path` of it, into `folder`; what is there already is not fetched.

        Nothing is written where a file would be overwritten (`ConfigError`) or the stored ones are not whole (`DamagedError`).
        """
        wanted = _part(version, path) if path else list(version.files)
        there = self._objects(version.name)
        for file in wanted:
            if there.get(file.sha256) != file.size:
                raise self._is_missing(version, file)
        lacking = [file for file in wanted if not _is_there(folder / file.path, file)]

        in_parallel(lambda file: write_whole(folder / file.path, self._whole(version, file)), lacking,
                    workers=workers, progress=progress)
        return Moved(version, tuple(file.path for file in lacking), sum(file.size for file in lacking))

    def remove(self, version: Version) -> int:
        """Delete a version, then the files that no other has; how many these were. Not while another is uploaded."""
        rest = [other for other in self.versions(version.name) if other.version != version.version]
        kept = {file.sha256 for other in rest for file in other.files}
        gone = sorted({file.sha256 for file in version.files} - kept & set(self._objects(version.name)))
        try:
            self._files.rm(f"{resolve(self._folder(version))[1]}/{MANIFEST}")
            for digest in gone:
                self._files.rm(f"{self._root}/{version.name}/objects/{digest}")
        except OSError as error:
            raise storage_failed(f"delete {version.name}@{version.version}", error) from error
        return len(gone)

    def _url(self, path: str) -> str:
        return f"s3://{path}" if self.url.startswith("s3://") else path

    def _folder(self, version: Version) -> str:
        return f"{self.url}/{_named(version.name)}/versions/{version.version}"

    def _object(self, name: str, file: File) -> str:
        return f"{self.url}/{_named(name)}/objects/{file.sha256}"

    def _whole(self, version: Version, file: File) -> bytes:
        url = self._object(version.name, file)
        data = self._bytes(url, lambda: self._is_missing(version, file))
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise DamagedError(f"{file.path} of {version.name}@{version.version} is damaged: its sha256 is not that of the "
                               f"manifest. Delete {url}, then upload the dataset again.")
        return data

    def _is_missing(self, version: Version, file: File) -> DamagedError:
        return DamagedError(f"{file.path} of {version.name}@{version.version} is missing or cut short: there should be "
                            f"{file.size} bytes at {self._object(version.name, file)}. Upload the dataset again.")

    def _read(self, path: str) -> Version:
        data = self._bytes(self._url(path), lambda: DamagedError(f"{path} is gone: list the versions again."))
        return read_version(data, path)

    def _bytes(self, url: str, missing: Callable[[], DamagedError]) -> bytes:
        try:
            return bytes(self._files.cat_file(resolve(url)[1]))
        except FileNotFoundError:
            raise missing() from None
        except OSError as error:
            raise storage_failed(f"read {url}", error) from error

    def _objects(self, name: str) -> dict[str, int]:
        """Sizes of the files of a dataset, by sha256."""
        found = self._found(f"{_named(name)}/objects")
        return {path.rpartition("/")[2]: info["size"] for path, info in found.items()}

    def _manifests(self, name: str) -> list[tuple[str, str]]:
        """(dataset, path) of every manifest below `name`, or of all."""
        root = self._root.strip("/")
        parts = [(path.strip("/").removeprefix(root).strip("/").split("/"), path) for path in self._found(name)]
        return [(part[0], path) for part, path in parts if len(part) == 4 and part[1] == "versions" and part[3] == MANIFEST]

    def _found(self, below: str) -> dict[str, Any]:
        try:
            return dict(self._files.find(f"{self._root}/{below}".rstrip("/"), detail=True))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise storage_failed(f"list {self.url}", error) from error


def in_parallel(work: Callable[[File], None], files: Sequence[File], *, workers: int, progress: Progress | None) -> None:
    """Do `work` on every file, largest first. The first failure ends it: what has not begun is not begun, and it is raised."""
    if workers < 1:
        raise ConfigError(f"workers has to be 1 or more, not {workers}.")
    done: list[int] = []
    total, stopped = sum(file.size for file in files), threading.Event()

    def one(file: File) -> None:
        if stopped.is_set():
            return
        with ExitStack() as failed:
            failed.callback(stopped.set)
            work(file)
            done.append(file.size)
            if progress is not None:
                progress(sum(done), total)
            failed.pop_all()  # it did not

    with ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(one, file) for file in sorted(files, key=lambda file: -file.size)]
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            stopped.set()  # all are done, one failed, or Ctrl-C: what has not begun is not begun
            pool.shutdown(cancel_futures=True)
        for future in running:
            if not future.cancelled():
                future.result()


def _named(name: str) -> str:
    if name and not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(f"No dataset is called {name!r}: use letters, digits, '_', '.' and '-'.")
    return name


def _part(version: Version, path: str) -> list[File]:
    wanted = below(path)
    found = [file for file in version.files if file.path == wanted or file.path.startswith(f"{wanted}/")]
    if not found:
        paths = [file.path for file in version.files]
        raise ConfigError(f"{version.name}@{version.version} has no {path!r}.{nearest(path, paths)} "
                          f"It has: {', '.join(paths[:20])}.")
    return found


def _is_there(path: Path, file: File) -> bool:
    """Whether the file is on this machine. Raises `ConfigError` where another stands in its place."""
    if not path.exists():
        return False
    if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256:
        return True
    raise ConfigError(f"{path} is there already with other content, and nothing is written over: name another folder.")
