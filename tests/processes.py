"""Real processes for tests: started, killed at a chosen or random moment, and replaced."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

TESTS = Path(__file__).resolve().parent


def wait_until(claim: Callable[[], bool], *, within_s: float = 20.0, what: str = "the claim") -> None:
    """Wait for a claim to hold; fail the test if it does not in time."""
    deadline = time.monotonic() + within_s
    while not claim():
        assert time.monotonic() < deadline, f"{what} did not hold within {within_s} s"
        time.sleep(0.01)


def start(argv: Sequence[str | Path], *, log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a Python program with one thread; its output is appended to `log`."""
    output = open(log, "ab") if log else subprocess.DEVNULL  # noqa: SIM115  inherited by the process
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen([sys.executable, *map(str, argv)], env=environment, stdout=output, stderr=output)


class Crew:
    """Keeps a number of equal worker processes alive, and kills them on demand. Kills what is left at the end."""

    def __init__(self, argv: Sequence[str | Path], *, size: int, log: Path | None = None) -> None:
        self._argv = argv
        self._log = log
        self.processes = [start(argv, log=log) for _ in range(size)]
        self.kills = 0

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def kill_random(self, rng: random.Random, *, among: Sequence[int] | None = None) -> bool:
        """SIGKILL a random process, of those with the ids `among`, and start another; False where none is alive."""
        alive = [p for p in self.processes if p.poll() is None and (among is None or p.pid in among)]
        if not alive:
            return False
        victim = rng.choice(alive)
        victim.kill()
        victim.wait()
        self.processes[self.processes.index(victim)] = start(self._argv, log=self._log)
        self.kills += 1
        return True

    def wait(self, *, within_s: float = 40.0) -> list[int]:
        """Wait for all processes to end; their exit codes."""
        deadline = time.monotonic() + within_s
        return [process.wait(max(0.1, deadline - time.monotonic())) for process in self.processes]


def in_child(act: Callable[[], object], *, file_limit: int | None = None, kill_at: int | None = None) -> str:
    """Run `act` in a forked process; the repr of what it returned or raised, "" where it was killed.

    `file_limit`: no file may grow beyond so many bytes, as on a full disk. `kill_at`: SIGKILL just before the process
    opens, renames, links, removes, touches or lists a file for that time, counted from 0.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            if file_limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
            if kill_at is not None:
                _kill_before(kill_at)
            os.write(writer, repr(act()).encode())
        except BaseException as error:  # noqa: BLE001  reported to the parent
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        result = pipe.read().decode()
    os.waitpid(pid, 0)
    return result


def _kill_before(count: int) -> None:
    events = {"open", "os.rename", "os.link", "os.remove", "os.utime", "os.listdir"}
    left = count

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in events:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    sys.addaudithook(hook)
