"""Worker processes that are killed, set to other times and run out of disk, and that a supervisor starts again."""

from __future__ import annotations

import errno
import itertools
import os
import random
import resource
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

JUMPING_CLOCK = Path(__file__).resolve().parent / "jumping_clock"
JUMPS_S = (10_800.0, -200.0, -10_800.0, 200.0)
"""In turn. 200 s are within the tolerance of AWS's signatures, three hours are not."""

KILL, JUMP, FULL_DISK = "SIGKILL of a worker", "clock of a worker set", "disk full"
_DISK_STAYS_FULL_S = 1.0
_CLOCK_STAYS_WRONG_S = 1.5
_BLOCK = 4096


class Workers:
    """`size` processes of `nc-latent-tod work --drain`; one that ends otherwise than drained is started again."""

    def __init__(self, arguments: list[str], *, size: int, folder: Path, env: Mapping[str, str]) -> None:
        """`folder`: for logs and clocks, on a disk that does not run full. `env`: of the processes."""
        self._arguments, self._folder, self._env = arguments, folder, env
        folder.mkdir(parents=True, exist_ok=True)
        self.processes = [self._start(number) for number in range(size)]
        self.faults: Counter[str] = Counter()
        self._timers: list[threading.Timer] = []
        self._jumps_s = itertools.cycle(JUMPS_S)
        self.failed = 0  # ended by themselves with an error

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        for timer in self._timers:
            timer.join()

    def revive(self) -> bool:
        """Start again what ended with an error; whether all ended well."""
        for number, process in enumerate(self.processes):
            if process.poll() not in (None, 0):
                self.failed += 1
                self.processes[number] = self._start(number)
        return all(process.poll() == 0 for process in self.processes)

    def kill(self, rng: random.Random) -> int:
        """SIGKILL a random worker and start another; the id of the process that was killed, 0 where all have ended."""
        alive = [number for number, process in enumerate(self.processes) if process.poll() is None]
        if not alive:
            return 0
        number = rng.choice(alive)
        victim = self.processes[number]
        victim.kill()
        victim.wait()
        self.processes[number] = self._start(number)
        self.faults[KILL] += 1
        return victim.pid

    def set_clock(self, rng: random.Random) -> None:
        """Set the wall clock of a random worker wrong, and right again a moment later: two jumps."""
        number = rng.randrange(len(self.processes))
        self._jump(number, next(self._jumps_s))
        self._later(_CLOCK_STAYS_WRONG_S, lambda: self._jump(number, 0.0))

    def fill_disk(self, folder: Path, *, is_small: bool) -> None:
        """Leave no byte free on the disk of `folder` for a moment. Where that is not a small disk of its own, take from each
        worker the right to write to any file instead."""
        self.faults[FULL_DISK] += 1
        if is_small:
            ballast = folder / f".ballast-{self.faults[FULL_DISK]}"
            _fill(ballast)
            self._later(_DISK_STAYS_FULL_S, ballast.unlink)
        else:
            self._limit_files(0)
            self._later(_DISK_STAYS_FULL_S, lambda: self._limit_files(resource.RLIM_INFINITY))

    def count_in_logs(self, text: str) -> int:
        """Lines of the logs that hold `text`."""
        return sum(text in line for path in self._folder.glob("worker-*.log") for line in path.open(errors="replace"))

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, act)
        self._timers.append(timer)
        timer.start()

    def _jump(self, number: int, seconds: float) -> None:
        self._clock(number).write_text(str(seconds), "ascii")
        self.faults[JUMP] += 1

    def _limit_files(self, size: int) -> None:
        for process in self.processes:
            try:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
            except ProcessLookupError:
                continue

    def _clock(self, number: int) -> Path:
        return self._folder / f"clock-{number}"

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([str(JUMPING_CLOCK), *filter(None, [self._env.get("PYTHONPATH")])])
        env = {**self._env, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", "PYTHONPATH": path,
               "CHAOS_CLOCK_FILE": str(self._clock(number))}
        with open(self._folder / f"worker-{number}.log", "ab") as log:
            return subprocess.Popen([sys.executable, "-m", "nc_latent_tod", "work", "--drain", *self._arguments], env=env,
                                    stdout=log, stderr=log)


def _fill(path: Path) -> None:
    """Write a file that takes all that is free."""
    with open(path, "wb", buffering=0) as file:
        for size in (256 * _BLOCK, _BLOCK, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
