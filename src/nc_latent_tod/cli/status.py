"""Commands that look at a queue and its workers: `status`, `workers`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.cli.console import INTERRUPTED, JsonOption, QueueOption, epilog, print_json, remark, say, standard_output
from nc_latent_tod.errors import RetryableError

if TYPE_CHECKING:
    from nc_latent_tod.queues import Queue
    from nc_latent_tod.worker.fleet import Overview

app = typer.Typer()


@app.command(epilog=epilog("nc-latent-tod status", "nc-latent-tod status --watch", "nc-latent-tod status --watch --json"))
def status(
    queue: QueueOption = "",
    watch: Annotated[bool, typer.Option("--watch", help="Look again every 2 seconds (on SQS: 10) until stopped. With --json "
                                                        "a line of JSON each time.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the queue: jobs queued, in flight with worker, age and progress, done, dead letters with their reason, time left.

    All of it is read from stored records and heartbeats. The time left takes the pace of the jobs in flight.
    """
    from nc_latent_tod.api.connect import open_queue
    from nc_latent_tod.cli.views.fleet import overview_table
    from nc_latent_tod.worker.fleet import overview

    opened = open_queue(queue, must_exist=True)
    if watch:
        _watch(opened, as_json=as_json)
    elif as_json:
        print_json(overview(opened).to_json())
    else:
        standard_output().print(overview_table(overview(opened)))


@app.command(epilog=epilog("nc-latent-tod workers", "nc-latent-tod workers --json"))
def workers(queue: QueueOption = "", as_json: JsonOption = False) -> None:
    """Show who works on the queue: host, since when, on what job, jobs done, turns a second, last heartbeat.

    A worker that ended in order is not shown; one that was killed is shown as gone or silent for a day.
    """
    from nc_latent_tod.api.connect import open_queue
    from nc_latent_tod.cli.views.fleet import workers_table
    from nc_latent_tod.worker.fleet import worker_json
    from nc_latent_tod.worker.presence import workers as records

    found = records(open_queue(queue, must_exist=True).notes)
    if as_json:
        print_json([worker_json(record, time.time()) for record in found])
    elif found:
        standard_output().print(workers_table(found, time.time()))
    else:
        say("No worker: start one with nc-latent-tod work.")


def _watch(queue: Queue, *, as_json: bool) -> None:
    """Look again and again. A failure that may pass is shown in place, and does not end it."""
    from rich.live import Live

    from nc_latent_tod.cli.views.fleet import overview_table
    from nc_latent_tod.worker.fleet import overview

    console = standard_output()
    live = Live(console=console, auto_refresh=False) if console.is_terminal and not as_json else None

    def show(seen: Overview) -> None:
        if as_json:
            print(json.dumps(seen.to_json()), flush=True)
        elif live:
            live.update(overview_table(seen), refresh=True)
        else:
            console.print(overview_table(seen))

    try:
        if live:
            live.start()
        while True:
            try:
                show(overview(queue))
            except RetryableError as error:
                remark(f"error: {error}")
            time.sleep(queue.notes.beat_s)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    finally:
        if live:
            live.stop()
