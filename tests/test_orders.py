"""Groups that are paused or cancelled, and the notes beside a queue: a folder's and SQS's."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from strict_sqs import StrictSqs

from nc_latent_tod.queues import Queue
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.queues.orders import CANCELLED, PAUSED, Order, group_of
from nc_latent_tod.queues.sqs.queue import SqsQueue

Connect = Callable[..., Queue]


@pytest.fixture(params=["folder", "sqs"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Connect:
    if request.param == "folder":
        return partial(FolderQueue, tmp_path / "queue")
    aws = request.getfixturevalue("aws")
    return partial(SqsQueue, aws.queue(), table=aws.table())


def job(group: str, number: int = 0) -> dict[str, Any]:
    return {"run_id": f"run_{number}", "manifest": {"group_id": group}}


def order(group: str, state: str = PAUSED) -> Order:
    return Order(group, state, by="me@here", at="2030-01-01T00:00:00+00:00")


def test_a_note_is_read_by_others_until_it_is_removed(connect: Connect) -> None:
    mine, other = connect(), connect()

    mine.notes.write("workers", "host:1", {"done": 1})
    mine.notes.write("workers", "host:1", {"done": 2, "text": "é\ud800"})
    mine.notes.write("workers", "../host:2", {})
    assert other.notes.read("workers") == {"host:1": {"done": 2, "text": "é\ud800"}, "../host:2": {}}

    other.notes.remove("workers", "host:1")
    other.notes.remove("workers", "host:1")
    assert list(mine.notes.read("workers")) == ["../host:2"]
    assert mine.notes.read("groups") == {}


def test_a_paused_group_waits_while_others_run_and_comes_when_it_is_resumed(connect: Connect) -> None:
    people, worker = connect(), connect()
    people.put(job("slow"))
    people.put(job("quick"))
    people.orders.give(order("slow"))

    taken = worker.receive(5)
    assert taken is not None and taken.job == job("quick")
    taken.ack()
    assert worker.receive(0.3) is None
    assert not worker.drained(), "a paused job is not done"
    assert people.status().ready == 1


def test_a_resumed_group_comes_in_its_old_order_with_no_attempt_counted(tmp_path: Path) -> None:
    queue, worker = FolderQueue(tmp_path / "queue"), FolderQueue(tmp_path / "queue")
    for number in range(3):
        queue.put(job("slow", number))
    queue.orders.give(order("slow"))
    assert worker.receive(0.1) is None

    queue.orders.lift("slow")

    taken = [worker.receive(3) for _ in range(3)]
    assert [(one.job["run_id"], one.attempt) for one in taken if one] == [("run_0", 1), ("run_1", 1), ("run_2", 1)]


def test_a_cancelled_group_is_given_to_workers_who_know_what_to_do_with_it(connect: Connect) -> None:
    queue = connect()
    queue.put(job("slow"))
    queue.orders.give(order("slow"))
    queue.orders.give(order("slow", CANCELLED))

    taken = queue.receive(5)

    assert taken is not None and group_of(taken.job) == "slow"
    assert queue.orders.all() == {"slow": order("slow", CANCELLED)}


def test_a_job_of_a_dead_worker_stays_where_it_is_while_its_group_is_paused(tmp_path: Path) -> None:
    dead, other = FolderQueue(tmp_path / "queue", lease_s=0.2), FolderQueue(tmp_path / "queue", lease_s=0.2)
    dead.put(job("slow"))
    dead.receive(0)
    other.orders.give(order("slow"))
    assert other.receive(0.8) is None

    other.orders.lift("slow")

    taken = other.receive(3)
    assert taken is not None and taken.attempt == 2


def test_sqs_gives_up_no_job_for_the_length_of_a_pause(aws, monkeypatch: pytest.MonkeyPatch) -> None:
    sqs = StrictSqs()
    queue = SqsQueue("jobs.fifo", table=aws.table(), client=sqs)
    queue.put(job("slow"))
    queue.orders.give(order("slow"))

    receives = []
    for _ in range(24 * 4):  # a day
        assert queue.receive(0) is None
        receives.append(max(message["receives"] for message in sqs.messages["jobs.fifo"]))
        sqs.now += 901
    assert max(receives) <= 20
    assert (len(sqs.messages["jobs.fifo"]), len(sqs.messages["dead.fifo"])) == (1, 0)

    queue.orders.lift("slow")
    taken = queue.receive(0)
    assert taken is not None and taken.attempt == 1
