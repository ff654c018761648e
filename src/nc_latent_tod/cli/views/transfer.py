"""Progress of a transfer: bytes as a bar on a terminal, nothing where stderr goes elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from nc_latent_tod.cli.console import standard_error


@contextmanager
def transfer(doing: str) -> Iterator[Callable[[int, int], None]]:
    """Give a callback for (bytes done, bytes in all), to be called from any thread."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    console = standard_error()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
