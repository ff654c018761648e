"""What the folder queue promises beyond the contract: files, full disks, kills, clocks, many processes."""

import json
import os
import random
import sys
import time
from pathlib import Path

import pytest
from processes import TESTS, Crew, in_child, start, wait_until

from nc_latent_tod.errors import ConfigError, RetryableError
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.queues.backoff import wait_s
from nc_latent_tod.queues.folder.leases import LeaseWatch
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.queues.folder.waits import Waits
from nc_latent_tod.queues.job_name import JobFileName, fingerprint
from nc_latent_tod.queues.status import QueueStatus

EMPTY = QueueStatus(ready=0, in_flight=(), done=0, dead=())
JOB = {"run_id": "train_0_50"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "queue"


def files(path: Path, state: str) -> list[Path]:
    return sorted((path / state).iterdir())


def drain(path: Path) -> list[str]:
    """Ack every job; their run ids in the order of delivery."""
    queue = FolderQueue(path, lease_s=0.05, max_attempts=1000, backoff_s=(0.0, 0.0))
    found = []
    while not queue.drained():
        if delivery := queue.receive(0.3):
            found.append(delivery.job["run_id"])
            delivery.ack()
    return found


def test_a_job_is_a_readable_file_in_the_folder_of_its_state(path: Path) -> None:
    queue = FolderQueue(path)
    queue.put(JOB)
    (ready,) = files(path, "ready")
    assert "train_0_50" in ready.name and ready.read_text() == '{\n  "run_id": "train_0_50"\n}\n'

    delivery = queue.receive(0)
    assert delivery is not None
    (lease,) = files(path, "leases")
    assert json.loads(lease.read_text())["pid"] == os.getpid()
    assert [file.name for file in files(path, "in_flight")] == [lease.name]

    delivery.ack()
    assert [file.name for file in files(path, "done")] == [lease.name]
    assert not files(path, "leases") and not files(path, "scratch")


def test_a_fingerprint_does_not_depend_on_the_order_of_keys() -> None:
    # sha256 of '{"a":1,"b":[true,null]}'
    assert fingerprint({"b": [True, None], "a": 1}) == fingerprint({"a": 1, "b": [True, None]}) == "1cc69c7fa23616ca"


@pytest.mark.parametrize("job", [{"score": float("nan")}, {"path": Path(".")}, {"text": "\ud800"}])
def test_a_job_that_is_not_plain_json_is_refused(path: Path, job: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        FolderQueue(path).put(job)

    assert FolderQueue(path).status() == EMPTY


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"run_id": "trunca', "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"run_id": "another"}', "changed"),
        (b'{"run_id": NaN}', "not JSON: NaN"),
        (b'{"run_id": 1e999}', "not JSON: 1e999"),
    ],
)
def test_a_ready_file_that_is_not_the_job_that_was_put_is_dead(path: Path, content: bytes, reason: str) -> None:
    queue = FolderQueue(path)
    queue.put({"run_id": "damaged"})
    queue.put(JOB)
    files(path, "ready")[0].write_bytes(content)

    delivery = queue.receive(0)

    assert delivery is not None and delivery.job == JOB
    (letter,) = queue.status().dead
    assert reason in letter.reason


def test_a_file_copied_into_ready_is_dead_until_it_is_redriven(path: Path) -> None:
    queue = FolderQueue(path)
    (path / "ready" / "job_3.json").write_text(json.dumps(JOB))

    assert queue.receive(0) is None
    assert [(letter.name, "enqueue" in letter.reason) for letter in queue.status().dead] == [("job_3.json", True)]

    assert queue.redrive(["job_3.json"])
    delivery = queue.receive(2)
    assert delivery is not None and delivery.job == JOB
    assert not queue.status().dead


def test_a_folder_in_ready_is_dead_and_is_not_redriven(path: Path) -> None:
    queue = FolderQueue(path)
    (path / "ready" / "copied").mkdir()

    assert queue.receive(0) is None
    with pytest.raises(ConfigError, match="copied: not a file but a folder"):
        queue.redrive(["copied"])


def test_a_redriven_job_begins_anew(path: Path) -> None:
    queue = FolderQueue(path, max_attempts=1)
    queue.put(JOB)
    queue.receive(0).nack("no such split")  # type: ignore[union-attr]
    (letter,) = queue.status().dead

    assert queue.redrive([letter.name, letter.name]) == [letter.name]

    assert not queue.redrive([letter.name]), "it is no dead letter any more"
    delivery = queue.receive(2)
    assert delivery is not None and (delivery.job, delivery.attempt) == (JOB, 1)
    assert not queue.put(JOB)


def test_a_dead_letter_that_is_still_damaged_is_not_redriven(path: Path) -> None:
    queue = FolderQueue(path)
    (path / "ready" / "broken.json").write_text("{")
    queue.receive(0)

    with pytest.raises(ConfigError, match="broken.json.*not JSON"):
        queue.redrive(["broken.json"])

    assert len(queue.status().dead) == 1


def test_a_job_whose_file_was_removed_by_hand_can_be_put_again(path: Path) -> None:
    queue = FolderQueue(path)
    queue.put(JOB)
    queue.receive(0).ack()  # type: ignore[union-attr]
    assert not queue.put(JOB)

    files(path, "done")[0].unlink()

    assert queue.put(JOB)
    assert drain(path) == ["train_0_50"]


def test_a_folder_that_cannot_be_a_queue_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "dependents").mkdir()
    (tmp_path / "dependents" / "job_1.json").write_text("{}")

    for wrong in ("no/such/folder", "file", "dependents"):
        with pytest.raises(ConfigError, match=wrong.split("/")[0]):
            FolderQueue(tmp_path / wrong)


def test_a_folder_that_vanishes_is_a_clear_error(path: Path) -> None:
    queue = FolderQueue(path)
    path.rename(path.with_name("moved"))

    with pytest.raises(ConfigError, match="queue"):
        queue.receive(0)
    with pytest.raises(ConfigError, match="queue"):
        queue.put(JOB)


def test_a_full_disk_refuses_the_job_and_leaves_nothing_behind(path: Path) -> None:
    job = {"run_id": "big", "text": "x" * 10_000}

    outcome = in_child(lambda: FolderQueue(path).put(job), file_limit=4096)

    assert outcome.startswith("RetryableError") and "Free space" in outcome
    assert FolderQueue(path).status() == EMPTY and not files(path, "jobs") and not files(path, "scratch")
    assert FolderQueue(path).put(job)


def test_jobs_are_kept_and_settled_on_a_full_disk(path: Path) -> None:
    for run_id in ("a", "b", "c"):
        FolderQueue(path).put({"run_id": run_id})

    def work() -> None:
        queue = FolderQueue(path)
        done, failed, dead = (queue.receive(0) for _ in range(3))
        assert done and failed and dead
        done.extend(60)
        done.progress("1 of 2")
        done.ack()
        failed.nack("no space")
        dead.nack("no space", dead=True)

    assert in_child(work, file_limit=0) == "None"

    status = FolderQueue(path).status()
    assert (status.ready, status.in_flight, status.done) == (1, (), 1)
    assert "not stored" in status.dead[0].reason


def test_a_clock_that_jumps_loses_no_lease(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    holder, other = FolderQueue(path, lease_s=1.0), FolderQueue(path, lease_s=1.0)
    holder.put(JOB)
    held = holder.receive(0)
    assert held is not None

    for jump_s in (-86_400, 86_400, -10 * 86_400):
        now = time.time() + jump_s
        monkeypatch.setattr(time, "time", lambda now=now: now)
        held.extend(1.0)
        os.utime(files(path, "in_flight")[0], (now, now))  # what the file system's clock would have said
        assert other.receive(0.5) is None
        assert other.status().in_flight[0].age_s >= 0

    held.ack()


def test_a_lease_runs_out_by_the_observers_own_clock(path: Path) -> None:
    queue = FolderQueue(path, lease_s=60)
    queue.put(JOB)
    held = queue.receive(0)
    assert held is not None
    now = [1000.0]
    watch = LeaseWatch(path / "in_flight", path / "leases", default_lease_s=5, clock=lambda: now[0])

    seen = []
    for second in (1000, 1059, 1061):
        now[0] = second
        seen.append(len(watch.expired()))
    held.extend(10)
    seen.append(len(watch.expired()))
    now[0] += 11
    seen.append(len(watch.expired()))

    assert seen == [0, 0, 1, 0, 1], "the holder's 60 s, then its 10 s, not the observer's 5 s"


def every_move(path: Path) -> None:
    queue = FolderQueue(path, lease_s=0.05, max_attempts=1000, backoff_s=(0.0, 0.0))
    for run_id in "abca":
        queue.put({"run_id": run_id})
    for act in (
        lambda delivery: delivery.ack(),
        lambda delivery: delivery.nack("out of memory"),
        lambda delivery: (delivery.extend(0.06), delivery.release()),
    ):
        act(queue.receive(0))


def test_no_job_is_lost_or_doubled_by_a_kill_at_any_point(path: Path) -> None:
    kill_at, outcome = 0, ""
    while outcome == "":
        queue_path = path.with_name(f"queue-{kill_at}")
        outcome = in_child(lambda at=queue_path: every_move(at), kill_at=kill_at)
        queue = FolderQueue(queue_path)
        again = {run_id: queue.put({"run_id": run_id}) for run_id in "abc"}
        done = queue.status().done

        delivered = drain(queue_path)

        status = queue.status()
        assert (status.done, status.dead) == (3, ()), f"killed at {kill_at}, put again: {again}"
        assert len(delivered) == len(set(delivered)) == 3 - done, f"killed at {kill_at}: {delivered}"
        kill_at += 1
    assert (outcome, kill_at > 50) == ("None", True), kill_at


def test_processes_never_hold_the_same_job(path: Path, tmp_path: Path) -> None:
    queue = FolderQueue(path)
    for number in range(60):
        queue.put({"run_id": f"run_{number}"})
    argv = [TESTS / "trivial_worker.py", "alone", path, tmp_path / "manifest", 10, 0.002]

    with Crew(argv, size=3, log=tmp_path / "log") as crew:
        assert crew.wait() == [0, 0, 0], (tmp_path / "log").read_text()

    assert (queue.status().done, queue.status().dead) == (60, ())
    assert len(LocalManifest(tmp_path / "manifest").entries("group")) == 60


def test_processes_that_put_the_same_jobs_put_each_once(path: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from nc_latent_tod.queues.folder.queue import FolderQueue; q = FolderQueue(sys.argv[1]);"
        "open(sys.argv[2], 'w').write(str(sum(q.put({'run_id': str(i)}) for i in range(50))))"
    )
    FolderQueue(path)
    counts = [tmp_path / f"count-{number}" for number in range(3)]

    processes = [start(["-c", program, path, count]) for count in counts]

    assert [process.wait(20) for process in processes] == [0, 0, 0]
    assert sum(int(count.read_text()) for count in counts) == 50
    assert len(drain(path)) == 50


def test_every_job_is_in_the_manifest_once_after_random_kills(path: Path, tmp_path: Path) -> None:
    rng = random.Random(7)
    queue = FolderQueue(path)
    for number in range(30):
        queue.put({"run_id": f"run_{number}"})
    argv = [TESTS / "trivial_worker.py", "work", path, tmp_path / "manifest", 1, 0.02]

    with Crew(argv, size=3, log=tmp_path / "log") as crew:
        while crew.kills < 10:
            wait_until(lambda: bool(queue.status().in_flight), what="a job in flight")
            time.sleep(rng.uniform(0, 0.02))
            holders = [int(job.worker.split(":")[1]) for job in queue.status().in_flight if ":" in job.worker]
            crew.kill_random(rng, among=holders)
        assert crew.wait() == [0, 0, 0], (tmp_path / "log").read_text()

    found = [entry.run_id for entry in LocalManifest(tmp_path / "manifest").entries("group")]
    assert found == sorted(f"run_{number}" for number in range(30))
    assert queue.status() == QueueStatus(ready=0, in_flight=(), done=30, dead=())


def test_receiving_does_not_list_a_long_queue_each_time(path: Path) -> None:
    queue = FolderQueue(path, lease_s=1000)
    for number in range(100):
        queue.put({"run_id": f"run_{number}"})

    def listings() -> int:
        listed = []
        sys.addaudithook(lambda event, arguments: listed.append(arguments) if event == "os.listdir" else None)
        began = time.monotonic()
        for _ in range(100):
            queue.receive(0).ack()  # type: ignore[union-attr]
        return len(listed) - 3 * int(time.monotonic() - began + 1)  # of ready/, in_flight/ and leases/, each second

    assert int(in_child(listings)) <= 0
    assert queue.status().done == 100


def test_redriving_lists_the_dead_letters_once_and_not_for_each(path: Path) -> None:
    queue = FolderQueue(path)
    for number in range(20):
        queue.put({"run_id": f"run_{number}"})
        queue.receive(0).nack("no such split", dead=True)  # type: ignore[union-attr]
    names = [letter.name for letter in queue.letters()]

    def listings() -> int:
        listed = []
        sys.addaudithook(lambda event, arguments: listed.append(arguments) if event == "os.listdir" else None)
        queue.redrive(names)
        return len(listed)

    assert int(in_child(listings)) == 1
    assert (queue.status().ready, queue.letters()) == (20, ())


def test_an_unwritable_queue_is_refused(path: Path) -> None:
    FolderQueue(path)
    (path / "done").chmod(0o500)
    if os.access(path / "done", os.W_OK):
        pytest.skip("the superuser may write everywhere")

    with pytest.raises(ConfigError, match="done/ is not writable"):
        FolderQueue(path)


def test_no_hard_links_or_no_space_are_told_apart(path: Path) -> None:
    queue = FolderQueue(path)

    for number, kind in ((1, ConfigError), (28, RetryableError)):  # EPERM, ENOSPC
        with pytest.raises(kind), queue._folder.clear_errors("put"):
            raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(("wall_s", "watched_s", "may_be_taken"), [
    (0.0, 0.0, False), (29.0, 29.0, False), (31.0, 0.0, True), (-7200.0, 29.0, False), (-7200.0, 31.0, True),
    (7200.0, 0.0, True)])
def test_no_clock_makes_a_failed_job_wait_longer_than_it_has_to(wall_s: float, watched_s: float, may_be_taken: bool) -> None:
    at = {"wall": 1e9, "monotonic": 0.0}
    waits = Waits(wall=lambda: at["wall"], clock=lambda: at["monotonic"])
    failed = str(JobFileName(order=int(1e18), job_name="run_0-0123456789abcdef", attempts=1, wait_ms=30_000))
    assert waits.over([failed, "foreign"]) == ["foreign"]

    at["wall"] += wall_s
    at["monotonic"] += watched_s

    assert (failed in waits.over([failed])) is may_be_taken


def test_waits_double_with_each_attempt_up_to_the_longest_and_are_spread() -> None:
    waits = {attempt: [wait_s(attempt, (30.0, 100.0)) for _ in range(200)] for attempt in (1, 2, 3)}

    for attempt, longest in ((1, 30.0), (2, 60.0), (3, 100.0)):
        assert longest / 2 <= min(waits[attempt]) < 0.6 * longest < 0.9 * longest < max(waits[attempt]) <= longest
