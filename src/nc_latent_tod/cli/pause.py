"""Commands on the queued jobs of a group: `pause`, `resume`, `cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, QueueOption, epilog, print_json, remark
from nc_latent_tod.errors import ConfigError

if TYPE_CHECKING:
    from nc_latent_tod.queues import Queue
    from nc_latent_tod.queues.orders import Order

app = typer.Typer()

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", show_default=False, help="The group's id, as in the job files.")]


@app.command(epilog=epilog("nc-latent-tod pause initial_labelling"))
def pause(group: GroupArgument, queue: QueueOption = "", as_json: JsonOption = False) -> None:
    """Let workers take no job of the group until it is resumed. Jobs that run already go on to their end.

    The jobs stay in the queue, so a worker with --drain waits for them. Other groups go on.
    """
    from nc_latent_tod.queues.orders import PAUSED

    order = give(_open(group, queue), group, PAUSED)
    _answer(order, f"{group} is paused: workers take none of its jobs until nc-latent-tod resume {group}.", as_json)


@app.command(epilog=epilog("nc-latent-tod cancel initial_labelling"))
def cancel(group: GroupArgument, queue: QueueOption = "", as_json: JsonOption = False) -> None:
    """Stop the group's running jobs after the turns in hand, and run none of the others.

    Workers notice within 2 seconds (on SQS: 10). Its jobs become dead letters as workers meet them, so nothing is lost: dlq
    list shows them, and resume puts them back. What was labelled is kept, and a job that is put back goes on from there.
    """
    from nc_latent_tod.queues.orders import CANCELLED

    order = give(_open(group, queue), group, CANCELLED)
    _answer(order, f"{group} is cancelled: workers put its jobs with the dead letters until nc-latent-tod resume {group}.",
            as_json)


@app.command(epilog=epilog("nc-latent-tod resume initial_labelling"))
def resume(group: GroupArgument, queue: QueueOption = "", as_json: JsonOption = False) -> None:
    """End a pause or a cancellation. Jobs that were cancelled are put back into the queue, with no attempts counted.

    On SQS a job that a worker met during the pause is seen again after 30 seconds to 15 minutes.
    """
    from nc_latent_tod.queues.orders import cancellation

    opened = _open(group, queue)
    order = opened.orders.all().get(group)
    opened.orders.lift(group)
    mine = [letter.name for letter in opened.letters() if letter.reason.startswith(cancellation(group))]
    back = opened.redrive(mine) if mine else []
    if as_json:
        print_json({"group_id": group, "was": order.state if order else None, "put_back": back})
    else:
        typer.echo(f"{group} was {order.state}" if order else f"{group} was neither paused nor cancelled", nl=False)
        typer.echo(f"; {len(back)} cancelled jobs put back." if back else ".")


def _open(group: str, queue: str) -> Queue:
    import re

    from nc_latent_tod.api.connect import open_queue
    from nc_latent_tod.config.places import NAME_PATTERN

    if not re.fullmatch(NAME_PATTERN, group):
        raise ConfigError(f"No group is called {group!r}: the ids of groups have letters, digits, '_', '.' and '-' only.")
    return open_queue(queue, must_exist=True)


def give(queue: Queue, group: str, state: str) -> Order:
    """Put a group on hold in this user's name; says so where the queue has no job of it."""
    import getpass
    import socket
    from datetime import UTC, datetime

    from nc_latent_tod.queues.orders import Order

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "unknown"
    order = Order(group, state, by=f"{user}@{socket.gethostname()}", at=datetime.now(UTC).isoformat(timespec="seconds"))
    before = None if group in queue.orders.all() else queue.status().held
    queue.orders.give(order)
    if before is not None and not _has_jobs(queue, group, before):
        remark(f"note: no job of the group {group} waits or runs in this queue. The order holds for jobs that come later; if "
               f"the name is wrong, nc-latent-tod resume {group} takes it back.")
    return order


def _has_jobs(queue: Queue, group: str, held_before: int) -> bool:
    """Whether jobs of the group wait or run, now that it is on hold; True where a worker has not said what it runs."""
    from nc_latent_tod.worker.presence import workers

    status = queue.status()
    groups = {record.job: record.group_id for record in workers(queue.notes)}
    return status.held > held_before or any(groups.get(job.name, group) == group for job in status.in_flight)


def _answer(order: Order, text: str, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json(asdict(order))
    else:
        typer.echo(text)
