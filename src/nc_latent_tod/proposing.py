"""Labelling by proposals alone: no model, no examples, no randomness; and proposals as canonical text for a model to weigh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nc_latent_tod.asking import NO_CANDIDATE_PARSED, Inferred, failed
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ParseError, TurnError
from nc_latent_tod.labels import BeliefState, Candidate, Example, TaskLabel
from nc_latent_tod.lm.absent import AbsentLM
from nc_latent_tod.noisy_channel import rank
from nc_latent_tod.phases import Phases
from nc_latent_tod.proposals import Proposer
from nc_latent_tod.tasks import Task

Propose = Callable[[Turn, BeliefState, Sequence[Turn]], Sequence[tuple[str, float]]]
"""(turn, state before it, earlier turns) to canonical texts with pseudo-scores, best first."""


def proposals_of(proposer: Proposer, task: Task, n: int) -> Propose:
    """The proposals of one task, `dst` or `act_tag`, as canonical text; at most `n`."""
    def propose(turn: Turn, prior: BeliefState, earlier: Sequence[Turn]) -> list[tuple[str, float]]:
        if task.name == "dst":
            return [(task.print(p.change), p.score) for p in proposer.changes(turn, prior, n, earlier)]
        return [(task.print(p.acts), p.score) for p in proposer.acts(turn, prior, n, earlier)]

    return propose


@dataclass(frozen=True)
class Proposing:
    """A task labelled by its best proposal. Scores are logs of pseudo-probabilities: they order, and are not calibrated."""

    task: Task
    propose: Propose
    lm: AbsentLM = field(default_factory=AbsentLM)
    add_predictions: bool = False
    phases: Phases = field(default_factory=Phases)  # it has none: reading is one step

    def learn(self, examples: Sequence[Example]) -> None:
        """Nothing: proposals use no examples."""

    def infer(self, turns: Sequence[Turn], priors: Sequence[BeliefState], seeds: Sequence[int],
              earlier: Sequence[Sequence[Turn]] = ()) -> list[Inferred]:
        """Label each turn given the state before it and the turns before it, oldest first."""
        return [self._infer(turn, prior, earlier[i] if earlier else ()) for i, (turn, prior) in
                enumerate(zip(turns, priors, strict=True))]

    def _infer(self, turn: Turn, prior: BeliefState, earlier: Sequence[Turn]) -> Inferred:
        try:
            if not self.task.observed(turn):
                return Inferred(None, TaskLabel(candidates=(), chosen=None))
        except TurnError as error:
            return failed(error.reason)
        candidates: dict[str, Candidate] = {}
        for text, score in self.propose(turn, prior, earlier):
            candidate = self._candidate(text, score, prior)
            candidates.setdefault(candidate.text, candidate)  # normalising may make two equal: the better one stays
        ranked = rank(candidates.values(), "proposal")
        if not ranked or ranked[0].error:
            return failed(NO_CANDIDATE_PARSED, candidates=ranked)
        return Inferred(self.task.parse(ranked[0].text, prior), TaskLabel(candidates=ranked, chosen=0))

    def _candidate(self, text: str, score: float, prior: BeliefState) -> Candidate:
        try:
            text, error = self.task.print(self.task.parse(text, prior)), None
        except ParseError as parse_error:
            error = parse_error.reason
        return Candidate(text, {"proposal": score}, source="proposal", count=0, error=error)
