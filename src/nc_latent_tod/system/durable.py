"""Files that are whole or absent, also after `kill -9`, a power cut or a full disk."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


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


def move(source: Path, target: Path) -> None:
    """Rename within one file system, durably. Of several processes that move one file, one succeeds.

    Raises `FileNotFoundError` where `source` is gone.
    """
    os.rename(source, target)
    sync_folder(target.parent)
    if source.parent != target.parent:
        sync_folder(source.parent)
