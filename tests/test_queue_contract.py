"""What every queue promises. Each backend is a parameter of `backend`."""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nc_latent_tod.errors import LeaseLostError
from nc_latent_tod.queues import Delivery, Queue
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.queues.sqs.queue import SqsQueue

PATIENCE_S = 10.0
JOB = {"run_id": "train_0_50", "seed": 0}


@pytest.fixture(params=["folder", "sqs"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Queue]:
    """Opens the same queue again, as another process would."""
    if request.param == "folder":
        return partial(FolderQueue, tmp_path / "queue", max_attempts=3, backoff_s=(0.0, 0.0))
    aws = request.getfixturevalue("aws")
    return partial(SqsQueue, aws.queue(), table=aws.table(), max_attempts=3, backoff_s=(1.0, 1.0))


@pytest.fixture
def short_s(request: pytest.FixtureRequest) -> float:
    """A short lease: SQS counts whole seconds."""
    return 1.0 if "sqs" in request.node.callspec.id else 0.5


@pytest.fixture
def queue(connect: Callable[..., Queue]) -> Queue:
    return connect()


def received(queue: Queue) -> Delivery:
    delivery = queue.receive(PATIENCE_S)
    assert delivery is not None, "no job was delivered"
    return delivery


def jobs(count: int) -> list[dict[str, Any]]:
    return [{"run_id": f"run_{number}"} for number in range(count)]


def test_a_received_job_is_the_job_that_was_put(queue: Queue) -> None:
    job = {"run_id": "é ✓/..", "nested": {"empty": [], "null": None, "float": 0.1, "long": "x" * 100_000}}

    queue.put(job)

    delivery = received(queue)
    assert delivery.job == job
    assert delivery.attempt == 1


def test_jobs_come_first_in_first_out(queue: Queue) -> None:
    for job in jobs(20):
        queue.put(job)

    assert [received(queue).job for _ in range(20)] == jobs(20)


def test_an_empty_queue_gives_nothing_after_the_wait(queue: Queue) -> None:
    began = time.monotonic()

    assert queue.receive(0.2) is None

    assert 0.2 <= time.monotonic() - began < 2


def test_a_job_put_while_another_process_waits_is_received(connect: Callable[..., Queue]) -> None:
    waiting, putting = connect(), connect()
    assert waiting.receive(0.05) is None

    putting.put(JOB)

    assert received(waiting).job == JOB


def test_an_equal_job_is_put_once_whatever_its_state(queue: Queue) -> None:
    assert queue.put(JOB)
    assert not queue.put({"seed": 0, "run_id": "train_0_50"})

    delivery = received(queue)
    assert not queue.put(JOB)

    delivery.ack()
    assert not queue.put(JOB)
    assert queue.put({**JOB, "seed": 1})


def test_a_dead_job_is_not_put_again(queue: Queue) -> None:
    queue.put(JOB)
    received(queue).nack("no such split", dead=True)

    assert not queue.put(JOB)
    assert queue.receive(0) is None


def test_a_job_in_flight_is_not_delivered_again(connect: Callable[..., Queue]) -> None:
    one, other = connect(lease_s=60), connect(lease_s=60)
    one.put(JOB)

    held = received(one)

    assert other.receive(0.1) is None
    assert one.receive(0.1) is None
    held.ack()


def test_a_job_whose_holder_is_silent_is_taken_over(connect: Callable[..., Queue], short_s: float) -> None:
    dead, living = connect(lease_s=short_s), connect(lease_s=short_s)
    dead.put(JOB)
    lost = received(dead)

    taken = received(living)

    assert (taken.job, taken.attempt) == (JOB, 2)
    assert taken.delivery_id != lost.delivery_id


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda delivery: delivery.ack(), id="ack"),
        pytest.param(lambda delivery: delivery.nack("too late"), id="nack"),
        pytest.param(lambda delivery: delivery.nack("too late", dead=True), id="dead"),
        pytest.param(lambda delivery: delivery.release(), id="release"),
        pytest.param(lambda delivery: delivery.extend(60), id="extend"),
    ],
)
def test_a_holder_that_lost_its_lease_changes_nothing(
    connect: Callable[..., Queue], short_s: float, act: Callable[[Delivery], None]
) -> None:
    slow, other = connect(lease_s=short_s), connect(lease_s=60)
    slow.put(JOB)
    lost = received(slow)
    taken = received(other)

    with pytest.raises(LeaseLostError):
        act(lost)

    assert [job.attempt for job in other.status().in_flight] == [2]
    taken.ack()
    assert (other.status().done, other.status().dead) == (1, ())


def test_a_settled_delivery_cannot_be_settled_again(queue: Queue) -> None:
    queue.put(JOB)
    delivery = received(queue)
    delivery.ack()

    with pytest.raises(LeaseLostError):
        delivery.nack("changed my mind")
    with pytest.raises(LeaseLostError):
        delivery.extend(60)

    assert queue.status().done == 1


def test_an_extended_job_is_kept_longer_than_its_lease(connect: Callable[..., Queue], short_s: float) -> None:
    holder, other = connect(lease_s=short_s), connect(lease_s=short_s)
    holder.put(JOB)
    held = received(holder)

    for _ in range(8):
        held.extend(short_s)
        assert other.receive(short_s / 3) is None

    held.ack()


def test_an_extension_holds_for_the_seconds_asked_for(connect: Callable[..., Queue], short_s: float) -> None:
    holder, other = connect(lease_s=short_s), connect(lease_s=short_s)
    holder.put(JOB)
    held = received(holder)

    held.extend(60)

    assert other.receive(2.5 * short_s) is None
    held.ack()


def test_a_failed_job_comes_again_behind_the_others(queue: Queue) -> None:
    for job in jobs(2):
        queue.put(job)

    received(queue).nack("out of memory")

    assert received(queue).job == jobs(2)[1]
    again = received(queue)
    assert (again.job, again.attempt) == (jobs(2)[0], 2)


def test_a_failed_job_waits_for_its_next_attempt_whoever_looks(connect: Callable[..., Queue]) -> None:
    failing, other = connect(backoff_s=(4.0, 4.0)), connect()
    failing.put(JOB)
    delivery = received(failing)
    before = time.time()
    delivery.nack("no space left")

    assert other.receive(1.0) is None
    [waiting] = other.status().waiting
    assert ("train_0_50" in waiting.name, waiting.reason, waiting.attempts) == (True, "no space left", 1)
    assert 2.0 <= waiting.waits_until - before <= 4.0 + (time.time() - before)
    assert not other.drained() and other.status().ready == 1

    assert received(other).attempt == 2
    assert time.time() - before >= 2.0 and other.status().waiting == ()


def test_a_job_that_fails_too_often_is_dead_with_its_last_error(queue: Queue) -> None:
    queue.put(JOB)

    for attempt in (1, 2, 3):
        received(queue).nack(f"error {attempt}")

    assert queue.receive(0) is None
    (letter,) = queue.status().dead
    assert (letter.reason, letter.attempts) == ("error 3", 3)
    assert "train_0_50" in letter.name


def test_a_job_that_can_never_work_is_dead_at_once(queue: Queue) -> None:
    queue.put(JOB)

    received(queue).nack("no such split", dead=True)

    assert [(letter.reason, letter.attempts) for letter in queue.status().dead] == [("no such split", 1)]


def test_a_job_that_kills_its_workers_is_dead_in_the_end(connect: Callable[..., Queue], short_s: float) -> None:
    connect().put(JOB)
    for _ in range(3):
        received(connect(lease_s=short_s))  # and the worker dies

    assert connect(lease_s=short_s).receive(3 * short_s) is None

    (letter,) = connect().status().dead
    assert "lease" in letter.reason
    assert letter.attempts == 3


def test_a_released_job_keeps_its_place_and_its_attempts(queue: Queue) -> None:
    for job in jobs(2):
        queue.put(job)

    received(queue).release()
    time.sleep(1.1)  # the folder queue lists what waits once a second

    again = received(queue)
    assert (again.job, again.attempt) == (jobs(2)[0], 1)


def test_the_status_shows_every_state(connect: Callable[..., Queue]) -> None:
    queue = connect(worker="host-a:17")
    for job in jobs(4):
        queue.put(job)
    received(queue).ack()
    received(queue).nack("no such split", dead=True)
    held = received(queue)
    held.progress("3 of 50 dialogues")

    status = queue.status()

    assert (status.ready, status.done, len(status.dead)) == (1, 1, 1)
    (job,) = status.in_flight
    assert (job.worker, job.attempt, job.progress) == ("host-a:17", 1, "3 of 50 dialogues")
    assert "run_2" in job.name
    assert 0 <= job.age_s < 5


def test_a_queue_is_drained_when_nothing_is_ready_or_in_flight(queue: Queue) -> None:
    assert queue.drained()
    queue.put(JOB)
    assert not queue.drained()
    delivery = received(queue)
    assert not queue.drained()

    delivery.nack("no such split", dead=True)

    assert queue.drained()
