"""Which process on which machine: enough to say that it is gone, also after its number was given to another."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_STATE, _STARTED = 0, 19  # of the fields after the name, https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process, as others on its machine can look for it."""

    machine: str  # where `pid` means this process: the kernel's boot id and the pid namespace; "" where nobody can know
    pid: int
    started: int  # clock ticks from the machine's start to the process's: 0 where nobody can know

    @classmethod
    def of_this(cls) -> ProcessId:
        """This process. Without /proc nobody can tell later whether it is gone."""
        try:
            machine = _machine()
        except OSError:
            return cls("", os.getpid(), 0)
        return cls(machine, os.getpid(), _started(os.getpid()) or 0)

    def is_gone(self) -> bool:
        """True where the process ran here and does not any more; False where it runs, or cannot be looked for from here."""
        try:
            if not self.machine or self.machine != _machine():
                return False
            return _started(self.pid) != self.started
        except OSError:
            return False


def _machine() -> str:
    # Containers share a host's name as often as not; a number means the same process only within one pid namespace.
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()}/{os.readlink('/proc/self/ns/pid')}"


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks; None where there is none, or only its exit code is left."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        raise  # it is there, and hidden from this user
    return None if fields[_STATE] in "ZX" else int(fields[_STARTED])
