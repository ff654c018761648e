"""Commands that fill the queue and empty it: `enqueue`, `work`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.cli.allowed import HostsOption, KeyOption, ModelsOption, PathsOption, options_of, trust_of
from nc_latent_tod.cli.console import (
    JsonOption,
    QueueOption,
    ReuseOption,
    epilog,
    log_to,
    print_json,
    remark,
    say,
    standard_error,
)
from nc_latent_tod.errors import RetryableError
from nc_latent_tod.system.logs import logs_are_json

if TYPE_CHECKING:
    from nc_latent_tod.queues.status import QueueStatus
    from nc_latent_tod.worker.worker import WorkSummary

app = typer.Typer()


@app.command(epilog=epilog("nc-latent-tod enqueue runs/offline_labelling_experiment/initial_labelling/dependents",
                           "nc-latent-tod enqueue grown/jobs --reuse-from my_logs"))
def enqueue(
    jobs: Annotated[list[Path], typer.Argument(metavar="JOB.json|FOLDER...", show_default=False,
                                               help="Job files, and folders of them (every *.json in name order).")],
    queue: QueueOption = "",
    reuse_from: ReuseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add jobs to the queue. All are checked before the first is added; equal jobs are added once."""
    from nc_latent_tod.api.connect import open_queue, warnings
    from nc_latent_tod.api.jobs import check_reuse, group_of, job_files, read_jobs

    files = read_jobs(job_files(jobs), reuse_from=reuse_from)
    if reuse_from is not None:
        check_reuse(files, reuse_from)
    opened = open_queue(queue)
    for note in dict.fromkeys(note for file in files for note in warnings(file.job, queue)):
        remark(f"note: {note}")
    for order in opened.orders.all().values():
        if order.group_id in {group_of(file.data) for file in files}:
            remark(f"note: the group {order.group_id} is {order.state}: its jobs are not run until nc-latent-tod resume "
                   f"{order.group_id}.")
    is_new = {str(file.path): opened.put(file.data) for file in files}
    new, known = ([path for path, added in is_new.items() if added is wanted] for wanted in (True, False))
    if as_json:
        print_json({"enqueued": new, "already_there": known})
        return
    say(f"{len(new)} enqueued, {len(known)} already there.")
    if known and (dead := len(opened.status().dead)):
        say(f"{dead} jobs of this queue are dead letters: see nc-latent-tod dlq list.")


@app.command(epilog=epilog("nc-latent-tod work", "nc-latent-tod work --drain --workers 2 --metrics-port 9100"))
def work(
    queue: QueueOption = "",
    drain: Annotated[bool, typer.Option("--drain", help="End when the queue holds no job, ready or in flight.")] = False,
    max_jobs: Annotated[int | None, typer.Option("--max-jobs", min=1, show_default=False,
                                                 help="End after so many jobs (of each worker).")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes; they share the cores, and each "
                                                           "sees one of the GPUs, in turn.")] = 1,
    threads: Annotated[int | None, typer.Option("--threads", min=1, show_default=False,
                                                help="Threads of each worker. Default: cores / workers.")] = None,
    lease: Annotated[float, typer.Option("--lease", min=1.0, help="Seconds after which the job of a worker that died is "
                                                                  "taken over.")] = 60.0,
    max_attempts: Annotated[int, typer.Option("--max-attempts", min=1, help="A job that failed, or whose worker died, so many "
                                                                            "times is a dead letter.")] = 5,
    metrics_port: Annotated[int | None, typer.Option("--metrics-port", min=0, max=65535, show_default=False,
                                                     help="Answer Prometheus at this port; several workers take the ports "
                                                          "from it on. 0: a free one, which the log names.")] = None,
    metrics_host: Annotated[str, typer.Option("--metrics-host", help="The address that answers Prometheus. 0.0.0.0 lets other "
                                                                     "machines ask.")] = "127.0.0.1",
    key: KeyOption = None,
    allow_hosts: HostsOption = None,
    allow_paths: PathsOption = None,
    allow_models: ModelsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each job that ends, and one at the end.")]
    = False,
) -> None:
    """Run the jobs of the queue, until stopped. Jobs of a paused group are left; those of a cancelled one become dead letters.

    The first SIGTERM or SIGINT ends a worker after the turns in hand and gives its job back: exit code 0, but with --drain 143
    or 130, for the queue is not drained. A second one ends it at once (143, 130).

    A job from a queue gets no key, and asks no server but on loopback, unless an option says so (docs/security.md).
    """
    from nc_latent_tod.api.connect import open_queue
    from nc_latent_tod.cli.stop import SIGNAL_EXIT
    from nc_latent_tod.cli.workers import run_queue, start_workers

    trust = trust_of(key, allow_hosts, allow_paths, allow_models)
    opened = open_queue(queue, must_exist=drain, lease_s=lease, max_attempts=max_attempts)  # a mistyped one looks drained
    log_to(standard_error(), verbose=True, as_json=logs_are_json())
    metrics = None if metrics_port is None else (metrics_host, metrics_port)
    if workers > 1 or threads:
        own = ["work", "--queue", queue, "--lease", str(lease), "--max-attempts", str(max_attempts),
               *(["--drain"] if drain else []), *(["--json"] if as_json else []),
               *(["--max-jobs", str(max_jobs)] if max_jobs else []), *options_of(trust)]
        raise typer.Exit(start_workers(workers, own, threads=threads, metrics=metrics))
    summary, signum = run_queue(opened, trust=trust, lease_s=lease, drain=drain, max_jobs=max_jobs, as_json=as_json,
                                metrics=metrics)
    counts = asdict(summary)
    say(json.dumps({"event": "end", **counts}) if as_json else ", ".join(f"{n} {name}" for name, n in counts.items()))
    if drain and signum:  # not 0: what waits for the end of the queue must not go on, and Kubernetes start another pod
        raise typer.Exit(SIGNAL_EXIT + signum)
    _check_left(summary, opened.status() if drain else None)


def _check_left(summary: WorkSummary, left: QueueStatus | None) -> None:
    """Raises `RetryableError` where jobs were given up or lost; `left` is the state of a drained queue."""
    if summary.dead or (left and left.dead):
        raise RetryableError("The queue has dead letters: see nc-latent-tod dlq list.")
    if left and left.expired:
        raise RetryableError(f"{len(left.expired)} jobs will never run, for SQS has thrown their messages away: nc-latent-tod "
                             "status names them. Enqueue their job files again.")
