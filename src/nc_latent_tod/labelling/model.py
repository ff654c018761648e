"""One task on a batch of turns by a language model: examples, prompt, samples, candidates, scores, choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, TurnError
from nc_latent_tod.labelling.examples import ExamplePool
from nc_latent_tod.labelling.outcome import Inferred, failed, turn_by_turn
from nc_latent_tod.labelling.rules import Propose
from nc_latent_tod.labelling.scoring import MARGIN, Question, Scorer
from nc_latent_tod.labels import Act, BeliefState, Candidate, Example, TaskLabel
from nc_latent_tod.lm import Completion, GrammarSampler, LanguageModel, Sampling
from nc_latent_tod.ranking.noisy_channel import merge
from nc_latent_tod.system.stopwatch import Phases
from nc_latent_tod.tasks import Task
from nc_latent_tod.tasks.fitting import fit_prompt


@dataclass(frozen=True)
class ModelLabeller:
    """A task as a model reads it (`TaskLabeller`): its examples are of `pool`, its candidates weighed by `scorer`."""

    task: Task[Any]
    lm: LanguageModel
    pool: ExamplePool
    scorer: Scorer
    sampling: Sampling
    keep: int = 1  # the likeliest of the samples; `sampling.n` keeps all
    propose: Propose | None = None  # readings that are weighed with the samples
    grammar: Callable[[Turn, BeliefState], str] | None = None  # that samples stay within; `lm` is a `GrammarSampler` then
    own_phases: Phases = field(default_factory=Phases)  # seconds of prompt and parse; pool, scorer and model have their own

    def __post_init__(self) -> None:
        """Raises `ConfigError` where no prompt can fit the model: else every turn would fail, one by one."""
        length = self.lm.count_tokens([self.task.preamble])[0] if self.task.preamble and self.scorer.counts_tokens else 0
        if length > (room := self.lm.max_length - self.sampling.max_new_tokens - MARGIN):
            raise ConfigError(
                f"{self.task.name}: no turn fits the model. The schema as Python takes {length} tokens of each prompt; of the "
                f"model's {self.lm.max_length}, {room} are left beside the answer. Take a schema with fewer services, a "
                "model with a longer context, or another generation_cfg.preamble.")

    @property
    def fingerprint(self) -> str:
        return self.lm.fingerprint

    @property
    def models(self) -> Sequence[LanguageModel]:
        return (self.lm,)

    @property
    def phases(self) -> Sequence[Phases]:
        return self.pool.phases, self.scorer.phases, self.own_phases

    def infer(self, turns: Sequence[Turn], priors: Sequence[BeliefState], seeds: Sequence[int],
              earlier: Sequence[Sequence[Turn]] = (), given: Sequence[tuple[Act, ...]] = ()) -> list[Inferred]:
        """See `TaskLabeller.infer`. Only proposals look at `earlier`."""
        results: dict[int, Inferred] = {}
        questions: dict[int, Question] = {}
        found = self.pool.examples_for(turns, priors)
        for i, (turn, prior, seed) in enumerate(zip(turns, priors, seeds, strict=True)):
            try:
                if not self.task.observed(turn):
                    results[i] = Inferred(None, TaskLabel(candidates=(), chosen=None))
                    continue
                with self.own_phases.timed("prompt"):
                    questions[i] = self._question(turn, prior, seed, found[i], earlier[i] if earlier else (),
                                                  given[i] if given else ())
            except TurnError as error:
                results[i] = failed(error.reason)
        answers = self._answer(list(questions.values()))
        results.update(zip(questions, answers, strict=True))
        return [results[i] for i in range(len(turns))]

    def _question(self, turn: Turn, prior: BeliefState, seed: int, found: Sequence[tuple[Example, float]],
                  earlier: Sequence[Turn], given: tuple[Act, ...]) -> Question:
        examples, similarities = tuple(e for e, _ in found), tuple(s for _, s in found)
        budget = self.lm.max_length - self.sampling.max_new_tokens - MARGIN
        prompt = fit_prompt(self.task, "direct", turn, prior, examples, budget=budget, count_tokens=self.lm.count_tokens,
                            given=given)
        return Question(turn, prior, seed, examples, similarities, prompt, tuple(earlier), given)

    def _answer(self, questions: Sequence[Question]) -> list[Inferred]:
        completions = turn_by_turn(self._sample, questions)
        failures = {i: drawn.reason for i, drawn in enumerate(completions) if isinstance(drawn, TurnError)}
        with self.own_phases.timed("parse"):
            candidates = [[] if isinstance(drawn, TurnError) else self._candidates(q, drawn)
                          for q, drawn in zip(questions, completions, strict=True)]
        self.scorer.score(questions, candidates, failures)
        return [failed(failures[i], q.retrieved, candidates[i]) if i in failures else self.scorer.choose(q, candidates[i])
                for i, q in enumerate(questions)]

    def _sample(self, questions: Sequence[Question]) -> Sequence[list[Completion]]:
        prompts, seeds = [q.prompt.text for q in questions], [q.seed for q in questions]
        if self.grammar:
            grammars = [self.grammar(q.turn, q.prior) for q in questions]
            sampler = cast(GrammarSampler, self.lm)
            return sampler.sample_within(grammars, prompts, self.sampling, seeds, shared_prefix=self.task.preamble)
        return self.lm.sample(prompts, self.sampling, seeds, shared_prefix=self.task.preamble)

    def _candidates(self, question: Question, completions: Sequence[Completion]) -> list[Candidate]:
        source = "greedy" if self.scorer.ranking == "greedy" else "sample"
        likeliest = sorted(completions, key=lambda c: -c.logprob)[: self.keep]
        drawn = [Candidate(c.text, {"direct": c.logprob}, source=source, finished=c.finished, tokens={"direct": c.tokens})
                 for c in likeliest]
        if self.propose:
            proposed = self.propose(question.turn, question.prior, question.earlier)
            drawn += [Candidate(text, {"proposal": score} if self.scorer.proposal_weight else {}, source="proposal", count=0)
                      for text, score in proposed]
        return merge(drawn, lambda text: self._canonical(text, question.prior))

    def _canonical(self, text: str, prior: BeliefState) -> str:
        canonical = self.task.print(self.task.parse(text, prior))
        self.task.parse(canonical, prior)  # it may be longer than what was read, and too long
        return canonical
