"""Responses with their values taken out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import replace

from nc_latent_tod.labels import Act

WORDED = frozenset({"yes", "no", "true", "false", "dontcare"})
"""Values that a response words rather than names: "with parking", not "parking yes"."""


def delexicalise(response: str, acts: Collection[Act]) -> str:
    """Replace the acts' values in `response` by `[value_<slot>]`: whole words, any case and spacing, the longest first.

    The `WORDED` values stay: where a text says "no", it seldom names the value of a slot.
    """
    slots: dict[str, str] = {}
    for act in sorted(acts):
        if act.slot and act.value.split() and _key(act.value) not in WORDED:
            slots.setdefault(_key(act.value), act.slot)
    if not slots:
        return response
    longest_first = sorted({act.value for act in acts if _key(act.value) in slots}, key=lambda value: (-len(value), value))
    values = "|".join(r"\s+".join(map(re.escape, value.split())) for value in longest_first)
    # a part of a time or a price is no value: neither 30 in 14:30 nor 4 in 4.50
    pattern = re.compile(rf"(?<!\w)(?<!\d[.,:])(?:{values})(?!\w)(?![.,:]\d)", re.IGNORECASE)
    return pattern.sub(lambda match: f"[value_{slots[key]}]" if (key := _key(match[0])) in slots else match[0], response)


def without_values(acts: Iterable[Act]) -> tuple[Act, ...]:
    """Acts with `[value_<slot>]` for their values, sorted and distinct; the `WORDED` values stay."""
    return tuple(sorted({act if not act.value or _key(act.value) in WORDED else replace(act, value=f"[value_{act.slot}]")
                         for act in acts}))


def _key(text: str) -> str:
    return " ".join(text.split()).casefold()
