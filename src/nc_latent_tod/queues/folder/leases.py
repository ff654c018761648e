"""Leases on the jobs in a folder queue: who holds a job, and whether the holder is still alive.

A holder shows that it lives by touching its job file. An observer that sees no touch for the length of the lease, by
its own monotonic clock, takes the job over. No wall clock is compared with another, so neither a clock that jumps
nor hosts that disagree about the time can lose or prolong a lease. The price: a worker that has just started watches
for the length of one lease before it takes over from a dead one. Only of a holder that was a process on this very machine
can it be known at once that it is gone.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from uuid import uuid4

from nc_latent_tod.system.durable import write_new
from nc_latent_tod.system.process_id import ProcessId


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """What a holder tells about itself, in a readable file beside the job. Its loss does no harm."""

    worker: str
    host: str
    pid: int
    attempt: int
    taken_at: float  # seconds since 1970, for display only
    lease_s: float  # observers wait this long after a touch
    progress: str = ""
    machine: str = ""  # with pid and started: see `ProcessId`
    started: int = 0

    @classmethod
    def taken(cls, worker: str, *, attempt: int, lease_s: float) -> Lease:
        """The lease of this process, from now on."""
        own = ProcessId.of_this()
        return cls(worker=worker, host=socket.gethostname(), pid=own.pid, attempt=attempt, taken_at=time.time(),
                   lease_s=lease_s, machine=own.machine, started=own.started)

    @property
    def holder(self) -> ProcessId:
        """The process that holds the job."""
        return ProcessId(self.machine, self.pid, self.started)

    def write(self, path: Path, scratch: Path) -> None:
        """Replace the file at `path`, through a file in the folder `scratch`. Raises `OSError`."""
        # Not flushed to the disk: after a power cut nobody holds anything.
        temporary = scratch / f"lease-{uuid4().hex}"
        write_new(temporary, json.dumps(asdict(self), indent=2) + "\n", durable=False)
        os.replace(temporary, path)

    @classmethod
    def read(cls, path: Path) -> Lease | None:
        """Read the file at `path`; None where it is not there yet, or damaged by a power cut."""
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(**{field.name: values[field.name] for field in fields(cls) if field.name in values})
        except (FileNotFoundError, ValueError, TypeError):
            return None


def silence(lease: Lease | None, attempt: int) -> str:
    """The reason why a job was taken from its holder."""
    if lease is not None and lease.holder.is_gone():
        return f"{lease.worker} ended in attempt {attempt} without giving the job back: it was killed"
    return f"the lease of {lease.worker if lease else 'a worker'} ran out in attempt {attempt}: it was killed or got stuck"


@dataclass(slots=True)
class _Sighting:
    touched_ns: int
    since: float  # on the observer's monotonic clock
    lease_s: float
    holder: ProcessId | None


class LeaseWatch:
    """One observer's view of the jobs in flight. Not thread-safe."""

    def __init__(
        self, in_flight: Path, leases: Path, *, default_lease_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._in_flight = in_flight
        self._leases = leases
        self._default_lease_s = default_lease_s
        self._clock = clock
        self._sightings: dict[str, _Sighting] = {}

    def expired(self) -> list[str]:
        """File names in flight whose holders are gone, or silent for longer than their leases, oldest job first."""
        described = os.listdir(self._leases)  # before the jobs: a lease file is written after its job file
        names = sorted(os.listdir(self._in_flight))
        for orphan in set(described).difference(names):
            (self._leases / orphan).unlink(missing_ok=True)
        self._sightings = {name: seen for name in names if (seen := self._look(name)) is not None}
        now = self._clock()
        return [name for name, seen in self._sightings.items()
                if now - seen.since > seen.lease_s or (seen.holder is not None and seen.holder.is_gone())]

    def _look(self, name: str) -> _Sighting | None:
        try:
            touched_ns = os.stat(self._in_flight / name).st_mtime_ns
        except FileNotFoundError:
            return None
        seen = self._sightings.get(name)
        if seen is not None and seen.touched_ns == touched_ns:
            return seen
        lease = Lease.read(self._leases / name)
        if lease is None:
            return _Sighting(touched_ns, self._clock(), self._default_lease_s, None)
        return _Sighting(touched_ns, self._clock(), lease.lease_s, lease.holder)
