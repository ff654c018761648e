"""Bytes on any fsspec URL: written whole or not at all, read with their sha256 checked."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

from nc_latent_tod.errors import ConfigError, DamagedError, storage_failed
from nc_latent_tod.system.durable import move, sync_folder
from nc_latent_tod.system.s3 import register

register()


def write_bytes(url: str | Path, data: bytes) -> None:
    """Put `data` at `url`, whole or not at all. Raises `RetryableError` where the storage fails."""
    file_system, path = resolve(url)
    try:
        if isinstance(file_system, LocalFileSystem):
            write_whole(Path(path), data)
        else:
            file_system.pipe_file(path, data)
    except OSError as error:
        raise storage_failed(f"write {url}", error) from error


def create_bytes(url: str | Path, data: bytes) -> bool:
    """Put `data` at `url`, whole, unless something is there already; False where it is: the first writer wins.

    Raises `RetryableError` where the storage fails.
    """
    file_system, path = resolve(url)
    try:
        if isinstance(file_system, LocalFileSystem):
            temporary = Path(path).with_name(f".{uuid4().hex}.tmp")
            write_whole(temporary, data)
            try:
                os.link(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(temporary.parent)
        else:
            file_system.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    except OSError as error:
        raise storage_failed(f"write {url}", error) from error
    return True


def read_bytes(url: str | Path, sha256: str | None = None) -> bytes:
    """Read what is stored at `url`; where `sha256` is given, it must match. Raises as `read_examples` does."""
    file_system, path = resolve(url)
    with storage_errors(url):
        data = file_system.cat_file(path)
    found = hashlib.sha256(data).hexdigest()
    if sha256 and found != sha256:
        raise DamagedError(f"The label file {url} is damaged: its sha256 is {found}, the manifest says {sha256}.")
    return bytes(data)


@contextmanager
def storage_errors(url: str | Path) -> Iterator[None]:
    """Turn a label file that is not there into a `DamagedError`, a storage that fails into a `RetryableError`."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError):
        raise DamagedError(f"The label file {url} is missing{_looked_in(str(url))}.") from None
    except OSError as error:
        raise storage_failed(f"read the labels at {url}", error) from error


def _looked_in(url: str) -> str:
    """Where a relative path was looked for: it is meant from the folder that the job ran in."""
    return "" if "://" in url or os.path.isabs(url) else f" below {os.getcwd()}: run this where the job ran"


def resolve(url: str | Path) -> tuple[Any, str]:
    """The file system of a URL, and the path there. Raises `ConfigError` where there is no such file system."""
    if "\0" in str(url):
        raise ConfigError(f"Cannot use {str(url)!r} as a file name or URL: it holds a character that no name can have.")
    try:
        return fsspec.core.url_to_fs(str(url))
    except (ValueError, ImportError) as error:
        raise ConfigError(f"Cannot use the URL {url}: {error}.") from error


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` at `path` so that a crash leaves the whole file or none; makes the folder. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as file:  # as readable as the umask lets new files be
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        move(temporary, path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
