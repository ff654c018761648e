"""Jobs of a folder queue that have failed and wait for their next attempt.

A job may be taken once its time has come by this machine's wall clock, or once this process has seen it wait for as long as it
has to by the monotonic clock. So a clock that is wrong may shorten a wait, and never makes it longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from nc_latent_tod.queues.job_name import JobFileName


class Waits:
    """One observer's view of the jobs that wait. Not thread-safe."""

    def __init__(self, *, wall: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic) -> None:
        self._wall, self._clock = wall, clock
        self._seen: dict[str, float] = {}  # when each file was seen first

    def over(self, file_names: Sequence[str]) -> list[str]:
        """Those of all files in ready/ that need not wait any longer, in their order. What is no job never waits."""
        now, wall = self._clock(), self._wall()
        found, seen = [], {}
        for file_name in file_names:
            name = JobFileName.parse(file_name)
            if name is None or wall >= name.waits_until:
                found.append(file_name)
                continue
            seen[file_name] = self._seen.get(file_name, now)
            if now - seen[file_name] >= name.wait_ms / 1000:
                found.append(file_name)
        self._seen = seen
        return found
