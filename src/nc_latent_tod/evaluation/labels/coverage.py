"""How often the annotated reading of a turn is among the first candidates of a ranked list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nc_latent_tod.evaluation.labels.bootstrap import Estimate, estimate, ratio, resampled
from nc_latent_tod.evaluation.labels.sums import act_key, same_change
from nc_latent_tod.labels import Act, Gold, StateChange


def rank_of_change(candidates: Sequence[StateChange], gold: Gold) -> int | None:
    """The place of the annotated change among candidates, from 0; None where it is not there."""
    return next((i for i, change in enumerate(candidates) if same_change(change, gold)), None)


def rank_of_acts(candidates: Sequence[Sequence[Act]], gold: Gold) -> int | None:
    """The place of the annotated acts, values included, among candidates, from 0; None where they are not there."""
    expected = set(map(act_key, gold.label.acts))
    return next((i for i, acts in enumerate(candidates) if set(map(act_key, acts)) == expected), None)


def coverage(ranks: Iterable[tuple[str, int | None]], first: Sequence[int] = (1, 4, 8), *, resamples: int = 1000,
             seed: int = 0) -> Mapping[int, Estimate]:
    """The share of turns whose annotated reading is among the first k candidates, for each k of `first`.

    `ranks`: (dialogue id, rank) of every turn. Intervals come from seeded resamples of whole dialogues.
    """
    rows: dict[str, np.ndarray] = {}
    for dialogue_id, rank in ranks:
        row = rows.setdefault(dialogue_id, np.zeros((len(first), 2)))  # hits and turns
        row[:, 0] += [rank is not None and rank < k for k in first]
        row[:, 1] += 1
    sums = np.stack(list(rows.values())) if rows else np.zeros((0, len(first), 2))
    samples = resampled(sums, resamples if rows else 0, seed)
    return {k: estimate(float(ratio(sums.sum(axis=0))[i]), samples[:, i]) for i, k in enumerate(first)}
