"""A real Label Studio on loopback, started by `scripts/label_studio` where it is installed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "NC_LATENT_TOD_LABEL_STUDIO"
READY_S = 240  # 31 s were seen on an idle machine


@dataclass(frozen=True)
class Running:
    """A server, and its only account's key."""

    url: str
    key: str
    files: Path  # the folder that it may read local files from


def program() -> Path | None:
    """Where Label Studio is installed, if it is."""
    path = Path(os.environ.get(VARIABLE) or ROOT / ".venv-label-studio" / "bin" / "label-studio")
    return path if os.access(path, os.X_OK) else None


@contextmanager
def label_studio(folder: Path) -> Iterator[Running]:
    """Start a server with its data in `folder`; skips the test, with the reason, where there is none."""
    if program() is None:
        pytest.skip(f"Label Studio is not installed: `scripts/label_studio install` (1 GB), or name its program in {VARIABLE}")
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port = asked.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        started = subprocess.Popen([ROOT / "scripts" / "label_studio", str(port), str(folder)], stdout=log, stderr=log,
                                   env={**os.environ, VARIABLE: str(program())}, start_new_session=True)
    try:
        _wait(started, url, folder / "log")
        yield Running(url, (folder / "key").read_text(), folder / "files")
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def _wait(started: subprocess.Popen, url: str, log: Path) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end and started.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"Label Studio did not come: {log.read_text(errors='replace')[-2000:]}")
