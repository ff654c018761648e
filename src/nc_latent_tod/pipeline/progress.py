"""How far a job is, and what it took: turns, candidates, tokens, seconds by phase, memory."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.labelling.labeller import Labeller
from nc_latent_tod.labels import Example
from nc_latent_tod.lm import TokenCount
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.system.stopwatch import Phases


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. Counts include what a checkpoint held, and what was taken over from another group."""

    run_id: str
    dialogues: int
    dialogues_done: int
    turns: int
    turns_done: int
    turns_resumed: int  # which this attempt did not label
    failures: int  # turns with a failed task
    candidates: int
    unparsable: int  # of the candidates
    tokens: TokenCount  # of this job so far
    seconds: float  # since labelling began
    phases: Phases = field(default_factory=Phases)  # of those seconds: the model's and the tasks' together
    peak_memory: int = 0  # bytes, the most that the process has held since it started


class Meter:
    """Counts labels as they come."""

    def __init__(self, run_id: str, dialogues: Sequence[Dialogue], labeller: Labeller, known: dict) -> None:
        self._run_id, self._tasks = run_id, (labeller.dst, labeller.act_tag)
        self._models = {id(model): model for task in self._tasks for model in task.models}.values()
        self._left = {dialogue.dialogue_id: len(dialogue.turns) for dialogue in dialogues}
        self._turns, self._dialogues = sum(self._left.values()), len(dialogues)
        self._tokens_before, self._phases_before = self._tokens(), self._phases()
        self._done = self._failures = self._candidates = self._unparsable = 0
        self._started = time.monotonic()
        self.count(list(known.values()))
        self._resumed = self._done

    def count(self, examples: Sequence[Example]) -> None:
        for example in examples:
            self._left[example.turn.dialogue_id] -= 1
            self._done += 1
            self._failures += bool(example.label.failures)
            candidates = [c for task in example.label.tasks.values() for c in task.candidates]
            self._candidates += sum(c.count for c in candidates)
            self._unparsable += sum(c.count for c in candidates if c.error)

    def progress(self) -> Progress:
        return Progress(self._run_id, self._dialogues, sum(left == 0 for left in self._left.values()), self._turns, self._done,
                        self._resumed, self._failures, self._candidates, self._unparsable,
                        self._tokens() - self._tokens_before, time.monotonic() - self._started,
                        self._phases() - self._phases_before, peak_memory())

    def _tokens(self) -> TokenCount:
        return sum((model.tokens for model in self._models), TokenCount())

    def _phases(self) -> Phases:
        return sum((phases for task in self._tasks for phases in task.phases), self._tokens().phases)


def peak_memory() -> int:
    """Bytes of main memory, the most that this process has held since it started; a GPU's memory is not in it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def usage_text(progress: Progress) -> str:
    """What a job took, for its manifest entry: see `usage`."""
    phases = progress.phases
    return json.dumps({"seconds_by_phase": {name: round(seconds, 3) for name, seconds in phases.seconds.items()},
                       "tokens_by_phase": phases.tokens, "tokens_shared": progress.tokens.shared,
                       "tokens_padding": progress.tokens.padding, "peak_memory_bytes": progress.peak_memory})


def usage(entry: ManifestEntry) -> Mapping[str, Any]:
    """What a finished run took, in the attempt that finished; empty for a run of an earlier version.

    `seconds_by_phase` and `tokens_by_phase` are keyed by `phases.PHASES`; `tokens_shared`, `tokens_padding` and
    `peak_memory_bytes` are numbers.
    """
    return json.loads(entry.usage) if entry.usage else {}
