"""One task on a batch of turns: search, prompt, sample, merge, score, rank."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, TurnError
from nc_latent_tod.labelling.outcome import NO_CANDIDATE_PARSED, Inferred, failed, turn_by_turn
from nc_latent_tod.labelling.rules import Propose
from nc_latent_tod.labels import BeliefState, Candidate, Example, TaskLabel
from nc_latent_tod.lm import Completion, GrammarSampler, LanguageModel, Sampling
from nc_latent_tod.ranking.noisy_channel import LengthNormalization, Ranking, merge, rank, scores_text, uses_channel
from nc_latent_tod.retrieval import Block, Retriever
from nc_latent_tod.retrieval.diverse import select_diverse
from nc_latent_tod.system.stopwatch import Phases
from nc_latent_tod.tasks import Task
from nc_latent_tod.tasks.fitting import fit_prompt
from nc_latent_tod.tasks.prompts import Prompt, answer

_MARGIN = 16  # tokens kept free: texts tokenised together may take a few more than apart
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

    @property
    def retrieved(self) -> tuple[tuple[str, float], ...]:
        """What is in the prompt, in prompt order: nearest last."""
        kept = zip(self.examples, self.similarities, strict=True)
        return tuple((e.example_id, s) for e, s in list(kept)[: self.prompt.num_examples])[::-1]


@dataclass(frozen=True)
class Inference:
    """A task with the model, the pool and the settings that a job gives it."""

    task: Task
    lm: LanguageModel
    retriever: Retriever
    ranking: Ranking
    sampling: Sampling
    k_examples: int
    keep: int = 1  # the likeliest of the samples; `sampling.n` keeps all
    example_warmup: int = 0  # examples that the pool must hold before any is used
    minimum_distinct: int = 0
    prefer_human: bool = False  # corrected examples come first among the nearest
    add_predictions: bool = True
    propose: Propose | None = None  # readings that are weighed with the samples
    proposal_weight: float = 0.0  # of their pseudo-scores in the ranking
    length_normalization: LengthNormalization = "none"
    counts_tokens: bool = True  # False where `lm.count_tokens` estimates: what was scored is stored without its tokens
    grammar: Callable[[Turn, BeliefState], str] | None = None  # that samples stay within; `lm` is a `GrammarSampler` then
    phases: Phases = field(default_factory=Phases)  # seconds of retrieval, prompt and parse; the model has its own

    def __post_init__(self) -> None:
        """Raises `ConfigError` where no prompt can fit the model: else every turn would fail, one by one."""
        length = self.lm.count_tokens([self.task.preamble])[0] if self.task.preamble and self.counts_tokens else 0
        if length > (room := self.lm.max_length - self.sampling.max_new_tokens - _MARGIN):
            raise ConfigError(
                f"{self.task.name}: no turn fits the model. The schema as Python takes {length} tokens of each prompt; of the "
                f"model's {self.lm.max_length}, {room} are left beside the answer. Take a schema with fewer services, a "
                "model with a longer context, or another generation_cfg.preamble.")

    def learn(self, examples: Sequence[Example]) -> None:
        """Add labelled turns to the pool, all but those on which this task failed or had nothing to read."""
        with self.phases.timed("retrieval"):
            self.retriever.add([e for e in examples if self._is_labelled(e)])

    def embed(self, examples: Sequence[Example], stored: Mapping[bytes, Any]) -> Block:
        """What `learn` would add, as a block for the pools of many jobs: see `Retriever.embed`."""
        return self.retriever.embed([e for e in examples if self._is_labelled(e)], stored)

    def embeddings(self, examples: Sequence[Example]) -> dict[bytes, Any]:
        """The embeddings of what `learn` would add: see `Retriever.embeddings`."""
        return self.retriever.embeddings([e for e in examples if self._is_labelled(e)])

    def _is_labelled(self, example: Example) -> bool:
        outcome = example.label.tasks.get(self.task.name)
        return outcome is None or outcome.chosen is not None  # gold examples carry no outcome

    def infer(self, turns: Sequence[Turn], priors: Sequence[BeliefState], seeds: Sequence[int],
              earlier: Sequence[Sequence[Turn]] = ()) -> list[Inferred]:
        """Label each turn given the state before it. A turn that cannot be labelled has an outcome that says why.

        `earlier`: the turns before each, oldest first; only proposals look at them.
        """
        results: dict[int, Inferred] = {}
        questions: dict[int, Question] = {}
        with self.phases.timed("retrieval"):
            found = self._retrieve(turns, priors)
        for i, (turn, prior, seed) in enumerate(zip(turns, priors, seeds, strict=True)):
            try:
                if not self.task.observed(turn):
                    results[i] = Inferred(None, TaskLabel(candidates=(), chosen=None))
                    continue
                with self.phases.timed("prompt"):
                    questions[i] = self._question(turn, prior, seed, found[i], earlier[i] if earlier else ())
            except TurnError as error:
                results[i] = failed(error.reason)
        answers = self._answer(list(questions.values()))
        results.update(zip(questions, answers, strict=True))
        return [results[i] for i in range(len(turns))]

    def _retrieve(self, turns: Sequence[Turn], priors: Sequence[BeliefState]) -> list[list[tuple[Example, float]]]:
        if self.k_examples == 0 or len(self.retriever) < max(1, self.example_warmup):
            return [[] for _ in turns]
        texts = [self.task.retrieval_text(turn, prior) for turn, prior in zip(turns, priors, strict=True)]
        return [select_diverse(self._preferred([pair for pair in found if not _tells(pair[0], turn)]), self.k_examples,
                               self.minimum_distinct, lambda pair: self.task.slots(pair[0]))
                for turn, found in zip(turns, self.retriever.search(texts, 4 * self.k_examples), strict=True)]

    def _preferred(self, found: list[tuple[Example, float]]) -> list[tuple[Example, float]]:
        return sorted(found, key=lambda pair: not pair[0].label.is_human) if self.prefer_human else found

    def _question(self, turn: Turn, prior: BeliefState, seed: int, found: Sequence[tuple[Example, float]],
                  earlier: Sequence[Turn]) -> Question:
        examples, similarities = tuple(e for e, _ in found), tuple(s for _, s in found)
        budget = self.lm.max_length - self.sampling.max_new_tokens - _MARGIN
        prompt = fit_prompt(self.task, "direct", turn, prior, examples, budget=budget, count_tokens=self.lm.count_tokens)
        return Question(turn, prior, seed, examples, similarities, prompt, tuple(earlier))

    def _answer(self, questions: Sequence[Question]) -> list[Inferred]:
        completions = turn_by_turn(self._sample, questions)
        failures = {i: drawn.reason for i, drawn in enumerate(completions) if isinstance(drawn, TurnError)}
        with self.phases.timed("parse"):
            candidates = [[] if isinstance(drawn, TurnError) else self._candidates(q, drawn)
                          for q, drawn in zip(questions, completions, strict=True)]
        self._score_proposals(questions, candidates)
        if uses_channel(self.ranking):
            self._score_channel(questions, candidates, failures)
        return [failed(failures[i], q.retrieved, candidates[i]) if i in failures else self._choose(q, candidates[i])
                for i, q in enumerate(questions)]

    def _sample(self, questions: Sequence[Question]) -> Sequence[list[Completion]]:
        prompts, seeds = [q.prompt.text for q in questions], [q.seed for q in questions]
        if self.grammar:
            grammars = [self.grammar(q.turn, q.prior) for q in questions]
            sampler = cast(GrammarSampler, self.lm)
            return sampler.sample_within(grammars, prompts, self.sampling, seeds, shared_prefix=self.task.preamble)
        return self.lm.sample(prompts, self.sampling, seeds, shared_prefix=self.task.preamble)

    def _candidates(self, question: Question, completions: Sequence[Completion]) -> list[Candidate]:
        source = "greedy" if self.ranking == "greedy" else "sample"
        likeliest = sorted(completions, key=lambda c: -c.logprob)[: self.keep]
        drawn = [Candidate(c.text, {"direct": c.logprob}, source=source, finished=c.finished, tokens={"direct": c.tokens})
                 for c in likeliest]
        if self.propose:
            proposed = self.propose(question.turn, question.prior, question.earlier)
            drawn += [Candidate(text, {"proposal": score} if self.proposal_weight else {}, source="proposal", count=0)
                      for text, score in proposed]
        return merge(drawn, lambda text: self._canonical(text, question.prior))

    def _canonical(self, text: str, prior: BeliefState) -> str:
        canonical = self.task.print(self.task.parse(text, prior))
        self.task.parse(canonical, prior)  # it may be longer than what was read, and too long
        return canonical

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
                          budget=self.lm.max_length - longest - _MARGIN, count_tokens=self.lm.count_tokens)

    def _choose(self, question: Question, candidates: Sequence[Candidate]) -> Inferred:
        ranked = rank(candidates, self.ranking, self.proposal_weight, self.length_normalization)
        if not ranked or ranked[0].error:
            return failed(NO_CANDIDATE_PARSED, question.retrieved, ranked)
        value = self.task.parse(ranked[0].text, question.prior)
        return Inferred(value, TaskLabel(candidates=ranked, chosen=0, retrieved=question.retrieved,
                                         length_normalization=self.length_normalization))


def _tells(example: Example, turn: Turn) -> bool:
    """Whether an example holds an earlier round's label of the turn: it is of this turn, or of a later one of its dialogue."""
    return example.turn.dialogue_id == turn.dialogue_id and example.turn.turn_id >= turn.turn_id
