"""What a report on a group shows, collected from its labels: counts, scores, calibration, rounds and dialogues."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from nc_latent_tod.evaluation.labels.agreement import Health, health
from nc_latent_tod.evaluation.labels.calibration import Calibration, calibrate
from nc_latent_tod.evaluation.labels.scores import Scores, pair, score
from nc_latent_tod.labels import Example, Gold, by_dialogue
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.ranking.confidence import TASKS, TaskConfidence, Temperatures, task_confidence
from nc_latent_tod.reporting.dialogues import shown_dialogues
from nc_latent_tod.schema import Schema

MAX_DIALOGUES = 1000  # about 20 MB of page


@dataclass(frozen=True, slots=True)
class Round:
    """One group of a lineage, oldest first."""

    group_id: str
    health: Health
    same: float | None  # share of the turns whose change is that of the round before; None in the first
    scores: Scores | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often things are labelled."""

    services: Mapping[str, int]  # dialogues that speak of it
    slots: Mapping[tuple[str, str], int]  # turns that set it
    values: Mapping[tuple[str, str], Mapping[str, int]]
    acts: Mapping[str, int]  # (act, service) of a turn, as text


@dataclass(frozen=True, slots=True)
class ScoredTerm:
    """A term of the readings of one task. Means are over the readings that have it."""

    task: str
    term: str
    readings: int
    nats: float | None  # mean log-probability; None where none is finite
    tokens: float | None  # mean tokens that it is the sum over; None where they are not known
    divided: int  # readings whose score was made of log-probabilities divided by their tokens


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the page shows, as values."""

    group_id: str
    runs: Sequence[ManifestEntry]
    dialogues: int
    turns: int
    failures: Mapping[str, int]  # turns by "task: reason"
    rejected: Mapping[str, int]  # samples and proposals that did not parse, by "task: reason"
    confidence: Mapping[str, Sequence[TaskConfidence]]  # by task
    terms: Sequence[ScoredTerm]
    distribution: Distribution
    temperatures: Temperatures
    shown: Sequence[Mapping[str, Any]]  # dialogues, worst first
    scores: Scores | None = None
    calibration: Calibration | None = None
    rounds: Sequence[Round] = field(default_factory=tuple)


def collect(group_id: str, runs: Sequence[ManifestEntry], examples: Sequence[Example], schema: Schema, *,
            gold: Mapping[tuple[str, int], Gold] | None = None, temperatures: Temperatures | None = None,
            earlier: Sequence[tuple[str, Sequence[Example]]] = (), max_dialogues: int = MAX_DIALOGUES) -> Report:
    """Collect the report on `examples`, the labels of `runs`; `earlier` are rounds before it, oldest first.

    Raises `ConfigError` where gold or schema do not fit the labels.
    """
    pairs = pair(examples, gold) if gold is not None else None
    dialogues = list(by_dialogue(examples).values())
    at = temperatures or {}
    known = {task: [sure for e in examples if (sure := task_confidence(e.label.tasks.get(task), at.get(task, 1.0)))]
             for task in TASKS}
    return Report(
        group_id, runs, len(dialogues), len(examples), _failures(examples), _rejected(examples), known,
        _terms(examples), _distribution(dialogues), at, shown_dialogues(dialogues, schema, gold, at, max_dialogues),
        scores=score(pairs, schema=schema) if pairs else None, calibration=calibrate(pairs, schema) if pairs else None,
        rounds=_rounds([*earlier, (group_id, examples)], schema, gold) if earlier else ())


def _failures(examples: Sequence[Example]) -> dict[str, int]:
    return dict(Counter(f"{task}: {reason}" for e in examples for task, reason in e.label.failures.items()).most_common())


def _rejected(examples: Sequence[Example]) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for example in examples:
        for task, outcome in example.label.tasks.items():
            for candidate in outcome.candidates:
                if candidate.error:
                    reasons[f"{task}: {candidate.error}"] += max(candidate.count, 1)
    return dict(reasons.most_common())


def _terms(examples: Sequence[Example]) -> list[ScoredTerm]:
    found: dict[tuple[str, str], list[tuple[float, int | None, bool]]] = {}
    for example in examples:
        for task, outcome in example.label.tasks.items():
            for candidate in outcome.candidates:
                for term, nats in candidate.logprobs.items() if candidate.error is None else ():
                    found.setdefault((task, term), []).append(
                        (nats, candidate.tokens.get(term), outcome.length_normalization == "tokens"))
    return [ScoredTerm(task, term, len(rows), _mean([nats for nats, _, _ in rows if math.isfinite(nats)]),
                       _mean([count for _, count, _ in rows if count is not None]), sum(divided for _, _, divided in rows))
            for (task, term), rows in sorted(found.items())]


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _distribution(dialogues: Sequence[Sequence[Example]]) -> Distribution:
    services: Counter[str] = Counter()
    slots: Counter[tuple[str, str]] = Counter()
    acts: Counter[str] = Counter()
    values: dict[tuple[str, str], Counter[str]] = {}
    for turns in dialogues:
        services.update({s for e in turns for s in (*e.label.change, *(a.service for a in e.label.acts)) if s})
        for example in turns:
            acts.update({f"{a.act} {a.service}".strip() for a in example.label.acts})
            for service, held in example.label.change.items():
                slots.update((service, slot) for slot in held)
                for slot, value in held.items():
                    values.setdefault((service, slot), Counter())["(deleted)" if value is None else value] += 1
    return Distribution(dict(services.most_common()), dict(slots.most_common()),
                        {key: dict(counts.most_common()) for key, counts in values.items()}, dict(acts.most_common()))


def _rounds(rounds: Sequence[tuple[str, Sequence[Example]]], schema: Schema,
            gold: Mapping[tuple[str, int], Gold] | None) -> list[Round]:
    found: list[Round] = []
    before: dict[tuple[str, int], Example] = {}
    for group_id, examples in rounds:
        now = {e.turn.key: e for e in examples}
        both = [key for key in now if key in before]
        same = sum(now[key].label.change == before[key].label.change for key in both)
        found.append(Round(group_id, health(now), same / len(both) if both else None,
                           score(pair(examples, gold), schema=schema) if gold is not None else None))
        before = now
    return found
