"""Inform, Success, BLEU and richness as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nc_latent_tod.cli.views.tables import pairs

if TYPE_CHECKING:
    from nc_latent_tod.evaluation.labels.bootstrap import Estimate
    from nc_latent_tod.evaluation.responses.scores import PredictionScores


def show_prediction_scores(scores: PredictionScores) -> RenderableType:
    """Rates by domain with intervals, then BLEU, richness, and what was left out."""
    rates = Table("", "Inform", "95% interval", "Success", "95% interval", title_justify="left",
                  title=f"{scores.split} split: {scores.dialogues} dialogues, {scores.turns} turns")
    for domain, inform in scores.inform.items():
        rates.add_row(Text(domain), *_cells(inform), *_cells(scores.success[domain]))
    return Group(rates, pairs([*_bleu(scores), *_richness(scores), *_sources(scores)]), *_left_out(scores))


def _cells(estimate: Estimate) -> tuple[str, str]:
    interval = "" if estimate.low is None else f"{estimate.low:.1f} to {estimate.high:.1f}"
    return "-" if estimate.value is None else f"{estimate.value:.1f}", interval


def _bleu(scores: PredictionScores) -> list[tuple[str, str]]:
    if scores.bleu is None or scores.combined is None:
        return [("BLEU", "not computed: name references with --references")]
    return [("BLEU", f"{scores.bleu:.1f}, against references delexicalised by {scores.references}"),
            ("combined", f"{scores.combined:.1f} = (Inform + Success) / 2 + BLEU")]


def _richness(scores: PredictionScores) -> list[tuple[str, str]]:
    found = scores.richness
    msttr = "-" if found.msttr_50 is None else f"{found.msttr_50:.3f}"
    return [("words", f"{found.mean_tokens:.2f} a response, MSTTR-50 {msttr}"),
            ("distinct", f"{found.distinct_unigrams} words, {found.distinct_bigrams} bigrams, "
                         f"{found.distinct_trigrams} trigrams"),
            ("entropy", f"{found.entropy:.2f} bits a word, {found.conditional_entropy:.2f} given the word before")]


def _sources(scores: PredictionScores) -> list[tuple[str, str]]:
    origin = {"given": "as predicted", "states": "estimated from changes of the states",
              "placeholders": "read off the placeholders, else from the states"}
    states = {"predictions": "as predicted", "references": "annotated ones: the predictions have none"}
    return [("states", states[scores.states_from]), ("domains", origin[scores.domains_from])]


def _left_out(scores: PredictionScores) -> list[RenderableType]:
    missing = [f"{things} missing and not scored: {count}" for count, things in (
        (scores.missing_dialogues, "dialogues"), (scores.missing_turns, "turns of predicted dialogues")) if count]
    unknown = [f"unknown placeholder {name} left out: {count}" for name, count in scores.unknown_placeholders.items()]
    return [Text(line, style="yellow") for line in (*missing, *unknown)]
