"""SIGINT and SIGTERM: the first asks for an orderly stop, the second stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

import typer

from nc_latent_tod.cli.console import remark
from nc_latent_tod.errors import InterruptedJobError
from nc_latent_tod.system.logs import notice

SIGNAL_EXIT = 128  # plus the signal's number: 130 for SIGINT, 143 for SIGTERM


class OrderlyStop:
    """While this context is open, the first signal only sets `signum`. Belongs to the main thread."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for signum in (signal.SIGINT, signal.SIGTERM):
            self._before[signum] = signal.signal(signum, self._received)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

    def is_asked_for(self) -> bool:
        """Whether a signal has come."""
        return self.signum is not None

    @property
    def exit_code(self) -> int:
        """What the process exits with after an orderly stop."""
        return SIGNAL_EXIT + (self.signum or 0)

    def ask(self, signum: int) -> None:
        """Note a signal that was received elsewhere."""
        self.signum = signum

    def _received(self, signum: int, frame: FrameType | None) -> None:
        # Writes and assignments only: the signal may have come while a lock was held.
        if self.is_asked_for():
            os._exit(SIGNAL_EXIT + signum)
        self.signum = signum
        os.write(2, notice("Asked to stop: finishing the turns in hand. Signal again to stop at once."))


@contextmanager
def orderly_stop() -> Iterator[OrderlyStop]:
    """Turn a signal into the end of the command: what is finished is kept, and the exit code names the signal."""
    with OrderlyStop() as stop:
        try:
            yield stop
        except InterruptedJobError as error:
            if not stop.is_asked_for():
                raise
            remark(f"{error} What is finished is kept: the same command goes on from there.")
            raise typer.Exit(stop.exit_code) from None
