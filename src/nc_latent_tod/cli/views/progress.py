"""Live progress: of a job (dialogues, turns and tokens a second, parse failures, time left) and of a training run."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from nc_latent_tod.cli.console import remark
from nc_latent_tod.cli.views.tables import duration, share

if TYPE_CHECKING:
    from nc_latent_tod.pipeline.run import Progress

LINE_SECONDS = 10.0  # between two lines where the output is no terminal

Figures = Sequence[tuple[str, str]]


class LiveProgress:
    """Shows how far something is: in place on a terminal, as a line now and then elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        waiting = Text("loading dialogues and models")
        self._live = Live(waiting, console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        self._next_line = 0.0  # monotonic

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def job(self, progress: Progress) -> None:
        """Show how far a job is now."""
        self._show(progress.run_id, progress.turns_done, progress.turns, job_figures(progress))

    def training(self, row: Mapping[str, Any]) -> None:
        """Show how far a training run is, from a row of its reports."""
        self._show("training", row["step"], row["steps"], [
            ("step", f"{row['step']}/{row['steps']}"), ("loss", f"{row['loss']:.3f} nats"),
            ("tokens/s", f"{row['tokens_per_second']:,.0f}"), ("time left", duration(row["seconds_left"]))])

    def answers(self, turns: int, total: int, seconds: float, failures: int) -> None:
        """Show how many turns an agent has answered."""
        left = duration((total - turns) * seconds / turns)
        self._show("answering", turns, total, [("turns", f"{turns}/{total}"), ("turns/s", f"{turns / seconds:.2f}"),
                                               ("failures", str(failures)), ("time left", left)])

    def _show(self, name: str, done: int, total: int, figures: Figures) -> None:
        if self._live:
            self._live.update(_in_place(name, done, total, figures))
        elif (now := time.monotonic()) >= self._next_line:
            self._next_line = now + LINE_SECONDS
            remark(f"{name}: {line(figures)}")


def line(figures: Figures) -> str:
    """All figures in one line."""
    return ", ".join(f"{name} {value}" for name, value in figures)


def seconds_left(progress: Progress) -> float | None:
    """Seconds to the end at the pace so far; None before there is a pace."""
    labelled = progress.turns_done - progress.turns_resumed
    if labelled <= 0:
        return None
    return progress.seconds * (progress.turns - progress.turns_done) / labelled


def job_figures(progress: Progress) -> Figures:
    """What people want to know of a running job."""
    seconds = max(progress.seconds, 1e-9)
    left = seconds_left(progress)
    return [
        ("dialogues", f"{progress.dialogues_done}/{progress.dialogues}"),
        ("turns", f"{progress.turns_done}/{progress.turns}"),
        ("turns/s", f"{(progress.turns_done - progress.turns_resumed) / seconds:.2f}"),
        ("tokens/s", f"{progress.tokens.computed / seconds:,.0f}"),
        ("unparsable candidates", share(progress.unparsable, progress.candidates)),
        ("failed turns", str(progress.failures)),
        ("time left", "?" if left is None else duration(left)),
    ]


def _in_place(name: str, done: int, total: int, figures: Figures) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row(Text(name, style="bold"), ProgressBar(total=max(total, 1), completed=done, width=40))
    for label, value in figures:
        table.add_row(Text(label, style="dim"), Text(value))
    return table
