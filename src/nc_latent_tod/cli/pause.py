"""Commands on the queued jobs of a group: `pause`, `resume`, `cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, QueueOption, epilog, print_json, remark, say

if TYPE_CHECKING:
    from nc_latent_tod.queues.orders import Order

app = typer.Typer()

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", show_default=False, help="The group's id, as in the job files.")]


@app.command(epilog=epilog("nc-latent-tod pause initial_labelling"))
def pause(group: GroupArgument, queue: QueueOption = "", as_json: JsonOption = False) -> None:
    """Let workers take no job of the group until it is resumed. Jobs that run already go on to their end.

    The jobs stay in the queue, so a worker with --drain waits for them. Other groups go on.
    """
    from nc_latent_tod.api.pause import PAUSED, give

    order = give(group, queue, PAUSED, tell=remark)
    _answer(order, f"{group} is paused: workers take none of its jobs until nc-latent-tod resume {group}.", as_json)


@app.command(epilog=epilog("nc-latent-tod cancel initial_labelling"))
def cancel(group: GroupArgument, queue: QueueOption = "", as_json: JsonOption = False) -> None:
    """Stop the group's running jobs after the turns in hand, and run none of the others.

    Workers notice within 2 seconds (on SQS: 10). Its jobs become dead letters as workers meet them, so nothing is lost: dlq
    list shows them, and resume puts them back. What was labelled is kept, and a job that is put back goes on from there.
    """
    from nc_latent_tod.api.pause import CANCELLED, give

    order = give(group, queue, CANCELLED, tell=remark)
    _answer(order, f"{group} is cancelled: workers put its jobs with the dead letters until nc-latent-tod resume {group}.",
            as_json)


@app.command(epilog=epilog("nc-latent-tod resume initial_labelling"))
def resume(group: GroupArgument, queue: QueueOption = "", as_json: JsonOption = False) -> None:
    """End a pause or a cancellation. Jobs that were cancelled are put back into the queue, with no attempts counted.

    On SQS a job that a worker met during the pause is seen again after 30 seconds to 15 minutes.
    """
    from nc_latent_tod.api.pause import lift

    order, back = lift(group, queue)
    if as_json:
        print_json({"group_id": group, "was": order.state if order else None, "put_back": back})
    else:
        say(f"{group} was {order.state}" if order else f"{group} was neither paused nor cancelled", nl=False)
        say(f"; {len(back)} cancelled jobs put back." if back else ".")


def _answer(order: Order, text: str, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print_json(asdict(order))
    else:
        say(text)
