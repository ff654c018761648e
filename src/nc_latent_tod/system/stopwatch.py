"""Where the time of a job goes: seconds, and tokens through a model, by phase.

Phases of a job are retrieval, prompt, tokenise, prefill, decode, score and parse. `TokenCount.phases` (of a model),
`TaskLabeller.phases` (of a task) and `Progress.phases` (of a job, both together) hold them; a finished job's are in its
manifest entry (read by `progress.usage`), and a worker's metrics take them from `Progress.phases`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

PHASES = ("retrieval", "prompt", "tokenise", "prefill", "decode", "score", "parse")

N = TypeVar("N", int, float)


@dataclass(slots=True)
class Phases:
    """Grows for the life of what it measures. Not for threads: one phase runs at a time, and none inside another."""

    seconds: dict[str, float] = field(default_factory=dict)  # of wall time
    tokens: dict[str, int] = field(default_factory=dict)  # computed by a model, padding excluded

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add the wall time of a block to a phase, also where it raises."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def count(self, name: str, tokens: int) -> None:
        """Add tokens to a phase."""
        self.tokens[name] = self.tokens.get(name, 0) + tokens

    def copy(self) -> Phases:
        """What was measured so far."""
        return Phases(dict(self.seconds), dict(self.tokens))

    def __add__(self, other: Phases) -> Phases:
        return Phases(_added(self.seconds, other.seconds, 1), _added(self.tokens, other.tokens, 1))

    def __sub__(self, earlier: Phases) -> Phases:
        """What came since `earlier`."""
        return Phases(_added(self.seconds, earlier.seconds, -1), _added(self.tokens, earlier.tokens, -1))

    def shares(self, total_seconds: float) -> dict[str, float]:
        """Share of `total_seconds` by phase, in the order of a turn; what no phase has is `other`."""
        if total_seconds <= 0:
            return {}
        shares = {name: self.seconds[name] / total_seconds for name in PHASES if name in self.seconds}
        return {**shares, "other": max(0.0, 1.0 - sum(shares.values()))}

    def tokens_per_second(self, name: str) -> float:
        """Tokens a second of a phase; 0.0 where it had none."""
        return self.tokens.get(name, 0) / seconds if (seconds := self.seconds.get(name, 0.0)) > 0 else 0.0


def _added(one: Mapping[str, N], other: Mapping[str, N], sign: int) -> dict[str, N]:
    return {name: one.get(name, 0) + sign * other.get(name, 0) for name in dict.fromkeys([*one, *other])}
