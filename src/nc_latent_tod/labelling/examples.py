"""The in-context examples of one task: a pool that is searched, seeded and grown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import BeliefState, Example
from nc_latent_tod.retrieval import Block, Retriever
from nc_latent_tod.retrieval.diverse import select_diverse
from nc_latent_tod.system.stopwatch import Phases
from nc_latent_tod.tasks import Task

_OVERFETCH = 4  # times the examples that are shown, so that distinct ones can be chosen


@dataclass(frozen=True)
class ExamplePool:
    """What a task is shown beside a turn."""

    task: Task[Any]
    retriever: Retriever
    k: int  # examples a prompt
    warmup: int = 0  # examples that the pool must hold before any is used
    minimum_distinct: int = 0  # so many of the k differ in their slots
    grows: bool = True  # by the job's own labels
    prefer_human: bool = False  # corrected examples come first among the nearest
    phases: Phases = field(default_factory=Phases)  # seconds of retrieval

    def learn(self, examples: Sequence[Example]) -> None:
        """Add labelled turns to the pool, all but those on which this task failed or had nothing to read."""
        with self.phases.timed("retrieval"):
            self.retriever.add(self._labelled(examples))

    def embed(self, examples: Sequence[Example], stored: Mapping[bytes, Any]) -> Block:
        """What `learn` would add, as a block for the pools of many jobs: see `Retriever.embed`."""
        return self.retriever.embed(self._labelled(examples), stored)

    def embeddings(self, examples: Sequence[Example]) -> dict[bytes, Any]:
        """The embeddings of what `learn` would add: see `Retriever.embeddings`."""
        return self.retriever.embeddings(self._labelled(examples))

    def examples_for(self, turns: Sequence[Turn], priors: Sequence[BeliefState]) -> list[list[tuple[Example, float]]]:
        """(example, inner product) for each turn, nearest first; none while the pool is cold."""
        if self.k == 0 or len(self.retriever) < max(1, self.warmup):
            return [[] for _ in turns]
        with self.phases.timed("retrieval"):
            texts = [self.task.retrieval_text(turn, prior) for turn, prior in zip(turns, priors, strict=True)]
            return [select_diverse(self._preferred([pair for pair in found if not _tells(pair[0], turn)]), self.k,
                                   self.minimum_distinct, lambda pair: self.task.slots(pair[0]))
                    for turn, found in zip(turns, self.retriever.search(texts, _OVERFETCH * self.k), strict=True)]

    def _preferred(self, found: list[tuple[Example, float]]) -> list[tuple[Example, float]]:
        return sorted(found, key=lambda pair: not pair[0].label.is_human) if self.prefer_human else found

    def _labelled(self, examples: Sequence[Example]) -> list[Example]:
        """Those on which the task did not fail; gold examples carry no outcome."""
        outcomes = [(example, example.label.tasks.get(self.task.name)) for example in examples]
        return [example for example, outcome in outcomes if outcome is None or outcome.chosen is not None]


def _tells(example: Example, turn: Turn) -> bool:
    """Whether an example holds an earlier round's label of the turn: it is of this turn, or of a later one of its dialogue."""
    return example.turn.dialogue_id == turn.dialogue_id and example.turn.turn_id >= turn.turn_id
