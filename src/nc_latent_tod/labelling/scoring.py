"""Candidates scored under the model, term by term, and ranked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import TurnError
from nc_latent_tod.labelling.outcome import NO_CANDIDATE_PARSED, Inferred, failed, turn_by_turn
from nc_latent_tod.labels import Act, BeliefState, Candidate, Example, TaskLabel
from nc_latent_tod.lm import LanguageModel
from nc_latent_tod.ranking.noisy_channel import LengthNormalization, Ranking, rank, scores_text, uses_channel
from nc_latent_tod.system.stopwatch import Phases
from nc_latent_tod.tasks import Task
from nc_latent_tod.tasks.fitting import fit_prompt
from nc_latent_tod.tasks.prompts import Prompt, answer

MARGIN = 16  # tokens kept free: texts tokenised together may take a few more than apart
TOO_LONG = "proposal_too_long"


@dataclass(frozen=True)
class Question:
    """A turn on its way through the model."""

    turn: Turn
    prior: BeliefState
    seed: int
    examples: tuple[Example, ...]  # nearest first
    similarities: tuple[float, ...]
    prompt: Prompt
    earlier: tuple[Turn, ...] = ()  # oldest first
    given: tuple[Act, ...] = ()  # acts that are decided already, for a task that words them

    @property
    def retrieved(self) -> tuple[tuple[str, float], ...]:
        """What is in the prompt, in prompt order: nearest last."""
        kept = zip(self.examples, self.similarities, strict=True)
        return tuple((e.example_id, s) for e, s in list(kept)[: self.prompt.num_examples])[::-1]


@dataclass(frozen=True)
class Scorer:
    """How the candidates of one task are weighed: which terms the ranking needs, and the model that gives them."""

    task: Task[Any]
    lm: LanguageModel
    ranking: Ranking
    proposal_weight: float = 0.0  # of the pseudo-scores of proposals
    length_normalization: LengthNormalization = "none"
    counts_tokens: bool = True  # False where `lm.count_tokens` estimates: what was scored is stored without its tokens
    phases: Phases = field(default_factory=Phases)  # seconds of channel prompts

    def score(self, questions: Sequence[Question], candidates: list[list[Candidate]], failures: dict[int, str]) -> None:
        """Add to the candidates of each question the terms that the ranking needs, in nats; to `failures` why it cannot."""
        self._score_proposals(questions, candidates)
        if uses_channel(self.ranking):
            self._score_channel(questions, candidates, failures)

    def _score_proposals(self, questions: Sequence[Question], candidates: list[list[Candidate]]) -> None:
        """Add the term `direct`, in nats, to the proposals that no sample gave. One that does not fit the model falls out."""
        places = {i: [j for j, c in enumerate(row) if c.error is None and "direct" not in c.logprobs]
                  for i, row in enumerate(candidates)}
        asked = [i for i in places if places[i]]
        requests = [(questions[i].prompt.text, [(answer(candidates[i][j].text),) for j in places[i]]) for i in asked]
        scores = turn_by_turn(lambda part: self.lm.loglikelihood(part, shared_prefix=self.task.preamble), requests)
        for i, (_, answers), rows in zip(asked, requests, scores, strict=True):
            lengths = self._lengths(answers)
            for row, j in enumerate(places[i]):
                candidates[i][j] = (replace(candidates[i][j], error=TOO_LONG) if isinstance(rows, TurnError)
                                    else self._with_terms(candidates[i][j], ["direct"], rows[row], lengths[row]))

    def _score_channel(self, questions: Sequence[Question], candidates: list[list[Candidate]],
                       failures: dict[int, str]) -> None:
        """Add the terms `prior` and, where the ranking needs it, `channel`, in nats, to the candidates that parsed."""
        terms = ["prior", "channel"] if scores_text(self.ranking) else ["prior"]
        requests, owners = [], []
        for i, question in enumerate(questions):
            parsed = [j for j, candidate in enumerate(candidates[i]) if candidate.error is None]
            continuations = [self.task.continuation(candidates[i][j].text, question.turn)[: len(terms)] for j in parsed]
            if not parsed:
                continue
            try:
                with self.phases.timed("prompt"):
                    lengths = self._lengths(continuations)
                    prompt = self._channel_prompt(question, max(map(sum, lengths)))
            except TurnError as error:
                failures[i] = error.reason
                continue
            requests.append((prompt.text, continuations))
            owners.append((i, parsed, lengths))
        scores = turn_by_turn(lambda asked: self.lm.loglikelihood(asked, shared_prefix=self.task.preamble), requests)
        for (i, parsed, lengths), rows in zip(owners, scores, strict=True):
            if isinstance(rows, TurnError):
                failures[i] = rows.reason
                continue
            for j, logprobs, counts in zip(parsed, rows, lengths, strict=True):
                candidates[i][j] = self._with_terms(candidates[i][j], terms, logprobs, counts)

    def _lengths(self, continuations: Sequence[Sequence[str]]) -> list[tuple[int, ...]]:
        """The tokens of each segment of each continuation, which the model tokenises apart."""
        counts = iter(self.lm.count_tokens([text for segments in continuations for text in segments]))
        return [tuple(next(counts) for _ in segments) for segments in continuations]

    def _with_terms(self, candidate: Candidate, terms: Sequence[str], logprobs: Sequence[float],
                    counts: Sequence[int]) -> Candidate:
        """With more terms, and the tokens of each where they are counted and not estimated."""
        tokens = dict(zip(terms, counts, strict=True)) if self.counts_tokens else {}
        return replace(candidate, logprobs={**candidate.logprobs, **dict(zip(terms, logprobs, strict=True))},
                       tokens={**candidate.tokens, **tokens})

    def _channel_prompt(self, question: Question, longest: int) -> Prompt:
        """`longest`: tokens that are to follow, at most."""
        return fit_prompt(self.task, "channel", question.turn, question.prior,
                          question.examples[: question.prompt.num_examples],
                          budget=self.lm.max_length - longest - MARGIN, count_tokens=self.lm.count_tokens,
                          given=question.given)

    def choose(self, question: Question, candidates: Sequence[Candidate]) -> Inferred:
        """The outcome of a question: its candidates ranked, and the best one read."""
        ranked = rank(candidates, self.ranking, self.proposal_weight, self.length_normalization)
        if not ranked or ranked[0].error:
            return failed(NO_CANDIDATE_PARSED, question.retrieved, ranked)
        value = self.task.parse(ranked[0].text, question.prior)
        return Inferred(value, TaskLabel(candidates=ranked, chosen=0, retrieved=question.retrieved,
                                         length_normalization=self.length_normalization))
