"""Label files: one `Example` a line as JSON, gzipped where the name ends in `.gz`, on any fsspec URL.

A file is written whole or not at all, and equal examples give equal bytes. Its sha256 (of the bytes as stored) is what
a manifest keeps; a file that does not match it, or breaks off in the middle, is damaged and is never read in part.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import fsspec
from fsspec.implementations.local import LocalFileSystem

from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import ConfigError, CorpusError, DamagedError, storage_failed
from nc_latent_tod.labels import Example
from nc_latent_tod.system.durable import move, sync_folder
from nc_latent_tod.system.s3 import register

register()


def write_examples(url: str | Path, examples: Iterable[Example]) -> str:
    """Write a label file at `url` and return its sha256 as 64 hexadecimal digits.

    Locally: a temporary file, fsync, rename. Elsewhere: one put of the whole object. Choose a URL that no other attempt
    uses. Raises `RetryableError` where the storage fails, `ConfigError` where the URL's file system is unknown.
    """
    data = b"".join(_line(example) for example in examples)
    if str(url).endswith(".gz"):
        data = gzip.compress(data, mtime=0)  # without a time stamp: equal examples, equal bytes
    write_bytes(url, data)
    return hashlib.sha256(data).hexdigest()


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


def read_examples(url: str | Path, sha256: str | None = None) -> list[Example]:
    """Read a label file; where `sha256` is given, the bytes must match it.

    Raises `DamagedError` where the file is missing, differs or is torn, `RetryableError` where the storage fails.
    """
    return list(parse_examples(read_bytes(url, sha256), str(url)))


def read_for_pool(url: str | Path, sha256: str | None = None) -> list[Example]:
    """Read a label file for a pool of examples: without candidates, which are most of it. Raises as `read_examples` does."""
    return list(parse_examples(read_bytes(url, sha256), str(url), with_candidates=False))


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


def labelled_dialogues(path: Path) -> Iterator[tuple[str, Dialogue]]:
    """Yield (where, dialogue) of a label file; nothing but the text of its turns. Raises `CorpusError`."""
    by_dialogue: dict[str, list[Turn]] = {}
    try:
        for example in read_examples(path):
            by_dialogue.setdefault(example.turn.dialogue_id, []).append(example.turn)
    except DamagedError as error:
        raise CorpusError(str(error)) from error
    for dialogue_id, turns in by_dialogue.items():
        turns.sort(key=lambda turn: turn.turn_id)
        if [turn.turn_id for turn in turns] != list(range(len(turns))):
            raise CorpusError(f"{path}: dialogue {dialogue_id!r} lacks turns or repeats them: "
                              f"{[turn.turn_id for turn in turns][:20]}.")
        yield f"{path}, dialogue {dialogue_id!r}", Dialogue(dialogue_id, tuple(turns))


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
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        move(Path(temporary), path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def _line(example: Example) -> bytes:
    row = example.to_json()
    try:
        return f"{json.dumps(row, ensure_ascii=False, sort_keys=True)}\n".encode()
    except UnicodeEncodeError:  # a lone surrogate in a model's text: keep it, escaped
        return f"{json.dumps(row, sort_keys=True)}\n".encode()


def parse_examples(data: bytes, url: str, *, with_candidates: bool = True) -> Iterator[Example]:
    """Read the bytes of the label file at `url`. Raises `DamagedError`."""
    if url.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DamagedError(f"The label file {url} is damaged ({error}).") from None
    lines = data.split(b"\n")
    if lines.pop():
        raise DamagedError(f"The label file {url} breaks off in line {len(lines) + 1}.")
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if not with_candidates:
                for task in row["label"]["tasks"].values():
                    task.update(candidates=(), retrieved=())
            yield Example.from_json(row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"{url}:{number}: not a labelled turn ({type(error).__name__}: {error}).") from None
