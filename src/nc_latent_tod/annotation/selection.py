"""Which turns to ask a person about."""

from __future__ import annotations

import random
from collections.abc import Sequence

from nc_latent_tod.labels import Example

STRATEGIES = ("random", "diversity", "uncertainty", "margin_diversity", "balance")


def shuffled(turns: Sequence[Example], seed: int) -> list[Example]:
    """The turns in an order that the seed decides, whatever the order they come in."""
    ordered = sorted(turns, key=lambda e: e.turn.key)
    random.Random(seed).shuffle(ordered)
    return ordered
