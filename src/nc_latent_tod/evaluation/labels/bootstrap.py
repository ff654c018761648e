"""Ratios of sums over dialogues, with bootstrap intervals: resample dialogues, add their rows, divide."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_CHUNK = 100  # resamples held at once


@dataclass(frozen=True, slots=True)
class Estimate:
    """A metric with its 95 % percentile bootstrap interval, if there are resamples; None where its denominator is 0."""

    value: float | None
    low: float | None = None
    high: float | None = None


def resampled(sums: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Metrics of seeded resamples of dialogues: (dialogues, metrics, 2) -> (resamples, metrics), NaN where undefined.

    None for a single dialogue: all of its resamples are the same, which would look like certainty.
    """
    dialogues, metrics, _ = sums.shape
    resamples = resamples if dialogues > 1 else 0
    rng = np.random.default_rng(seed)
    flat = sums.reshape(dialogues, metrics * 2)
    chunks = [np.empty((0, metrics))]
    for start in range(0, resamples, _CHUNK):
        weights = rng.multinomial(dialogues, np.full(dialogues, 1 / dialogues), size=min(_CHUNK, resamples - start))
        chunks.append(ratio((weights @ flat).reshape(-1, metrics, 2)))
    return np.concatenate(chunks)


def ratio(sums: np.ndarray) -> np.ndarray:
    """Numerator over denominator: (..., 2) -> (...), NaN where the denominator is 0."""
    return np.divide(sums[..., 0], sums[..., 1], out=np.full(sums.shape[:-1], np.nan), where=sums[..., 1] > 0)


def estimate(value: float, samples: np.ndarray) -> Estimate:
    """A metric of all dialogues with the interval that its resamples, shape (resamples,), span."""
    defined = samples[~np.isnan(samples)]
    if np.isnan(value):
        return Estimate(None)
    if not len(defined):
        return Estimate(float(value))
    low, high = np.percentile(defined, (2.5, 97.5))
    return Estimate(float(value), float(low), float(high))
