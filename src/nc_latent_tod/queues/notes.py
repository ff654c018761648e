"""Small records beside a queue that everyone who reaches the queue can read: who works on it, which groups wait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Notes(Protocol):
    """Notes by kind and name. Failures raise `RetryableError`, or `ConfigError` where waiting cannot help. Thread-safe."""

    beat_s: float  # between two writes of a note that cost little

    def write(self, kind: str, name: str, values: Mapping[str, Any], *, durable: bool = False) -> None:
        """Replace a note by these JSON values; `durable` for what has to survive a power cut."""

    def read(self, kind: str) -> dict[str, dict[str, Any]]:
        """All notes of a kind by name. One that is damaged is left out."""

    def remove(self, kind: str, name: str) -> None:
        """Remove a note, where it is there."""
