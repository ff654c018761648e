"""A process that is gone is known to be gone, and no other is taken for it."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.system.process_id import ProcessId

SLEEP = "import time; time.sleep(60)"


def id_of(process: subprocess.Popen[str]) -> ProcessId:
    assert process.stdout is not None
    machine, pid, started = process.stdout.readline().split(" ")
    return ProcessId(machine, int(pid), int(started))


@pytest.fixture
def other():
    code = ("from nc_latent_tod.system.process_id import *; i = ProcessId.of_this(); "
            "print(i.machine, i.pid, i.started, flush=True)")
    process = subprocess.Popen([sys.executable, "-c", f"{code}; {SLEEP}"], stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.wait()


def test_a_running_process_is_not_gone_and_a_killed_one_is(other):
    its_id = id_of(other)
    assert not its_id.is_gone()

    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # it has ended; nobody has fetched its exit code

    assert its_id.is_gone()
    other.wait()
    assert its_id.is_gone()


def test_a_number_that_was_given_to_another_process_is_not_the_one_that_had_it():
    own = ProcessId.of_this()

    assert not own.is_gone()
    assert replace(own, started=own.started - 1).is_gone()


@pytest.mark.parametrize("machine", ["", "another boot/pid:[1]"])
def test_a_process_elsewhere_is_never_called_gone(machine):
    assert not ProcessId(machine, 2**30, 1).is_gone()




def test_the_job_of_a_killed_worker_on_this_host_is_taken_over_at_once(tmp_path: Path) -> None:
    queue = FolderQueue(tmp_path / "queue", lease_s=600)
    queue.put({"run_id": "a"})
    take = "from nc_latent_tod.queues.folder.queue import FolderQueue; FolderQueue(sys.argv[1], lease_s=600).receive(0)"
    holder = subprocess.Popen([sys.executable, "-c", f"import sys; {take}; print('taken', flush=True); {SLEEP}",
                               tmp_path / "queue"], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"taken\n"
    assert queue.receive(1.5) is None, "it lives, and has 600 s"

    holder.kill()
    began = time.monotonic()
    taken = queue.receive(20)

    assert taken is not None and taken.attempt == 2
    assert time.monotonic() - began < 10
    taken.nack("no memory", dead=True)
    letter = queue.letter(queue.status().dead[0].name)
    assert letter is not None and letter.reasons[0].endswith("without giving the job back: it was killed")
    holder.wait()
