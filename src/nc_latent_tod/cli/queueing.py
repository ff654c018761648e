"""Commands on the queue: `enqueue`, `work`, `status`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.cli.console import (
    JsonOption,
    QueueOption,
    epilog,
    log_to,
    print_json,
    remark,
    standard_error,
    standard_output,
)
from nc_latent_tod.errors import ConfigError, RetryableError

if TYPE_CHECKING:
    from nc_latent_tod.queues import Queue

app = typer.Typer()

WATCH_SECONDS = 2.0  # between two looks


@app.command(epilog=epilog("nc-latent-tod enqueue runs/offline_labelling_experiment/initial_labelling/dependents"))
def enqueue(
    jobs: Annotated[list[Path], typer.Argument(metavar="JOB.json|FOLDER...", show_default=False,
                                               help="Job files, and folders of them (every *.json in name order).")],
    queue: QueueOption = "",
    as_json: JsonOption = False,
) -> None:
    """Add jobs to the queue. All are checked before the first is added; equal jobs are added once."""
    from nc_latent_tod.cli.job_files import job_files, read_jobs
    from nc_latent_tod.connect import open_queue, warnings
    from nc_latent_tod.job import parse_job

    decoded = read_jobs(job_files(jobs))
    opened = open_queue(queue)
    for note in dict.fromkeys(note for job in decoded.values() for note in warnings(parse_job(job), queue)):
        remark(f"note: {note}")
    is_new = {str(path): opened.put(job) for path, job in decoded.items()}
    new, known = ([path for path, added in is_new.items() if added is wanted] for wanted in (True, False))
    if as_json:
        print_json({"enqueued": new, "already_there": known})
        return
    typer.echo(f"{len(new)} enqueued, {len(known)} already there.")
    if known and (dead := len(opened.status().dead)):
        typer.echo(f"{dead} jobs of this queue are dead letters: see nc-latent-tod dlq list.")


@app.command(epilog=epilog("nc-latent-tod work", "nc-latent-tod work --drain --workers 2"))
def work(
    queue: QueueOption = "",
    drain: Annotated[bool, typer.Option("--drain", help="End when the queue holds no job, ready or in flight.")] = False,
    max_jobs: Annotated[int | None, typer.Option("--max-jobs", min=1, show_default=False,
                                                 help="End after so many jobs (of each worker).")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; they share the cores.")] = 1,
    threads: Annotated[int | None, typer.Option("--threads", min=1, show_default=False,
                                                help="Threads of each worker. Default: cores / workers.")] = None,
    lease: Annotated[float, typer.Option("--lease", min=1.0, help="Seconds after which the job of a worker that died is "
                                                                  "taken over.")] = 60.0,
    max_attempts: Annotated[int, typer.Option("--max-attempts", min=1, help="A job that failed, or whose worker died, so many "
                                                                            "times is a dead letter.")] = 5,
) -> None:
    """Run the jobs of the queue, until stopped.

    The first SIGTERM or SIGINT ends a worker after the turns in hand and gives its job back (exit code 0); a second one
    ends it at once (130, 143).
    """
    from nc_latent_tod.cli.working import run_queue, start_workers
    from nc_latent_tod.connect import open_queue

    opened = open_queue(queue, must_exist=drain, lease_s=lease, max_attempts=max_attempts)  # a mistyped one looks drained
    log_to(standard_error(), verbose=True)
    if workers > 1 or threads:
        own = ["work", "--queue", queue, "--lease", str(lease), "--max-attempts", str(max_attempts),
               *(["--drain"] if drain else []),
               *(["--max-jobs", str(max_jobs)] if max_jobs else [])]
        raise typer.Exit(start_workers(workers, own, threads=threads))
    summary = run_queue(opened, lease_s=lease, drain=drain, max_jobs=max_jobs)
    typer.echo(", ".join(f"{count} {outcome}" for outcome, count in asdict(summary).items()))
    if summary.dead or (drain and opened.status().dead):
        raise RetryableError("The queue has dead letters: see nc-latent-tod dlq list.")


@app.command(epilog=epilog("nc-latent-tod status", "nc-latent-tod status --watch"))
def status(
    queue: QueueOption = "",
    watch: Annotated[bool, typer.Option("--watch", help="Look again every 2 seconds until stopped.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the queue: jobs ready, in flight with worker and age, done, and dead letters with their reason."""
    from nc_latent_tod.cli.tables import queue_status
    from nc_latent_tod.connect import open_queue

    if watch and as_json:
        raise ConfigError("--watch and --json exclude each other: call status --json as often as you like.")
    opened = open_queue(queue, must_exist=True)
    if watch:
        _watch(opened)
    elif as_json:
        print_json(asdict(opened.status()))
    else:
        standard_output().print(queue_status(opened.status()))


def _watch(queue: Queue) -> None:
    import time

    from rich.live import Live

    from nc_latent_tod.cli.tables import queue_status

    with Live(queue_status(queue.status()), console=standard_output(), auto_refresh=False) as live:
        while True:
            time.sleep(WATCH_SECONDS)
            live.update(queue_status(queue.status()), refresh=True)
