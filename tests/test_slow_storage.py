"""A checkpoint of many parts on a storage that answers slowly."""

import threading
import time
from pathlib import Path
from typing import Any

import fsspec
import pytest
from toy_jobs import backends, job
from toy_labelling import corpus

from nc_latent_tod.errors import InterruptedJobError, LeaseLostError
from nc_latent_tod.pipeline.checkpoint import Checkpoint
from nc_latent_tod.pipeline.run import Control, run_job
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.worker.worker import JobControl, Worker

PARTS, PAUSE_S, LEASE_S = 24, 0.5, 1.0


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each part that is read, which takes `PAUSE_S`; the checkpoint of run `r` has `PARTS` of them."""
    with pytest.raises(InterruptedJobError):
        run_job(job(tmp_path), backends(tmp_path), Control(should_stop=stop_after(2)))
    checkpoint = Checkpoint(f"{job(tmp_path).labels_url}/checkpoints/r")
    for _ in range(PARTS - len(list(tmp_path.rglob("part-*")))):
        checkpoint.add([])
    found, real = [], fsspec.get_filesystem_class("file").cat_file

    def slowly(self: Any, path: str, *arguments: Any, **options: Any) -> bytes:
        if "/part-" in path:
            time.sleep(PAUSE_S)
            found.append(path)
        return real(self, path, *arguments, **options)

    monkeypatch.setattr(fsspec.get_filesystem_class("file"), "cat_file", slowly)
    return found


def stop_after(looks: int) -> Any:
    left = iter([False] * looks)
    return lambda: next(left, True)


def test_a_lease_outlasts_the_reading_of_a_checkpoint(tmp_path: Path, reads: list[str]) -> None:
    queue = FolderQueue(tmp_path / "queue", lease_s=LEASE_S)
    queue.put({"run_id": "r"})

    def run(data: dict[str, Any], control: JobControl) -> None:
        run_job(job(tmp_path), backends(tmp_path, dialogues=corpus(6)), Control(control.should_stop, control.check_lease))

    began = time.monotonic()
    summary = Worker(queue, run, lease_s=LEASE_S, poll_s=0.1, drain=True).work()

    assert (summary.done, len(reads)) == (1, PARTS)
    assert time.monotonic() - began > LEASE_S, "else this shows nothing"


@pytest.mark.parametrize("error", [LeaseLostError, InterruptedJobError])
def test_who_has_lost_the_lease_or_is_to_stop_reads_no_further(tmp_path: Path, reads: list[str],
                                                                   error: type[Exception]) -> None:
    began = time.monotonic()

    def check() -> None:
        if time.monotonic() - began > 2 * PAUSE_S:
            raise error("now")

    stop = {"should_stop": lambda: time.monotonic() - began > 2 * PAUSE_S} if error is InterruptedJobError else {}
    with pytest.raises(error):
        run_job(job(tmp_path), backends(tmp_path), Control(**stop, check_lease=check if not stop else lambda: None))

    assert 0 < len(reads) < PARTS and threading.active_count() < 8


def test_parts_are_read_several_at_a_time(tmp_path: Path, reads: list[str]) -> None:
    began = time.monotonic()

    Checkpoint(f"{job(tmp_path).labels_url}/checkpoints/r").labels()

    assert len(reads) == PARTS and time.monotonic() - began < PARTS * PAUSE_S / 3
