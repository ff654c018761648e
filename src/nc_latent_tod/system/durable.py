"""Files that are whole or absent, also after `kill -9`, a power cut or a full disk."""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

_ABANDONED_S = 3600.0  # a scratch folder that nobody has written to for so long


def write_new(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a file that does not exist yet, as UTF-8; flushed to the disk if `durable`.

    Raises `FileExistsError`, or `OSError` (a full disk, for one) after removing what was written so far.
    The name is safe after a power cut only once its folder is synchronised: `sync_folder`.
    """
    data = text.encode("utf-8")
    with open(path, "xb") as file:
        try:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        except OSError:
            with contextlib.suppress(OSError):
                file.close()  # tries to flush again
            path.unlink(missing_ok=True)
            raise


def sync_folder(path: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_own(folder: Path, own: re.Pattern[str]) -> list[str]:
    """Delete the files below `folder` whose names relative to it, with `/`, match `own` whole, and folders that are empty then.

    Returns the names of what stays: something else wrote it. Links are deleted if they match and never followed; what others
    delete meanwhile is no error. Raises `OSError` where a file cannot be deleted.
    """
    left: list[str] = []
    for place, folders, files in os.walk(folder, topdown=False):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in (*files, *links):
            path = Path(place, name)
            relative = path.relative_to(folder).as_posix()
            if own.fullmatch(relative):
                path.unlink(missing_ok=True)
            else:
                left.append(relative)
        with contextlib.suppress(OSError):  # not empty, or gone
            os.rmdir(place)
    return sorted(left)


@contextlib.contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new folder in `parent`, to be written and then moved; deleted at the end unless it was.

    Those that killed processes left there an hour ago or earlier are deleted too.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for old in parent.glob(f".{glob.escape(name)}-????????.scratch"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - old.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(old, ignore_errors=True)
    made = parent / f".{name}-{uuid4().hex[:8]}.scratch"
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def move_tree(source: Path, target: Path) -> None:
    """Rename a folder within one file system so that a power cut leaves it whole under the new name, or under the old one."""
    for place, _, files in os.walk(source):
        for name in files:
            with open(os.path.join(place, name), "rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(place))
    move(source, target)


def move(source: Path, target: Path) -> None:
    """Rename within one file system, durably. Of several processes that move one file, one succeeds.

    Raises `FileNotFoundError` where `source` is gone.
    """
    os.rename(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)
