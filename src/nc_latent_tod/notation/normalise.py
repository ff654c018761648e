"""Values brought to the schema's own: case, spaces, number words, yes and no, dontcare, near spellings."""

from __future__ import annotations

import re

from rapidfuzz import fuzz, process

from nc_latent_tod.errors import ParseError
from nc_latent_tod.schema import Slot

DONTCARE = "dontcare"

_DONTCARE = frozenset({"dontcare", "don't care", "dont care", "do not care", "doesn't matter", "any", "anything",
                       "no preference"})
_NUMBERS = {word: str(i) for i, word in enumerate(
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"))}
_TRUTH = {"true": "yes", "yes": "yes", "false": "no", "no": "no"}
_MIN_RATIO = 84  # rapidfuzz ratio, 0 to 100, from which a spelling counts as near


def normalise_value(value: str, slot: Slot, *, strict: bool) -> str:
    """Return the possible value that `value` means; for an open slot, `value` with single spaces.

    A near spelling counts only with the same digits and the same first letter, so "4" never becomes "room 5", nor
    "inexpensive" "expensive". Where nothing matches, raises `ParseError('value_not_in_schema')` if `strict`, else returns
    `value`.
    """
    value = " ".join(value.split())
    if value in slot.possible_values:
        return value
    by_key: dict[str, str] = {}
    for possible in slot.possible_values if slot.is_categorical else ():
        by_key.setdefault(_key(possible), possible)
    key = _key(value)
    if key in by_key:
        return by_key[key]
    if value.casefold().replace("’", "'") in _DONTCARE:
        return DONTCARE
    if not by_key:
        return value
    alike = [k for k in by_key if _digits(k) == _digits(key) and k[:1] == key[:1]]
    near = process.extractOne(key, alike, scorer=fuzz.ratio, score_cutoff=_MIN_RATIO)
    if near:
        return by_key[near[0]]
    if strict:
        raise ParseError("value_not_in_schema", f"{value[:60]!r} is not a possible value of {slot.name!r}: "
                         f"{', '.join(slot.possible_values)[:120]}.")
    return value


def _key(value: str) -> str:
    """What two spellings of one value share."""
    folded = value.casefold()
    folded = _TRUTH.get(folded, _NUMBERS.get(folded, folded))
    return re.sub(r"[\s\-_'’]+", " ", folded).strip()


def _digits(text: str) -> list[str]:
    return re.findall(r"\d+", text)
