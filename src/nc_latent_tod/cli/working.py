"""Workers: one in this process, or several in processes of their own."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from nc_latent_tod.build import Builder
from nc_latent_tod.cli.console import remark
from nc_latent_tod.cli.progress import job_figures, line
from nc_latent_tod.job import parse_job, unused_keys
from nc_latent_tod.pipeline import Control, run_job
from nc_latent_tod.queues import Queue
from nc_latent_tod.worker import JobControl, Worker, WorkSummary
from nc_latent_tod.worker_group import run_workers


def run_queue(queue: Queue, *, lease_s: float, drain: bool, max_jobs: int | None) -> WorkSummary:
    """Run the queue's jobs in this process; models are loaded once for all of them."""
    builder = Builder()
    told: set[str] = set()

    def run(data: dict[str, Any], control: JobControl) -> None:
        job = parse_job(data, "the queued job")
        for note in unused_keys(job):
            if note not in told:
                told.add(note)
                remark(f"note: {note}")
        run_job(job, builder.backends(job, fence=control.fence), Control(
            should_stop=control.should_stop, check_lease=control.check_lease,
            report=lambda progress: control.report(line(job_figures(progress)))))

    return Worker(queue, run, lease_s=lease_s, drain=drain, max_jobs=max_jobs).work()


def start_workers(workers: int, arguments: Sequence[str], *, threads: int | None) -> int:
    """Run `nc-latent-tod` with `arguments` in `workers` processes; the worst of their exit codes."""
    return run_workers(workers, [sys.executable, "-m", "nc_latent_tod", *arguments], env=os.environ,
                       cores=threads * workers if threads else None)
