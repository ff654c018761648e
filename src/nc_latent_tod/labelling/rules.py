"""Labelling by proposals alone: no model, no examples, no randomness; and proposals as canonical text for a model to weigh."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, DamagedError, ParseError, TurnError
from nc_latent_tod.labelling.examples import ExamplePool
from nc_latent_tod.labelling.outcome import NO_CANDIDATE_PARSED, Inferred, failed
from nc_latent_tod.labels import Act, BeliefState, Candidate, TaskLabel
from nc_latent_tod.lm import LanguageModel
from nc_latent_tod.proposals.proposer import ProposedChange, Proposer
from nc_latent_tod.proposals.ranker import Ranker, features
from nc_latent_tod.ranking.noisy_channel import rank
from nc_latent_tod.system.files import read_bytes
from nc_latent_tod.system.stopwatch import Phases
from nc_latent_tod.tasks import Task

Propose = Callable[[Turn, BeliefState, Sequence[Turn]], Sequence[tuple[str, float]]]
"""(turn, state before it, earlier turns) to canonical texts with pseudo-scores, best first."""


def proposals_of(proposer: Proposer, task: Task[Any], n: int, ranker: Ranker | None = None) -> Propose:
    """The proposals of one task, `dst` or `act_tag`, as canonical text; at most `n`. `ranker`: learnt weights of changes."""
    def propose(turn: Turn, prior: BeliefState, earlier: Sequence[Turn]) -> list[tuple[str, float]]:
        if task.name == "dst":
            found = proposer.changes(turn, prior, n, earlier)
            scores = ranked(ranker, turn, prior, earlier, found) if ranker else [p.score for p in found]
            return sorted(((task.print(p.change), s) for p, s in zip(found, scores, strict=True)), key=lambda pair: -pair[1])
        return [(task.print(p.acts), p.score) for p in proposer.acts(turn, prior, n, earlier)]

    @lru_cache(maxsize=20_000)
    def said(turn: Turn, earlier: tuple[Turn, ...]) -> tuple[Act, ...]:
        """The system's acts by the best proposal, read without a state: the same ones whatever was labelled before."""
        found = proposer.acts(turn, {}, 1, earlier)
        return found[0].acts if found else ()

    def ranked(ranker: Ranker, turn: Turn, prior: BeliefState, earlier: Sequence[Turn],
                found: Sequence[ProposedChange]) -> list[float]:
        response, history = said(turn, tuple(earlier)), tuple(earlier)
        before = said(history[-1], history[:-1]) if history else ()
        return ranker.rescored(turn.dialogue_id, [(p.score, features(p.change, prior, turn, response, before)) for p in found])

    return propose


def read_ranker(path: str) -> Ranker:
    """Weights from a file that `em` wrote. Raises `ConfigError`."""
    try:
        return Ranker(json.loads(read_bytes(path))["weights"])
    except (DamagedError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"generation_cfg.proposal_ranker: {path} holds no weights ({error}). Give a file that `nc-latent-tod "
                          "em` or `bootstrap` wrote.") from error


@dataclass(frozen=True)
class RuleLabeller:
    """A task labelled by its best proposal (`TaskLabeller`): no model, no examples.

    Scores are logs of pseudo-probabilities: they order, and are not calibrated.
    """

    task: Task[Any]
    propose: Propose
    fingerprint: str = "none"
    pool: ExamplePool | None = None
    models: Sequence[LanguageModel] = ()
    phases: Sequence[Phases] = ()

    def infer(self, turns: Sequence[Turn], priors: Sequence[BeliefState], seeds: Sequence[int],
              earlier: Sequence[Sequence[Turn]] = (), given: Sequence[tuple[Act, ...]] = ()) -> list[Inferred]:
        """See `TaskLabeller.infer`. There is no randomness, and `given` is for tasks that rules do not read."""
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
