"""What a worker has done since it started: it counts, and others look (its own record, a scrape of its metrics)."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # who looks at workers shall not wait for all that labels
    from nc_latent_tod.pipeline.progress import Progress
    from nc_latent_tod.pipeline.run import Result

JOBS, JOB_FAILURES, TURNS, TURN_FAILURES = "jobs", "job_failures", "turns", "turn_failures"
TOKENS, SECONDS, RECEIVE_ERRORS = "tokens", "seconds", "receive_errors"
LABELLING_SECONDS, LABELLING_TOKENS = "labelling_seconds", "labelling_tokens"
OUTCOMES = ("done", "retried", "dead", "released", "cancelled", "lost")
COUNTS = {
    JOBS: f"outcome: {', '.join(OUTCOMES)}",
    JOB_FAILURES: "reason: the class of the error",
    TURNS: "",
    TURN_FAILURES: "reason: of a failed task, once its job is finished",
    TOKENS: "kind: computed, shared (taken from a cache instead), padding",
    SECONDS: "phase: waiting (for a job), labelling, preparing (the rest of a job: loading, storing, settling)",
    LABELLING_SECONDS: "phase: of labelling, as the pipeline tells them apart",
    LABELLING_TOKENS: "phase: of the model: computed in it, padding excluded",
    RECEIVE_ERRORS: "",
}
"""What is counted, and by what. What a checkpoint held is not counted again."""


@dataclass(frozen=True, slots=True)
class CurrentJob:
    """The job in hand."""

    name: str
    group_id: str
    attempt: int
    began_at: float  # seconds since 1970
    progress: Progress | None = None  # None while dialogues and models are loading


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one job."""

    job: str
    group_id: str
    attempt: int
    outcome: str  # a field of `WorkSummary`
    seconds: float  # from its receipt on
    reason: str  # of a failure, with the error's class in front
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts since the worker started, the job in hand included."""

    started_at: float  # seconds since 1970
    beat_at: float  # when the worker's record was stored last; 0 before
    current: CurrentJob | None
    counts: Mapping[tuple[str, str], float]  # by what is counted (`COUNTS`) and its label, "" where it has none

    def by_label(self, counted: str) -> dict[str, float]:
        """One of the `COUNTS` by its label."""
        return {label: count for (name, label), count in self.counts.items() if name == counted}

    @property
    def turns_per_second(self) -> float | None:
        """Turns a second of labelling; None before the first."""
        turns, seconds = self.counts.get((TURNS, ""), 0), self.counts.get((SECONDS, "labelling"), 0)
        return turns / seconds if turns and seconds else None


class Tally:
    """Counts what one worker does. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started_at, self._beat_at = time.time(), 0.0
        self._current: CurrentJob | None = None
        self._counts: dict[tuple[str, str], float] = defaultdict(float)  # without the job in hand
        self._counts.update({(counted, ""): 0.0 for counted, label in COUNTS.items() if not label})
        self._counts.update({(JOBS, outcome): 0.0 for outcome in OUTCOMES})

    def look(self) -> Totals:
        """The counts now."""
        with self._lock:
            counts = defaultdict(float, self._counts)
            for key, count in _of(self._current.progress if self._current else None).items():
                counts[key] += count
            return Totals(self._started_at, self._beat_at, self._current, dict(counts))

    def count(self, counted: str, label: str = "", *, by: float = 1) -> None:
        """Add to one of the `COUNTS`."""
        with self._lock:
            self._counts[counted, label] += by

    def beat(self) -> None:
        """The worker's record was stored."""
        self._beat_at = time.time()

    def began(self, job: CurrentJob) -> None:
        """A job was received."""
        with self._lock:
            self._current = job

    def progress(self, progress: Progress) -> None:
        """Labels came."""
        with self._lock:
            if self._current is not None:
                self._current = replace(self._current, progress=progress)

    def labelled(self, result: Result) -> None:
        """The labels of the job in hand are complete."""
        if result.progress is not None:
            self.progress(result.progress)
            for reason in (reason for example in result.examples for reason in example.label.failures.values()):
                self.count(TURN_FAILURES, reason)

    def ended(self, outcome: str, reason: str, seconds: float) -> Ended:
        """The job in hand was settled."""
        with self._lock:
            job, self._current = self._current, None
            assert job is not None, "a job ends after it began"
            for key, count in _of(job.progress).items():
                self._counts[key] += count
            self._counts[JOBS, outcome] += 1
            self._counts[SECONDS, "preparing"] += max(0.0, seconds - (job.progress.seconds if job.progress else 0.0))
            if reason:
                self._counts[JOB_FAILURES, reason.partition(":")[0]] += 1
            return Ended(job.name, job.group_id, job.attempt, outcome, seconds, reason, job.progress)


def _of(progress: Progress | None) -> dict[tuple[str, str], float]:
    """What one job adds."""
    if progress is None:
        return {}
    return {**{(LABELLING_SECONDS, phase): seconds for phase, seconds in progress.phases.seconds.items()},
            **{(LABELLING_TOKENS, phase): tokens for phase, tokens in progress.phases.tokens.items()},
            (TURNS, ""): progress.turns_done - progress.turns_resumed,
            (SECONDS, "labelling"): progress.seconds,
            **{(TOKENS, kind): getattr(progress.tokens, kind) for kind in ("computed", "shared", "padding")}}
