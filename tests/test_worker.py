"""The worker: what becomes of a job, how long it is held, and what signals do."""

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import TESTS, start, wait_until

from nc_latent_tod.errors import ConfigError, InterruptedJobError, LeaseLostError, ModelError, PermanentError, RetryableError
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.worker.group import threads_per_worker
from nc_latent_tod.worker.worker import JobControl, Worker, WorkSummary

JOB = {"run_id": "train_0_50"}
Launch = Callable[[list[str | Path]], subprocess.Popen[bytes]]


@pytest.fixture
def queue(tmp_path: Path) -> FolderQueue:
    queue = FolderQueue(tmp_path / "queue", lease_s=1.0, max_attempts=3, backoff_s=(0.0, 0.0))
    queue.put(JOB)
    return queue


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Starts a Python program that does not outlive the test."""
    processes = []

    def launch(argv: list[str | Path]) -> subprocess.Popen[bytes]:
        processes.append(start(argv, log=tmp_path / "log"))
        return processes[-1]

    yield launch
    for process in processes:
        process.kill()
        process.wait()


def work(queue: FolderQueue, run: Callable[[dict[str, Any], JobControl], None], **options: Any) -> WorkSummary:
    return Worker(queue, run, **{"lease_s": 1.0, "poll_s": 0.02, "drain": True, **options}).work()


def raising(error: Exception) -> Callable[[dict[str, Any], JobControl], None]:
    def run(job: dict[str, Any], control: JobControl) -> None:
        raise error

    return run


def patient(behaviour: str, tmp_path: Path) -> list[str | Path]:
    return [TESTS / "trivial_worker.py", behaviour, tmp_path / "queue", tmp_path / "manifest", "1.0", "60"]


def test_jobs_that_return_are_done(queue: FolderQueue) -> None:
    queue.put({"run_id": "train_50_100"})
    seen = []

    summary = work(queue, lambda job, control: seen.append(job["run_id"]))

    assert seen == ["train_0_50", "train_50_100"]
    assert summary == WorkSummary(done=2)
    assert queue.status().done == 2


def test_a_job_that_can_never_work_is_dead_with_its_reason(queue: FolderQueue) -> None:
    summary = work(queue, raising(ConfigError("unknown split 'trian'")))

    assert summary == WorkSummary(dead=1)
    assert [(letter.reason, letter.attempts) for letter in queue.status().dead] == [
        ("ConfigError: unknown split 'trian'", 1)
    ]


@pytest.fixture
def five(tmp_path: Path) -> FolderQueue:
    queue = FolderQueue(tmp_path / "five")
    for number in range(5):
        queue.put({"run_id": f"r{number}"})
    return queue


def test_a_machine_that_cannot_label_leaves_the_queue_to_others(five: FolderQueue) -> None:
    def run(job: dict[str, Any], control: JobControl) -> None:
        raise ModelError(f"no model in /models/{job['run_id']}")

    with pytest.raises(PermanentError, match=r"first 3 jobs .* no model in /models/r2\nIf this machine"):
        work(five, run)
    assert (five.status().ready, len(five.status().dead)) == (2, 3)


@pytest.mark.parametrize("other", ["another reason", ""])
def test_jobs_that_die_of_several_reasons_or_beside_others_that_are_done_end_no_worker(five: FolderQueue, other: str) -> None:
    def run(job: dict[str, Any], control: JobControl) -> None:
        if job["run_id"] != "r1":
            raise ModelError("no model")
        if other:
            raise ConfigError(other)

    summary = work(five, run)

    assert summary == (WorkSummary(dead=5) if other else WorkSummary(done=1, dead=4))


@pytest.mark.parametrize(("error", "is_traced"), [(ConfigError("no split"), False), (RetryableError("throttled"), False),
                                                  (KeyError("slot"), True)])
def test_a_traceback_is_logged_only_of_an_error_that_nobody_foresaw(queue: FolderQueue, caplog, error, is_traced) -> None:
    work(queue, raising(error))

    failures = [record for record in caplog.records if str(error) in record.getMessage()]
    assert failures and all(bool(record.exc_info) == is_traced for record in failures)


@pytest.mark.parametrize("error", [RetryableError("throttled"), MemoryError("too big"), KeyError("slot")])
def test_a_job_that_fails_is_tried_again_until_its_last_attempt(queue: FolderQueue, error: Exception) -> None:
    summary = work(queue, raising(error))

    assert summary == WorkSummary(retried=3)
    (letter,) = queue.status().dead
    assert (letter.attempts, letter.reason) == (3, f"{type(error).__name__}: {error}")


def test_a_failed_job_does_not_end_the_worker(queue: FolderQueue) -> None:
    queue.put({"run_id": "train_50_100"})
    attempts = []

    def run(job: dict[str, Any], control: JobControl) -> None:
        attempts.append(job["run_id"])
        if attempts.count("train_0_50") == 1 and job == JOB:
            raise RuntimeError("out of memory")

    assert work(queue, run) == WorkSummary(done=2, retried=1)
    assert attempts == ["train_0_50", "train_50_100", "train_0_50"]


def test_an_interrupted_job_is_given_back_uncounted(queue: FolderQueue) -> None:
    assert work(queue, raising(InterruptedJobError("asked to stop")), max_jobs=1) == WorkSummary(released=1)

    delivery = queue.receive(2)
    assert delivery is not None and delivery.attempt == 1


def test_max_jobs_ends_the_worker(queue: FolderQueue) -> None:
    queue.put({"run_id": "train_50_100"})

    assert work(queue, lambda job, control: None, max_jobs=1, drain=False) == WorkSummary(done=1)

    assert queue.status().ready == 1


def test_the_heartbeat_keeps_a_job_longer_than_its_lease(queue: FolderQueue, tmp_path: Path) -> None:
    other = FolderQueue(tmp_path / "queue", lease_s=1.0)
    stolen = []

    def run(job: dict[str, Any], control: JobControl) -> None:
        stolen.append(other.receive(3.0))
        control.check_lease()

    assert work(queue, run) == WorkSummary(done=1)
    assert stolen == [None]


def test_a_job_that_lost_its_lease_stops_and_writes_nothing(queue: FolderQueue, tmp_path: Path) -> None:
    noticed_s = []

    def run(job: dict[str, Any], control: JobControl) -> None:
        (held,) = (tmp_path / "queue" / "in_flight").iterdir()
        held.rename(held.with_name(held.name.replace(".a1.", ".a2.f")[:-6] + ".json"))  # as a takeover does
        noticed_s.append(seconds_until_lost(control))
        control.check_lease()

    assert work(queue, run, max_jobs=1, lease_s=3.0) == WorkSummary(lost=1)
    assert noticed_s[0] < 2, "the next beat notices, long before the lease ends"

    (held,) = queue.status().in_flight
    assert held.attempt == 2


def seconds_until_lost(control: JobControl) -> float:
    began = time.monotonic()
    while time.monotonic() < began + 10:
        try:
            control.check_lease()
        except LeaseLostError:
            break
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_job_that_ends_after_its_takeover_is_not_done(queue: FolderQueue, tmp_path: Path) -> None:
    def run(job: dict[str, Any], control: JobControl) -> None:
        (held,) = (tmp_path / "queue" / "in_flight").iterdir()
        held.rename(held.with_name(held.name.replace(".a1.", ".a2.f")[:-6] + ".json"))

    assert work(queue, run, max_jobs=1) == WorkSummary(lost=1)
    assert queue.status().done == 0


def test_a_worker_that_cannot_reach_the_queue_gives_up_after_a_lease(queue: FolderQueue, tmp_path: Path) -> None:
    noticed_s = []

    def run(job: dict[str, Any], control: JobControl) -> None:
        in_flight = tmp_path / "queue" / "in_flight"
        in_flight.rename(tmp_path / "unreachable")
        in_flight.touch()
        noticed_s.append(seconds_until_lost(control))
        in_flight.unlink()
        (tmp_path / "unreachable").rename(in_flight)
        control.check_lease()

    assert work(queue, run, max_jobs=1) == WorkSummary(lost=1)
    assert 0.9 < noticed_s[0] < 5


def test_progress_is_shown_at_most_once_a_second(queue: FolderQueue) -> None:
    shown = []

    def run(job: dict[str, Any], control: JobControl) -> None:
        for dialogues in (1, 2):
            control.report({"dialogues_done": dialogues})
            shown.append(json.loads(queue.status().in_flight[0].progress))
        time.sleep(1.05)
        control.report("3 of 50 dialogues")
        shown.append(queue.status().in_flight[0].progress)

    work(queue, run)

    assert shown == [{"dialogues_done": 1}, {"dialogues_done": 1}, "3 of 50 dialogues"]


def test_drain_waits_for_the_job_of_a_dead_worker(queue: FolderQueue, tmp_path: Path) -> None:
    FolderQueue(tmp_path / "queue", lease_s=1.0).receive(0)  # and dies
    attempts = []

    summary = work(queue, lambda job, control: attempts.append(job))

    assert (summary, attempts) == (WorkSummary(done=1), [JOB])


def test_stop_ends_a_worker_that_waits(tmp_path: Path) -> None:
    worker = Worker(FolderQueue(tmp_path / "queue"), lambda job, control: None, poll_s=0.05)
    thread = threading.Thread(target=worker.work)
    thread.start()

    worker.stop()

    thread.join(5)
    assert not thread.is_alive()


def test_a_queue_that_vanishes_ends_the_worker_with_the_reason(queue: FolderQueue, tmp_path: Path) -> None:
    (tmp_path / "queue").rename(tmp_path / "moved")

    with pytest.raises(PermanentError, match="queue"):
        work(queue, lambda job, control: None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_gives_the_job_back(queue: FolderQueue, tmp_path: Path, launch: Launch, number: int) -> None:
    process = launch(patient("patient", tmp_path))
    wait_until(lambda: [job.progress for job in queue.status().in_flight] == ["patient train_0_50"])

    process.send_signal(number)

    assert process.wait(5) == 0, (tmp_path / "log").read_text()
    assert "released=1" in (tmp_path / "log").read_text()
    delivery = queue.receive(2)
    assert delivery is not None and delivery.attempt == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_second_signal_stops_at_once(
    queue: FolderQueue, tmp_path: Path, launch: Launch, number: int, code: int
) -> None:
    process = launch(patient("deaf", tmp_path))
    wait_until(lambda: [job.progress for job in queue.status().in_flight] == ["deaf train_0_50"])

    process.send_signal(number)
    wait_until(lambda: "Signal again" in (tmp_path / "log").read_text())
    assert process.poll() is None
    process.send_signal(number)

    assert process.wait(2) == code
    delivery = queue.receive(5)  # after the lease
    assert delivery is not None and delivery.attempt == 2


def group(argv: list[str | Path], *, workers: int = 2, cores: int = 6) -> list[str | Path]:
    program = (
        "import json, os, sys; from nc_latent_tod.worker.group import run_workers;"
        "sys.exit(run_workers([json.loads(sys.argv[3])] * int(sys.argv[1]), env=os.environ, cores=int(sys.argv[2])))"
    )
    return ["-c", program, str(workers), str(cores), json.dumps([sys.executable, *map(str, argv)])]


def test_workers_share_the_cores_of_their_host(tmp_path: Path, launch: Launch) -> None:
    code = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['MKL_NUM_THREADS'])"

    assert launch(group(["-c", code], workers=2, cores=6)).wait(30) == 0

    assert (tmp_path / "log").read_text() == "3 3\n3 3\n"
    assert [threads_per_worker(count, 2) for count in (1, 2, 3)] == [2, 1, 1]


def test_a_group_ends_with_the_worst_exit_code(tmp_path: Path, launch: Launch) -> None:
    code = f"import os, sys; os.mkdir({str(tmp_path / 'first')!r}); sys.exit(3)"  # the second fails with 1

    assert launch(group(["-c", code])).wait(30) == 3
    assert launch(group(["-c", "import os; os.kill(os.getpid(), 9)"])).wait(30) == 137


def test_a_signal_reaches_every_worker_of_a_group(queue: FolderQueue, tmp_path: Path, launch: Launch) -> None:
    queue.put({"run_id": "train_50_100"})
    process = launch(group(patient("patient", tmp_path)))
    wait_until(lambda: [job.progress[:7] for job in queue.status().in_flight] == ["patient"] * 2)

    process.send_signal(signal.SIGTERM)

    assert process.wait(20) == 0
    status = queue.status()
    assert (status.ready, status.in_flight) == (2, ())
