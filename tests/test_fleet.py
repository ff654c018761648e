"""Who works on a queue, how far it is, and what people tell its workers: records, orders, logs, metrics."""

import io
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from processes import wait_until
from rich.console import Console
from test_cli import call, command_line, write_job, write_logs

from nc_latent_tod.api.pause import hold
from nc_latent_tod.cli.views.fleet import clock, overview_table, workers_table
from nc_latent_tod.errors import InterruptedJobError
from nc_latent_tod.lm import TokenCount
from nc_latent_tod.pipeline.progress import Progress
from nc_latent_tod.queues import Queue
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.queues.orders import CANCELLED, PAUSED, Order
from nc_latent_tod.queues.sqs.queue import SqsQueue
from nc_latent_tod.system.logs import JsonLines, add_log_fields, log_fields
from nc_latent_tod.system.stopwatch import Phases
from nc_latent_tod.worker.fleet import overview, worker_json
from nc_latent_tod.worker.group import run_workers, visible_gpus
from nc_latent_tod.worker.presence import Attendance, workers
from nc_latent_tod.worker.tally import JOBS, LABELLING_TOKENS, RECEIVE_ERRORS, CurrentJob, Tally
from nc_latent_tod.worker.usage import usage_of
from nc_latent_tod.worker.worker import JobControl, Worker, WorkSummary

GROUP = "slow"
JOB = {"run_id": "train_0_50", "manifest": {"group_id": GROUP}}
CANCEL = Order(GROUP, CANCELLED, by="me@here", at="2030-01-01T00:00:00+00:00")
HALF_WAY = {"dialogues": 50, "dialogues_done": 20, "turns": 400, "turns_done": 200, "turns_resumed": 100, "seconds": 50.0}


@pytest.fixture(params=["folder", "sqs"])
def queue(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Queue:
    if request.param == "folder":
        return FolderQueue(tmp_path / "queue")
    aws = request.getfixturevalue("aws")
    queue = SqsQueue(aws.queue(), table=aws.table())
    monkeypatch.setattr(queue.notes, "beat_s", 1.0)
    return queue


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NC_LATENT_TOD_QUEUE_PATH", "queue")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: object) -> subprocess.Popen[str]:
        processes.append(command_line(*arguments))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def work_until_told(queue: Queue, **options: Any) -> tuple[threading.Thread, list[WorkSummary]]:
    """A worker in a thread whose jobs last until they are asked to stop."""
    summaries: list[WorkSummary] = []

    def run(job: dict[str, Any], control: JobControl) -> None:
        while not control.should_stop():
            time.sleep(0.01)
        raise InterruptedJobError("asked to stop")

    worker = Worker(queue, run, poll_s=0.05, **options)
    thread = threading.Thread(target=lambda: summaries.append(worker.work()))
    thread.start()
    return thread, summaries


def test_the_time_left_follows_from_stored_figures(queue: Queue) -> None:
    for number in range(3):
        queue.put({"run_id": f"run_{number}"})
    delivery = queue.receive(5)
    assert delivery is not None
    delivery.progress(json.dumps(HALF_WAY))

    seen = overview(queue)

    # 100 turns in 50 s are 2 turns/s; 200 turns of this job and twice 400 of those that are ready take 500 s.
    assert (seen.ready, seen.done, len(seen.in_flight)) == (2, 0, 1)
    assert (seen.turns_per_second, seen.seconds_left) == (2.0, 500.0)
    assert (seen.in_flight[0].turns_left, seen.in_flight[0].seconds_left) == (200, 100.0)
    assert seen.in_flight[0].silent_s <= seen.in_flight[0].age_s < 60
    assert seen.to_json()["in_flight"][0]["progress"] == HALF_WAY


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_jobs_of_groups_on_hold_are_counted_apart_and_not_in_the_time_left(queue: Queue, state: str) -> None:
    for number in range(3):
        queue.put({"run_id": f"run_{number}"})
    delivery = queue.receive(5)
    assert delivery is not None
    delivery.progress(json.dumps(HALF_WAY))
    for number in range(4):
        queue.put({**JOB, "seed": number})
    queue.orders.give(Order(GROUP, state, by="me@here", at="2030-01-01T00:00:00+00:00"))

    seen = overview(queue)

    assert (seen.ready, seen.held, seen.seconds_left) == (6, 4, 500.0)
    assert "6 queued (4 on hold)" in str(overview_table(seen).renderables[0])


def test_whoever_looks_at_a_queue_does_not_wait_for_what_labels(tmp_path: Path) -> None:
    path = str(tmp_path / "queue")
    FolderQueue(path)
    code = ("import sys\nfrom nc_latent_tod.cli import app\n"
            f"for command in ('status', 'workers'):\n    app([command, '--queue', {path!r}], standalone_mode=False)\n"
            "heavy = {'numpy', 'nc_latent_tod.labelling.labeller', 'nc_latent_tod.pipeline.run', 'boto3'}\n"
            "print(sorted(set(sys.modules) & heavy))")

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


def test_a_job_too_old_for_sqs_is_named_by_status_and_sent_again_by_enqueue(folder: Path, aws: Any, monkeypatch) -> None:
    name, table = aws.queue(), aws.table()
    monkeypatch.setenv("NC_LATENT_TOD_QUEUE_PATH", name)
    aws.client("sqs").tag_queue(QueueUrl=aws.client("sqs").get_queue_url(QueueName=name)["QueueUrl"],
                                Tags={"nc-latent-tod-table": table})
    write_logs(Path("logs.jsonl"), 4)
    job = write_job(Path("job.json"))
    call("enqueue", job)
    opened = SqsQueue(name)
    record = opened._ledger.not_done()[0][0]
    opened._ledger.change(record.name, {"state": "ready"}, sent_at=1.0)
    opened._sqs.delete(opened._sqs.receive(visibility_s=60)[0])  # as SQS does it after some days

    assert "1 jobs will never run" in (said := " ".join(call("status").stdout.split())) and record.name in said
    assert call("work", "--drain").exit_code == 3
    assert "1 enqueued, 0 already there" in call("enqueue", job).stdout
    assert "1 queued" in call("status").stdout and opened.receive(5) is not None


def test_nothing_is_promised_before_there_is_a_pace_and_nothing_is_left_of_nothing(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path / "queue")
    assert overview(queue).seconds_left == 0.0

    queue.put(JOB)
    delivery = queue.receive(0)
    assert delivery is not None
    for progress in ("", "half", json.dumps({**HALF_WAY, "turns_done": 100}), json.dumps({**HALF_WAY, "seconds": 0.0})):
        delivery.progress(progress)
        assert (overview(queue).seconds_left, overview(queue).turns_per_second) == (None, None)
        overview_table(overview(queue))


def test_durations_are_short() -> None:
    assert [clock(seconds) for seconds in (-1, 7.4, 725, 3725)] == ["0:00", "0:07", "12:05", "1:02:05"]


def test_a_worker_is_seen_while_it_works_and_not_after_it_ended(queue: Queue) -> None:
    tally = Tally()
    tally.began(CurrentJob("run_0-0123456789abcdef", GROUP, 1, time.time()))

    with Attendance(queue, tally):
        [record] = workers(queue.notes)
        assert (record.job, record.group_id, record.is_alive(time.time())) == ("run_0-0123456789abcdef", GROUP, True)
        tally.ended("done", "", 1.0)
        wait_until(lambda: workers(queue.notes)[0].jobs.get("done") == 1)
        assert not workers(queue.notes)[0].is_alive(time.time() + 3600)

    assert workers(queue.notes) == []


def half_way(tokens: TokenCount, seconds: float = 50.0) -> Progress:
    return Progress("train_0_50", 50, 20, 400, 200, 100, 0, 900, 30, tokens, seconds, tokens.phases, 1_500_000_000)


def shown(table: Any) -> str:
    console = Console(width=120, file=io.StringIO())
    console.print(table)
    return console.file.getvalue()


def test_status_and_workers_tell_what_the_job_in_hand_takes(queue: Queue) -> None:
    queue.put(JOB)
    delivery = queue.receive(5)
    assert delivery is not None
    delivery.progress(json.dumps(HALF_WAY))
    tally = Tally()
    tally.began(CurrentJob(queue.status().in_flight[0].name, GROUP, 1, time.time()))
    phases = Phases({"prefill": 5.0, "decode": 30.0, "parse": 2.5}, {"prefill": 60_000, "decode": 6_000})
    tally.progress(half_way(TokenCount(66_000, 132_000, 22_000, phases)))  # 100 turns in 50 s, 100 more from a checkpoint

    with Attendance(queue, tally):
        seen, [record] = overview(queue), workers(queue.notes)

    expected = {"tokens": 66_000, "tokens_shared": 132_000, "padding_share": 0.25, "tokens_per_turn": 660.0,
                "tokens_per_second": {"prefill": 12_000.0, "decode": 200.0}, "peak_memory_bytes": 1_500_000_000,
                "time_shares": {"prefill": 0.1, "decode": 0.6, "parse": 0.05, "other": 0.25}}
    assert seen.to_json()["in_flight"][0]["usage"] == worker_json(record, time.time())["usage"] == expected
    for table in (overview_table(seen), workers_table([record], time.time())):
        assert "660     12,000       200  1.5 GB  decode 60%, other 25%" in shown(table)
    assert tally.look().by_label(LABELLING_TOKENS) == {"prefill": 60_000, "decode": 6_000}


@pytest.mark.parametrize("usage", [{}, {"usage": None}, {"usage": {"tokens": 3}}, {"usage": "much"}])
def test_a_worker_of_another_version_is_shown_without_what_its_job_takes(tmp_path: Path, usage: dict[str, Any]) -> None:
    queue = FolderQueue(tmp_path / "queue")
    with Attendance(queue, Tally()):
        [(name, values)] = queue.notes.read("workers").items()
    values.pop("usage")
    queue.notes.write("workers", name, values | usage)

    [record] = workers(queue.notes)

    assert record.usage is None
    assert "Used" not in shown(workers_table([record], time.time()))


def test_nothing_is_divided_by_a_job_that_has_just_begun() -> None:
    usage = usage_of(replace(half_way(TokenCount(), 0.0), turns_done=100))

    assert (usage.tokens_per_turn, usage.padding_share, usage.tokens_per_second, usage.time_shares) == (None, 0.0, {}, {})


def test_a_killed_worker_is_gone_and_forgotten_after_a_day(tmp_path: Path) -> None:
    path, queue = tmp_path / "queue", FolderQueue(tmp_path / "queue")
    code = ("import sys, os; from nc_latent_tod.worker.presence import Attendance;"
            "from nc_latent_tod.worker.tally import Tally;"
            "from nc_latent_tod.queues.folder.queue import FolderQueue;"
            "Attendance(FolderQueue(sys.argv[1]), Tally()).__enter__(); os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, "-c", code, path], check=False)
    [record] = workers(queue.notes)
    assert not record.is_alive(time.time())

    values = {**queue.notes.read("workers")[record.worker], "beat_at": time.time() - 25 * 3600}
    queue.notes.write("workers", record.worker, values)
    with Attendance(queue, Tally()):
        wait_until(lambda: record.worker not in {one.worker for one in workers(queue.notes)})


def test_cancelling_a_group_stops_its_running_job_and_resuming_puts_it_back(queue: Queue) -> None:
    queue.put(JOB)
    thread, summaries = work_until_told(queue, max_jobs=1)
    wait_until(lambda: len(queue.status().in_flight) == 1)

    queue.orders.give(CANCEL)
    thread.join(30)

    assert summaries == [WorkSummary(cancelled=1)]
    [letter] = queue.letters()
    assert letter.reason.startswith("Cancelled: the group 'slow' was cancelled at 2030-01-01T00:00:00+00:00 by me@here.")
    queue.orders.lift(GROUP)
    assert queue.redrive([letter.name]) == [letter.name]
    again = queue.receive(5)
    assert again is not None and (again.job, again.attempt) == (JOB, 1)


def test_a_waiting_job_of_a_cancelled_group_is_never_begun(tmp_path: Path) -> None:
    queue, begun = FolderQueue(tmp_path / "queue"), []
    for group in (GROUP, "other"):
        queue.put({"manifest": {"group_id": group}})
    queue.orders.give(CANCEL)

    summary = Worker(queue, lambda job, control: begun.append(job["manifest"]["group_id"]), poll_s=0.05, drain=True).work()

    assert (summary, begun) == (WorkSummary(done=1, cancelled=1), ["other"])


def test_the_commands_pause_cancel_and_resume_a_group(folder: Path) -> None:
    write_logs(folder / "logs.jsonl", 2)
    write_job(folder / "job.json", "train_0_2")
    FolderQueue("queue")
    assert call("pause", "mine").exit_code == 0
    assert "note: the group mine is paused" in call("enqueue", "job.json").stderr
    assert "Group mine is paused since" in call("status").stdout
    assert call("cancel", "mine").exit_code == 0
    assert call("work", "--drain").exit_code == 3, "there are dead letters"

    assert json.loads(call("resume", "mine", "--json").stdout)["was"] == "cancelled"
    lines = [json.loads(line) for line in call("work", "--drain", "--json").stdout.splitlines()]

    assert [line["event"] for line in lines] == ["job", "end"]
    assert (lines[0]["outcome"], lines[1]["done"]) == ("done", 1)
    assert (lines[0]["group_id"], lines[0]["attempt"], lines[0]["progress"]["dialogues_done"]) == ("mine", 1, 2)
    assert call("resume", "mine").stdout == "mine was neither paused nor cancelled.\n"
    assert call("pause", "not a group").exit_code == 2


@pytest.mark.parametrize(("group", "runs", "told", "noted"), [
    (GROUP, False, False, False), (GROUP, True, True, False), ("slwo", False, False, True), ("slwo", True, True, True),
    ("slwo", True, False, False)])  # it may be the group of the job that runs
def test_an_order_to_a_group_without_jobs_is_given_with_a_note(queue: Queue, group, runs, told, noted) -> None:
    queue.put(JOB)
    if runs:
        queue.receive(5)
    tally = Tally()
    if told:
        tally.began(CurrentJob(queue.status().in_flight[0].name, GROUP, 1, time.time()))

    notes: list[str] = []
    with Attendance(queue, tally):
        for state in (PAUSED, CANCELLED):
            assert hold(queue, group, state, tell=notes.append) == queue.orders.all()[group]

    assert sum(f"no job of the group {group} waits or runs in this queue" in note for note in notes) == noted  # once


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--drain",), 143), (("--drain", "--workers", 2), 143)])
def test_a_worker_that_was_to_drain_the_queue_does_not_end_with_0_when_it_is_stopped(folder, started, options, code) -> None:
    queue = FolderQueue("queue")
    queue.put(JOB)
    queue.orders.give(replace(CANCEL, state="paused"))
    worker = started("work", *options)
    wait_until(lambda: len(workers(queue.notes)) == (2 if "--workers" in options else 1), within_s=60)

    worker.terminate()

    assert (worker.wait(30), queue.status().ready) == (code, 1)


def test_log_records_are_json_lines_that_name_the_job() -> None:
    record = logging.LogRecord("nc_latent_tod.worker", logging.WARNING, "", 0, "%s: lost\nit \ud800", ("a",), None)
    with log_fields(worker="host:1", group_id="mine"):
        add_log_fields(run_id="train_0_50")
        line = JsonLines().format(record)
    assert "\n" not in line

    data = json.loads(line)
    assert data.pop("time").endswith("+00:00")
    assert data == {"level": "warning", "logger": "nc_latent_tod.worker", "message": "a: lost\nit \ud800", "worker": "host:1",
                    "group_id": "mine", "run_id": "train_0_50"}
    assert "run_id" not in json.loads(JsonLines().format(record))


@pytest.mark.parametrize("place", [0, 1, 3])
def test_every_command_writes_json_to_stderr_on_request(folder: Path, started: Any, place: int) -> None:
    arguments = ["label", "absent.json", "--json"]

    _, error = started(*arguments[:place], "--log-json", *arguments[place:]).communicate(timeout=60)

    [line] = [json.loads(line) for line in error.splitlines()]
    assert (line["level"], "absent.json: the job file cannot be read" in line["message"]) == ("error", True)


def test_prometheus_reads_what_a_worker_does(folder: Path, started: Any) -> None:
    write_logs(folder / "logs.jsonl", 4)
    for split in ("train_0_2", "train_2_4"):
        write_job(folder / "jobs" / f"{split}.json", split)
    write_job(folder / "jobs" / "wrong.json", "trian_0_2")
    call("enqueue", "jobs")
    worker = started("work", "--metrics-port", 0, "--log-json")

    records: list[dict[str, Any]] = []
    for line in worker.stderr:
        records.append(json.loads(line))
        if sum("done after" in record["message"] or "dead after" in record["message"] for record in records) == 3:
            break
    [url] = [record["message"].partition(" at ")[2] for record in records if record["message"].startswith("metrics at")]
    text = urllib.request.urlopen(url, timeout=20).read().decode()
    metrics = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))

    assert metrics['nc_latent_tod_jobs_total{outcome="done"}'] == "2.0"
    assert metrics['nc_latent_tod_jobs_total{outcome="dead"}'] == "1.0"
    assert metrics['nc_latent_tod_job_failures_total{reason="CorpusError"}'] == "1.0"
    assert float(metrics["nc_latent_tod_turns_total"]) > 4
    assert float(metrics["process_resident_memory_bytes"]) > 1e6
    assert time.time() - float(metrics["nc_latent_tod_heartbeat_timestamp_seconds"]) < 60
    done = [record for record in records if "done after" in record["message"]]
    assert all(record["run_id"].startswith("train_") and record["group_id"] == "mine" for record in done)


def test_a_port_that_is_taken_is_a_clear_error(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        worked = call("work", "--metrics-port", port)

    assert worked.exit_code == 2
    assert f"Metrics cannot be served at 127.0.0.1:{port}" in worked.stderr and "--metrics-port" in worked.stderr


def test_a_queue_that_does_not_answer_is_counted() -> None:
    tally = Tally()
    tally.count(RECEIVE_ERRORS)
    tally.began(CurrentJob("a", "g", 1, 0.0))
    tally.ended("retried", "RetryableError: throttled", 2.0)

    totals = tally.look()

    assert totals.counts[RECEIVE_ERRORS, ""] == 1
    assert {outcome: count for outcome, count in totals.by_label(JOBS).items() if count} == {"retried": 1}
    assert totals.by_label("job_failures") == {"RetryableError": 1}


def test_each_of_several_workers_sees_one_gpu_in_turn(tmp_path: Path) -> None:
    code = "import os, sys; open(sys.argv[1], 'w').write(os.environ.get('CUDA_VISIBLE_DEVICES', 'all'))"
    command = partial(lambda name: [sys.executable, "-c", code, str(tmp_path / name)])

    assert run_workers([command("a"), command("b"), command("c")], env={}, gpus=["4", "7"]) == 0
    assert run_workers([command("alone")], env={}, gpus=["4", "7"]) == 0

    assert [(tmp_path / name).read_text() for name in ("a", "b", "c", "alone")] == ["4", "7", "4", "all"]


def test_the_gpus_of_a_host_are_those_that_cuda_may_see(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()

    assert visible_gpus({}, tmp_path) == ["0", "1"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "3, 5"}, tmp_path) == ["3", "5"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == []


def test_ctrl_c_while_imports_run_ends_a_command_without_a_traceback(folder: Path) -> None:
    code = """if True:
        import importlib.abc, os, signal, sys

        class CtrlC(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path, target=None):
                if name == "nc_latent_tod.cli":
                    os.kill(os.getpid(), signal.SIGINT)

        from nc_latent_tod.__main__ import main
        sys.meta_path.insert(0, CtrlC())
        main()"""

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")


def test_ctrl_c_ends_a_command_without_a_traceback(folder: Path, started: Any) -> None:
    FolderQueue(folder / "queue")
    process = started("status", "--watch", "--json")
    assert process.stdout.readline()  # it is at work

    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=30)

    assert (process.returncode, "Traceback" in error) == (130, False)


def test_ctrl_c_while_the_workers_of_rounds_label_is_no_failure_of_theirs(folder: Path, started: Any) -> None:
    process = started("bootstrap", "--corpus", "packaged:simulated", "--schema", "packaged:schema", "--out", "out")
    wait_until(lambda: Path("out/queue/workers").is_dir() and any(Path("out/queue/workers").glob("*.json")), within_s=60)

    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)

    assert (process.returncode, "error:" in error) == (130, False)
    assert "The workers were stopped. What is finished is kept: the same command goes on from there." in error
    assert FolderQueue("out/queue").status().ready == 1


def test_the_watch_writes_a_line_of_json_at_each_look(folder: Path, started: Any) -> None:
    FolderQueue(folder / "queue").put(JOB)

    watch = started("status", "--watch", "--json")

    assert [json.loads(watch.stdout.readline())["ready"] for _ in range(2)] == [1, 1]
    assert json.loads(call("version", "--json").stdout)["version"]
