"""Responses with their values taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nc_latent_tod.labels import Act


def delexicalise(response: str, acts: Iterable[Act]) -> str:
    """Replace the acts' values in `response` by `[value_<slot>]`; whole words, any case, the longest value first."""
    slots: dict[str, str] = {}
    for act in sorted(acts):
        if act.value and act.slot:
            slots.setdefault(act.value.casefold(), act.slot)
    if not slots:
        return response
    longest_first = sorted(slots, key=lambda value: (-len(value), value))
    pattern = re.compile(r"(?<!\w)(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)", re.IGNORECASE)
    return pattern.sub(lambda match: f"[value_{slots.get(match[0].casefold(), 'unknown')}]", response)
