"""What a queue holds, as tables for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nc_latent_tod.queues.status import QueueStatus


def queue_status(status: QueueStatus) -> RenderableType:
    """Counts, then jobs in flight and dead letters, where there are any."""
    counts = Text.assemble(
        (f"{status.ready} ready", "bold"), "   ", (f"{len(status.in_flight)} in flight", "bold cyan"), "   ",
        (f"{status.done} done", "bold green"), "   ", (f"{len(status.dead)} dead", "bold red" if status.dead else "dim"))
    parts: list[RenderableType] = [counts]
    if status.in_flight:
        parts.append(_in_flight(status))
    if status.dead:
        parts += [_dead(status), Text("Put dead letters back with nc-latent-tod redrive NAME (or --all).", style="dim")]
    return Group(*parts)


def _in_flight(status: QueueStatus) -> Table:
    table = Table("job", "worker", "age", "attempt", "progress", title="In flight", title_justify="left")
    for job in status.in_flight:
        table.add_row(Text(job.name), Text(job.worker), duration(job.age_s), str(job.attempt), Text(job.progress))
    return table


def _dead(status: QueueStatus) -> Table:
    table = Table("job", "attempts", "reason", title="Dead letters", title_justify="left")
    for job in status.dead:
        table.add_row(Text(job.name), str(job.attempts), Text(job.reason))
    return table


def duration(seconds: float) -> str:
    """`3 s`, `2 min 05 s`, `1 h 02 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
