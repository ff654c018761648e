"""A queue and its workers as tables for people."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from nc_latent_tod.api.pause import CANCELLED, PAUSED
from nc_latent_tod.cli.views.tables import ADVICE, dead_letters
from nc_latent_tod.system.process_id import ProcessId
from nc_latent_tod.worker.fleet import Flight, Overview
from nc_latent_tod.worker.presence import WorkerRecord
from nc_latent_tod.worker.usage import Usage

if TYPE_CHECKING:
    from nc_latent_tod.queues.status import Waiting

_NAMED = 20  # jobs in one line; --json has them all
_LATE_S = 60.0  # a heartbeat comes every 20 s with the usual lease
_PHASES = 2  # of a job, so that it is one line of 80 columns


def overview_table(seen: Overview) -> RenderableType:
    """Counts and time left, then groups on hold, jobs in flight and dead letters, where there are any."""
    counts = Text.assemble(
        (f"{seen.ready} queued", "bold"), f" ({seen.held} on hold)" if seen.held else "", "   ",
        (f"{len(seen.in_flight)} in flight", "bold cyan"), "   ",
        (f"{seen.done} done", "bold green"), "   ", (f"{len(seen.dead)} dead", "bold red" if seen.dead else "dim"))
    if seen.turns_per_second is not None:
        counts.append(f"   {seen.turns_per_second:.2f} turns/s")
    if seen.seconds_left:
        counts.append(f"   about {clock(seen.seconds_left)} left")
    counts.append(f"   {datetime.now(UTC):%H:%M:%S} UTC", "dim")
    parts: list[RenderableType] = [counts]
    for order in seen.orders:
        what = {PAUSED: "its jobs stay queued", CANCELLED: "workers put its jobs with the dead letters"}.get(order.state, "")
        parts.append(Text(f"Group {order.group_id} is {order.state} since {order.at} by {order.by}: {what} until nc-latent-tod "
                          f"resume {order.group_id}.", style="yellow"))
    if seen.expired:
        parts.append(Text(f"{len(seen.expired)} jobs will never run, for SQS has thrown their messages away by their age. "
                          f"Enqueue their job files again: {', '.join(seen.expired[:_NAMED])}"
                          f"{', ...' if len(seen.expired) > _NAMED else ''}", style="bold red"))
    if seen.in_flight:
        parts.append(_in_flight(seen.in_flight))
        parts += _used((job.worker, job.usage) for job in seen.in_flight)
    if seen.waiting:
        parts.append(_waiting(seen.waiting, time.time()))
    if seen.dead:
        parts += [dead_letters(seen.dead), ADVICE]
    return Group(*parts)


def _in_flight(flights: Sequence[Flight]) -> Table:
    table = _table("In flight", "job", "worker", ">age", ">heartbeat", ">attempt", ">dialogues", ">turns", ">turns/s", ">left")
    for job in flights:
        table.add_row(Text(job.name), Text(job.worker), clock(job.age_s), _ago(job.silent_s), str(job.attempt), *_progress(job))
    return table


def _waiting(jobs: Sequence[Waiting], now: float) -> Table:
    table = _table("Failed, and tried again later", "job", ">attempts", ">waits until", ">in", "reason")
    for job in sorted(jobs, key=lambda job: job.waits_until)[:_NAMED]:
        until = datetime.fromtimestamp(job.waits_until, UTC)
        table.add_row(Text(job.name), str(job.attempts), f"{until:%H:%M:%S} UTC", clock(job.waits_until - now),
                      Text(job.reason))
    if len(jobs) > _NAMED:
        table.add_row(f"and {len(jobs) - _NAMED} more")
    return table


def _progress(job: Flight) -> list[Text]:
    if not isinstance(job.progress, Mapping):
        return [Text(job.progress or "loading"), Text(), Text(), Text()]
    dialogues, turns = (f"{job.progress.get(f'{name}_done')}/{job.progress.get(name)}" for name in ("dialogues", "turns"))
    return [Text(dialogues), Text(turns), Text("-" if job.turns_per_second is None else f"{job.turns_per_second:.2f}"),
            Text("?" if job.seconds_left is None else clock(job.seconds_left))]


def workers_table(records: Sequence[WorkerRecord], now: float) -> RenderableType:
    """One worker a line, then what their jobs take."""
    table = _table(None, "worker", "state", ">since", "job", ">for", ">done", ">failed", ">turns", ">turns/s", ">heartbeat")
    for record in records:
        pace = record.turns_per_second
        failed = sum(record.jobs.get(outcome, 0) for outcome in ("retried", "dead", "lost"))
        table.add_row(
            Text(record.worker), _state(record, now), clock(now - record.started_at), Text(record.job),
            clock(now - record.job_began_at) if record.job else "", str(record.jobs.get("done", 0)), str(failed),
            str(record.turns), "-" if pace is None else f"{pace:.2f}", _ago(now - record.beat_at))
    return Group(table, *_used((record.worker, record.usage) for record in records))


def _used(workers: Iterable[tuple[str, Usage | None]]) -> list[Table]:
    """What each worker's job takes, where it has said so: the model's speed, memory, the phases with most of the time."""
    table = _table("Used so far", "worker", ">tokens/turn", ">prefill/s", ">decode/s", ">memory", "time")
    for name, usage in workers:
        if usage:
            most = sorted(usage.time_shares.items(), key=lambda item: -item[1])[:_PHASES]
            table.add_row(
                Text(name), _count(usage.tokens_per_turn), _count(usage.tokens_per_second.get("prefill")),
                _count(usage.tokens_per_second.get("decode")), f"{usage.peak_memory_bytes / 1e9:.1f} GB",
                ", ".join(f"{phase} {share:.0%}" for phase, share in most))
    return [table] if table.row_count else []


def _count(value: float | None) -> str:
    return f"{value:,.0f}" if value else "-"


def clock(seconds: float) -> str:
    """`0:07`, `12:05`, `1:02:05`."""
    minutes, whole = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def _state(record: WorkerRecord, now: float) -> Text:
    if record.is_alive(now):
        return Text("works" if record.job else "waits", style="green" if record.job else "")
    return Text("gone" if ProcessId(**record.process).is_gone() else "silent", style="bold red")


def _ago(seconds: float) -> Text:
    return Text(f"{clock(seconds)} ago", style="bold red" if seconds > _LATE_S else "")


def _table(title: str | None, *names: str) -> Table:
    """A table without lines, which is narrow; `>` before a name sets its column to the right, in one line."""
    columns = [Column(name.removeprefix(">"), justify="right" if name.startswith(">") else "left", no_wrap=name.startswith(">"),
                      overflow="fold") for name in names]
    return Table(*columns, title=title, title_justify="left", box=None, padding=(0, 1), pad_edge=False)
