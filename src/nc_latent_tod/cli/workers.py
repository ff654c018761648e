"""Workers: one in this process, or several in processes of their own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from nc_latent_tod.api.backends import Builder
from nc_latent_tod.api.label import Control, run_job
from nc_latent_tod.cli.console import remark
from nc_latent_tod.config.job import parse_job, unused_keys
from nc_latent_tod.config.trust import Trust
from nc_latent_tod.system.logs import add_log_fields, logs_are_json
from nc_latent_tod.worker.group import run_workers, visible_gpus
from nc_latent_tod.worker.tally import Ended, Tally
from nc_latent_tod.worker.usage import usage_of
from nc_latent_tod.worker.worker import JobControl, Worker, WorkSummary

if TYPE_CHECKING:
    from nc_latent_tod.pipeline.progress import Progress
    from nc_latent_tod.queues import Queue

_SHOWN = ("run_id", "dialogues", "dialogues_done", "turns", "turns_done", "turns_resumed", "failures", "seconds")


def run_queue(queue: Queue, *, trust: Trust, lease_s: float, drain: bool, max_jobs: int | None, as_json: bool = False,
              metrics: tuple[str, int] | None = None) -> tuple[WorkSummary, int]:
    """Run the queue's jobs in this process; models are loaded once for all of them.

    Returns what became of them, and the number of the signal that ended it, or 0.
    `trust`: what jobs may use of this machine.
    `as_json`: a line of JSON on stdout for each job that ends. `metrics`: host and port of the Prometheus endpoint.
    """
    builder, tally = Builder(trust), Tally()
    told: set[str] = set()
    if metrics:
        from nc_latent_tod.cli.prometheus import serve_metrics

        serve_metrics(tally, *metrics)

    def run(data: dict[str, Any], control: JobControl) -> None:
        job = parse_job(data, "the queued job")
        add_log_fields(run_id=job.run)
        for note in unused_keys(job):
            if note not in told:
                told.add(note)
                remark(f"note: {note}")

        def report(progress: Progress) -> None:
            tally.progress(progress)
            control.report(figures(progress))

        tally.labelled(run_job(job, builder.backends(job, fence=control.fence), Control(
            should_stop=control.should_stop, check_lease=control.check_lease, report=report)))

    worker = Worker(queue, run, lease_s=lease_s, drain=drain, max_jobs=max_jobs, tally=tally,
                    ended=_print_line if as_json else lambda ended: None)
    return worker.work(), worker.stopped_by


def figures(progress: Progress) -> dict[str, Any]:
    """What is stored beside a running job for `status`."""
    return {name: round(value, 3) if isinstance(value := getattr(progress, name), float) else value for name in _SHOWN}


def start_workers(workers: int, arguments: Sequence[str], *, threads: int | None, metrics: tuple[str, int] | None = None,
                  on_signal: Callable[[int], None] = lambda number: None) -> int:
    """Run `nc-latent-tod` with `arguments` in `workers` processes; the worst of their exit codes.

    `metrics`: host of all endpoints and port of the first one; the others take the next ports.
    """
    commands = [[sys.executable, "-m", "nc_latent_tod", *arguments, *_metrics_of(number, metrics)] for number in range(workers)]
    log_format = {"NC_LATENT_TOD_LOG_JSON": "1"} if logs_are_json() else {}
    return run_workers(commands, env={**os.environ, **log_format}, cores=threads * workers if threads else None,
                       gpus=visible_gpus(os.environ), on_signal=on_signal)


def _metrics_of(number: int, metrics: tuple[str, int] | None) -> list[str]:
    if metrics is None:
        return []
    host, port = metrics
    return ["--metrics-host", host, "--metrics-port", str(port + number if port else 0)]


def _print_line(ended: Ended) -> None:
    done: Mapping[str, Any] = figures(ended.progress) if ended.progress else {}
    line = {"event": "job", **asdict(replace(ended, progress=None)), "seconds": round(ended.seconds, 3), "progress": done,
            "usage": asdict(usage_of(ended.progress)) if ended.progress else None}
    print(json.dumps(line), flush=True)
