"""The community's context-to-response scores on MultiWOZ: Inform, Success, BLEU, lexical richness.

An adapter of one benchmark: unlike the rest of the package it knows MultiWOZ's domains. What a figure means, and where
it may be compared, is in `docs/evaluation.md`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from nc_latent_tod.errors import ConfigError, CorpusError, nearest
from nc_latent_tod.evaluation.labels.bootstrap import Estimate, estimate, ratio, resampled
from nc_latent_tod.evaluation.responses.active_domains import domains_from_placeholders, domains_from_states
from nc_latent_tod.evaluation.responses.benchmark import Benchmark, and_more
from nc_latent_tod.evaluation.responses.bleu import corpus_bleu
from nc_latent_tod.evaluation.responses.multiwoz import TOTAL
from nc_latent_tod.evaluation.responses.placeholders import Response, normalised_response
from nc_latent_tod.evaluation.responses.predictions import PredictedTurn, Predictions, check_coverage
from nc_latent_tod.evaluation.responses.references import References, require, turns_in
from nc_latent_tod.evaluation.responses.richness import Richness, richness
from nc_latent_tod.evaluation.responses.success import Outcome, SystemTurn, judge

DOMAIN_SOURCES = ("auto", "given", "states", "placeholders")


@dataclass(frozen=True, slots=True)
class PredictionScores:
    """Inform, Success and BLEU in percent. Intervals come from resampling dialogues."""

    split: str
    dialogues: int
    turns: int
    inform: Mapping[str, Estimate]  # by `total` and domain
    success: Mapping[str, Estimate]
    richness: Richness
    domains_from: str  # given, states, placeholders
    states_from: str  # predictions, references
    bleu: float | None = None  # None without references
    references: str | None = None  # how they were delexicalised
    missing_dialogues: int = 0
    missing_turns: int = 0  # of the predicted dialogues
    unknown_placeholders: Mapping[str, int] = field(default_factory=dict)  # that were left out, by how often

    @property
    def combined(self) -> float | None:
        """(Inform + Success) / 2 + BLEU; None without BLEU."""
        inform, success = self.inform[TOTAL].value, self.success[TOTAL].value
        return None if self.bleu is None or inform is None or success is None else (inform + success) / 2 + self.bleu

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {**asdict(self), "combined": self.combined}


def score_predictions(
    predictions: Predictions, benchmark: Benchmark, *, references: References | None = None, domains: str = "auto",
    allow_missing: bool = False, allow_unknown: bool = False, resamples: int = 1000, seed: int = 0,
) -> PredictionScores:
    """Score predictions as the community's evaluator does; every dialogue of the split counts.

    `domains` says where a turn's active domains come from; auto: from the predictions where they have them, else from
    the changes of the states. Predictions without states are judged by the states of the `references`.
    Raises `CorpusError` for incomplete predictions (but see `allow_missing`), unknown placeholders (but see
    `allow_unknown`) and whatever else does not fit together; `ConfigError` for a wrong option.
    """
    missing_dialogues, missing_turns = check_coverage(predictions, benchmark, allow_missing=allow_missing)
    responses = {dialogue: [normalised_response(turn.response, benchmark.names) for turn in turns]
                 for dialogue, turns in predictions.items()}
    unknown = _unknown(responses, allow_unknown)
    has_states = next(_turns(predictions)).state is not None
    if not has_states:
        predictions = _with_states(predictions, references)
    source = _domain_source(domains, predictions)
    outcomes = [judge(benchmark.goals[dialogue], _system_turns(turns, responses[dialogue], benchmark.booked[dialogue], source),
                      benchmark.venues) for dialogue, turns in predictions.items()]
    inform, success = _rates(outcomes, resamples, seed)
    texts = [response.text for turns in responses.values() for response in turns]
    return PredictionScores(
        benchmark.split, len(predictions), len(texts), inform, success, richness(texts), source,
        "predictions" if has_states else "references", _bleu(predictions, texts, references),
        references.source if references else None, missing_dialogues, missing_turns, unknown)


def _turns(predictions: Predictions) -> Iterator[PredictedTurn]:
    return (turn for turns in predictions.values() for turn in turns)


def _unknown(responses: Mapping[str, Sequence[Response]], allow: bool) -> dict[str, int]:
    found = [(name, dialogue, i) for dialogue, turns in responses.items()
             for i, response in enumerate(turns) for name in response.unknown]
    if found and not allow:
        name, dialogue, turn = found[0]
        raise CorpusError(f"Turn {turn} of dialogue {dialogue!r} has the placeholder {name!r}, which stands for no known slot"
                          f"{and_more(len(found) - 1, 'such placeholders')}. Rename it, or leave such out with "
                          "--allow-unknown-placeholders.")
    names = [name for name, _, _ in found]
    return {name: names.count(name) for name in sorted(set(names))}


def _with_states(predictions: Predictions, references: References | None) -> Predictions:
    if references is None or not references.states:
        raise CorpusError("The predictions have no states, so the annotated ones would have to stand in: name a folder in "
                          "the MultiWOZ 2.2 layout with --references.")
    require(turns_in(predictions), references.states, "state")
    return {dialogue: tuple(replace(turn, state=references.states[dialogue, i]) for i, turn in enumerate(turns))
            for dialogue, turns in predictions.items()}


def _domain_source(asked: str, predictions: Predictions) -> str:
    if asked not in DOMAIN_SOURCES:
        raise ConfigError(f"No source of active domains {asked!r}.{nearest(asked, DOMAIN_SOURCES)} There are: "
                          f"{', '.join(DOMAIN_SOURCES)}.")
    are_given = next(_turns(predictions)).domains is not None
    if asked == "given" and not are_given:
        raise CorpusError("The predictions have no active_domains. Take them from states or placeholders.")
    return asked if asked != "auto" else "given" if are_given else "states"


def _system_turns(turns: Sequence[PredictedTurn], responses: Sequence[Response], booked: Sequence[frozenset[str]],
                  source: str) -> list[SystemTurn]:
    states = [turn.state or {} for turn in turns]
    domains = {"given": lambda: [turn.domains or () for turn in turns], "states": lambda: domains_from_states(states),
               "placeholders": lambda: domains_from_placeholders([response.domains for response in responses], states),
               }[source]()
    # bookings of turns that are missing at the end are not looked at
    return [SystemTurn(response.placeholders, state, active, done) for response, state, active, done
            in zip(responses, states, domains, booked, strict=False)]


def _rates(outcomes: Sequence[Outcome], resamples: int, seed: int) -> tuple[dict[str, Estimate], dict[str, Estimate]]:
    domains = [TOTAL, *sorted({domain for outcome in outcomes for domain in outcome.informed} - {TOTAL})]
    sums = np.zeros((len(outcomes), 2 * len(domains), 2))  # (dialogues, Inform then Success by domain, right and all)
    for row, outcome in zip(sums, outcomes, strict=True):
        for column, domain in enumerate(domains):
            if domain in outcome.informed:
                row[column] = outcome.informed[domain], 1
                row[len(domains) + column] = outcome.succeeded[domain], 1
    sums[..., 0] *= 100  # percent
    whole, samples = ratio(sums.sum(axis=0)), resampled(sums, resamples, seed)
    rates = [estimate(value, samples[:, i]) for i, value in enumerate(whole)]
    return dict(zip(domains, rates[:len(domains)], strict=True)), dict(zip(domains, rates[len(domains):], strict=True))


def _bleu(predictions: Predictions, texts: Sequence[str], references: References | None) -> float | None:
    if references is None:
        return None
    turns = turns_in(predictions)
    require(turns, references.responses, "response")
    return corpus_bleu(texts, [references.responses[turn] for turn in turns])
