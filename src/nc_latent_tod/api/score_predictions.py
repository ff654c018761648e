"""Responses of a system, scored as the community scores MultiWOZ: Inform, Success, BLEU, lexical richness."""

from __future__ import annotations

from pathlib import Path

from nc_latent_tod.evaluation.responses.benchmark import load_benchmark
from nc_latent_tod.evaluation.responses.predictions import load_predictions
from nc_latent_tod.evaluation.responses.references import load_references
from nc_latent_tod.evaluation.responses.scores import PredictionScores, score_predictions


def score_file(file: Path, *, data: Path, split: str = "test", references: Path | None = None, domains: str = "auto",
               allow_missing: bool = False, allow_unknown: bool = False, resamples: int = 1000,
               seed: int = 0) -> PredictionScores:
    """Score the predictions of a file against `data`/goals_SPLIT.json, its bookings and its database.

    `references` gives BLEU. Raises `ConfigError` or `CorpusError` as the readers of these files do.
    """
    benchmark = load_benchmark(data, split)
    return score_predictions(
        load_predictions(file), benchmark, domains=domains, allow_missing=allow_missing, allow_unknown=allow_unknown,
        references=load_references(references, benchmark.names) if references else None, resamples=resamples, seed=seed)
