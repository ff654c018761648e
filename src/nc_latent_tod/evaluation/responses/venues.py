"""A domain's database, searched with sets of entities as bit masks: one comparison with the table for each distinct value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from rapidfuzz import fuzz

from nc_latent_tod.evaluation.responses.multiwoz import ARRIVE, CORRECTED, DONTCARE, LEAVE, Searched
from nc_latent_tod.evaluation.responses.values import minutes, normalised_slot, normalised_value

UNKNOWN = "?"  # in a database: matches every value
MIN_SIMILARITY = 90  # percent, after rounding

Constraints = Mapping[str, str]


class Venues:
    """The entities of one domain. A set of them is an integer with bit i set for entity i."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], searched: Searched) -> None:
        """`rows` by column. A column that the first row lacks, or holds as anything but text, does not constrain."""
        columns = {normalised_slot(name): name for name, value in rows[0].items() if isinstance(value, str)}
        self._everything = (1 << len(rows)) - 1
        self._fuzzy = searched.fuzzy
        self._columns = {slot: [_entry(slot, row.get(name, UNKNOWN)) for row in rows]
                         for slot, name in columns.items() if slot not in searched.ignored}
        self._masks: dict[tuple[str, str], int] = {}

    def search(self, constraints: Constraints) -> int:
        """The set of entities that satisfy all constraints, by normalised slot; unknown slots and "dontcare" do not count."""
        found = self._everything
        for slot, value in constraints.items():
            if slot in self._columns and value not in DONTCARE:
                found &= self._mask(slot, value)
        return found

    def _mask(self, slot: str, value: str) -> int:
        if (slot, value) not in self._masks:
            self._masks[slot, value] = sum(1 << i for i, entity in enumerate(self._matches(slot, value)) if entity)
        return self._masks[slot, value]

    def _matches(self, slot: str, value: str) -> Iterable[bool]:
        column = self._columns[slot]
        if slot == ARRIVE:
            return [minutes(own) <= minutes(value) for own in column]
        if slot == LEAVE:
            return [minutes(own) >= minutes(value) for own in column]
        if slot not in self._fuzzy:
            return [own in (value, UNKNOWN) for own in column]
        alike = {own: own == UNKNOWN or is_alike(own, value) for own in set(column)}
        return [alike[own] for own in column]


def _entry(slot: str, value: Any) -> str:
    return normalised_value(slot, value) if slot in CORRECTED else str(value)


def is_alike(name: str, value: str) -> bool:
    """Whether the shorter text is at least 90 % similar to some stretch of the longer one, as the standard evaluator finds it.

    It compares stretches that align a common block of the two, with difflib's ratio. The best ratio over all
    stretches is a bound of that which is quick to compute.
    """
    if name == value:
        return True
    if fuzz.partial_ratio(name, value) < MIN_SIMILARITY - 0.5:
        return False
    shorter, longer = sorted((name, value), key=len)
    blocks = SequenceMatcher(None, shorter, longer).get_matching_blocks()
    stretches = {longer[start:start + len(shorter)] for start in {max(block.b - block.a, 0) for block in blocks}}
    best = max(SequenceMatcher(None, shorter, stretch).ratio() for stretch in stretches)
    return round(100 * best) >= MIN_SIMILARITY
