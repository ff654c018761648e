"""Runs and dead letters as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # `status` shall not wait for all that labels
    from nc_latent_tod.pipeline.run import Progress, Result
    from nc_latent_tod.queues.status import DeadLetter

ADVICE = Text("Open one with nc-latent-tod dlq show NAME, put it back with nc-latent-tod dlq redrive NAME.", style="dim")


def dead_letters(letters: Sequence[DeadLetter]) -> Table:
    """Names, attempts and reasons."""
    table = Table("job", "attempts", "reason", title="Dead letters", title_justify="left")
    for job in letters:
        table.add_row(Text(job.name), str(job.attempts), Text(job.reason))
    return table


def run_result(result: Result, differing: int | None) -> RenderableType:
    """What one run gave; for a replay also how many turns came out differently."""
    entry, progress = result.entry, result.progress
    rows = [("run", f"{entry.group_id} / {entry.run_id}"), ("dialogues", str(entry.num_dialogues)),
            ("turns", f"{entry.num_logs}, of which {entry.num_failures} with a failed task")]
    if progress is None:
        rows.append(("", "was finished before: nothing was done"))
    else:
        seconds = max(progress.seconds, 1e-9)
        labelled = progress.turns_done - progress.turns_resumed
        if progress.candidates:  # else no model was asked
            unparsable = share(progress.unparsable, progress.candidates)
            rows.append(("candidates", f"{progress.candidates}, of which {unparsable} did not parse"))
        rows.append(("time", f"{duration(progress.seconds)}, {labelled / seconds:.2f} turns/s"))
        if progress.tokens.computed:
            rows.append(("tokens", f"{progress.tokens.computed / max(labelled, 1):,.0f} a turn through the model, "
                                   f"{progress.tokens.shared / max(labelled, 1):,.0f} more taken from its cache"))
        rows += spent(progress)
    if result.reused:
        rows.append(("reused", str(result.reused)))
    if differing is not None:
        rows.append(("replay", f"{differing} turns differ from the stored labels" if differing else "all labels are the same"))
    return pairs([*rows, ("labels", entry.labels_url)])


def spent(progress: Progress) -> list[tuple[str, str]]:
    """What a job took: the speed of the model, the share of each phase, memory."""
    phases, rows = progress.phases, []
    through = [name for name in ("prefill", "decode", "score") if phases.tokens.get(name)]
    if rates := [f"{name} {phases.tokens_per_second(name):,.0f}" for name in through]:
        rows.append(("tokens/s", f"{', '.join(rates)}; {progress.tokens.padding_share:.1%} of positions are padding"))
    if shares := phases.shares(progress.seconds):
        rows.append(("time by phase", ", ".join(f"{name} {part:.0%}" for name, part in shares.items() if part >= 0.005)))
    return [*rows, ("memory", f"{progress.peak_memory / 1e9:.1f} GB at most")]


def pairs(rows: Sequence[tuple[str, str]]) -> Table:
    """Names and values below each other."""
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value))
    return table


def share(part: int, whole: int) -> str:
    """`2.5%`; `-` of nothing."""
    return f"{part / whole:.1%}" if whole else "-"


def duration(seconds: float) -> str:
    """`3 s`, `2 min 05 s`, `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
