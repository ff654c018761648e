"""Datasets on disk: whole or absent, and never over a different one."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nc_latent_tod.errors import ConfigError, RetryableError
from nc_latent_tod.system.durable import move_tree, scratch_folder

if TYPE_CHECKING:
    from datasets import DatasetDict


def save_whole(dataset: DatasetDict, card: str, folder: Path) -> tuple[Path, bool]:
    """Save `dataset` with its card as `folder`; returns the folder and whether an identical one was there already.

    Raises `ConfigError` where a different folder is in the way, `RetryableError` where the disk refuses.
    """
    try:
        with scratch_folder(folder.parent, folder.name) as temporary, no_progress_bars():
            dataset.save_to_disk(str(temporary / "data"))
            (temporary / "data" / "README.md").write_text(card, "utf-8")
            if not folder.exists():
                move_tree(temporary / "data", folder)
                return folder, False
            if different := differing_file(temporary / "data", folder):
                raise ConfigError(f"{folder} is there already and differs ({different}). Publish to another folder, or remove "
                                  "it.")
            return folder, True
    except OSError as error:
        raise RetryableError(f"Cannot write the dataset to {folder}: {error}.") from error


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """The bars of `datasets` are off within this context."""
    import datasets

    if datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def differing_file(a: Path, b: Path) -> str | None:
    """The first file that is in one of two folders alone or has other bytes; None where they are identical."""
    names = sorted({p.relative_to(root).as_posix() for root in (a, b) for p in root.rglob("*") if p.is_file()})
    for name in names:
        if not ((a / name).is_file() and (b / name).is_file() and filecmp.cmp(a / name, b / name, shallow=False)):
            return name
    return None
