"""Live progress of a job: dialogues, turns and tokens a second, parse failures, time left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nc_latent_tod.cli.tables import duration
from nc_latent_tod.pipeline import Progress

LINE_SECONDS = 10.0  # between two lines where the output is no terminal


class LiveProgress:
    """Shows a job's `Progress`: in place on a terminal, as a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._next_line = 0.0  # monotonic

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def update(self, progress: Progress) -> None:
        """Show how far the job is now."""
        if self._live:
            self._live.update(_in_place(progress))
        elif (now := time.monotonic()) >= self._next_line:
            self._next_line = now + LINE_SECONDS
            self._console.print(Text(f"{progress.run_id}: {line(progress)}"), soft_wrap=True)


def line(progress: Progress) -> str:
    """All figures in one line."""
    return ", ".join(f"{name} {value}" for name, value in _figures(progress))


def seconds_left(progress: Progress) -> float | None:
    """Seconds to the end at the pace so far; None before there is a pace."""
    labelled = progress.turns_done - progress.turns_resumed
    if labelled <= 0:
        return None
    return progress.seconds * (progress.turns - progress.turns_done) / labelled


def _figures(progress: Progress) -> list[tuple[str, str]]:
    seconds = max(progress.seconds, 1e-9)
    labelled = progress.turns_done - progress.turns_resumed
    share = progress.unparsable / progress.candidates if progress.candidates else 0.0
    left = seconds_left(progress)
    return [
        ("dialogues", f"{progress.dialogues_done}/{progress.dialogues}"),
        ("turns", f"{progress.turns_done}/{progress.turns}"),
        ("turns/s", f"{labelled / seconds:.2f}"),
        ("tokens/s", f"{progress.tokens.computed / seconds:,.0f}"),
        ("unparsable candidates", f"{share:.1%}"),
        ("failed turns", str(progress.failures)),
        ("time left", "?" if left is None else duration(left)),
    ]


def _in_place(progress: Progress) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text(progress.run_id, style="bold"),
                  ProgressBar(total=max(progress.turns, 1), completed=progress.turns_done, width=40))
    for name, value in _figures(progress):
        table.add_row(Text(name, style="dim"), Text(value))
    return table
