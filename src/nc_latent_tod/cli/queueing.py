"""Commands on the queue: `enqueue`, `work`, `status`, `redrive`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nc_latent_tod.cli.console import (
    JsonOption,
    QueueOption,
    epilog,
    log_to,
    print_json,
    standard_error,
    standard_output,
)
from nc_latent_tod.errors import ConfigError, RetryableError

if TYPE_CHECKING:
    from nc_latent_tod.queues.local import FolderQueue

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

    decoded = read_jobs(job_files(jobs))
    opened = open_queue(queue)
    is_new = {str(path): opened.put(job) for path, job in decoded.items()}
    new, known = ([path for path, added in is_new.items() if added is wanted] for wanted in (True, False))
    if as_json:
        print_json({"enqueued": new, "already_there": known})
        return
    typer.echo(f"{len(new)} enqueued, {len(known)} already there.")
    if known and (dead := len(opened.status().dead)):
        typer.echo(f"{dead} jobs of this queue are dead letters: see nc-latent-tod status, then nc-latent-tod redrive.")


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

    opened = open_queue(queue, lease_s=lease, max_attempts=max_attempts)
    log_to(standard_error(), verbose=True)
    if workers > 1 or threads:
        own = ["work", "--queue", queue, "--lease", str(lease), "--max-attempts", str(max_attempts),
               *(["--drain"] if drain else []),
               *(["--max-jobs", str(max_jobs)] if max_jobs else [])]
        raise typer.Exit(start_workers(workers, own, threads=threads))
    summary = run_queue(opened, lease_s=lease, drain=drain, max_jobs=max_jobs)
    typer.echo(", ".join(f"{count} {outcome}" for outcome, count in asdict(summary).items()))
    if summary.dead or (drain and opened.status().dead):
        raise RetryableError("The queue has dead letters: see nc-latent-tod status, then nc-latent-tod redrive.")


@app.command(epilog=epilog("nc-latent-tod status", "nc-latent-tod status --watch"))
def status(
    queue: QueueOption = "",
    watch: Annotated[bool, typer.Option("--watch", help="Look again every 2 seconds until stopped.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the queue: jobs ready, in flight with worker and age, done, and dead letters with their reason."""
    from nc_latent_tod.cli.tables import queue_status

    if watch and as_json:
        raise ConfigError("--watch and --json exclude each other: call status --json as often as you like.")
    opened = open_queue(queue, must_exist=True)
    if watch:
        _watch(opened)
    elif as_json:
        print_json(asdict(opened.status()))
    else:
        standard_output().print(queue_status(opened.status()))


@app.command(epilog=epilog("nc-latent-tod redrive --all", "nc-latent-tod redrive train_50_100-0123456789abcdef"))
def redrive(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", show_default=False,
                                                      help="Dead letters by their name in the status.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    queue: QueueOption = "",
) -> None:
    """Put dead letters back at the end of the queue, with no attempts counted."""
    if bool(names) == every:
        raise ConfigError("Name the dead letters to put back, or say --all for all of them.")
    opened = open_queue(queue, must_exist=True)
    chosen = names or [letter.name for letter in opened.status().dead]
    missing = [name for name in chosen if not opened.redrive(name)]
    typer.echo(f"{len(chosen) - len(missing)} put back.")
    if missing:
        raise ConfigError(f"No dead letter is called {', '.join(map(repr, missing))}: see nc-latent-tod status.")


def open_queue(path: str, *, must_exist: bool = False, **options: Any) -> FolderQueue:
    """Open the queue at `path`. Raises `ConfigError` where none is named, it must exist and does not, or cannot be used."""
    from nc_latent_tod.queues.local import FolderQueue

    if not path:
        raise ConfigError("Which queue? Set NC_LATENT_TOD_QUEUE_PATH to a folder, or pass --queue FOLDER.")
    if must_exist and not Path(path).is_dir():
        raise ConfigError(f"There is no queue folder {path!r}: enqueue a job first, or correct NC_LATENT_TOD_QUEUE_PATH.")
    return FolderQueue(path, **options)


def _watch(queue: FolderQueue) -> None:
    import time

    from rich.live import Live

    from nc_latent_tod.cli.tables import queue_status

    with Live(queue_status(queue.status()), console=standard_output(), auto_refresh=False) as live:
        while True:
            time.sleep(WATCH_SECONDS)
            live.update(queue_status(queue.status()), refresh=True)
