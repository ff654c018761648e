"""Slot names and values as the evaluation compares them."""

from __future__ import annotations

import re

from nc_latent_tod.evaluation.responses.multiwoz import ARRIVE, COLUMNS, LEAVE, NAMED, SPELLINGS

_TIMES = {"morning": "08:00", "noon": "12:00", "lunch": "12:00", "mid-day": "12:00", "afternoon": "13:00"}
_TIME = re.compile(r"(?:by|after|afer)?\s*(\d{1,2})(?:\s*:\s*(\d\d)|(?<=\d\d)(\d\d))?\s*(am|a\.m\.|pm|p\.m\.)?[.,?]?")
_MINUTES = re.compile(r"(\d\d):(\d\d)")


def normalised_slot(name: str) -> str:
    """A slot or column name in lower case, without spaces, by the name that the evaluation knows: `leave at` -> `leave`."""
    bare = name.lower().replace(" ", "")
    return COLUMNS.get(bare, bare)


def normalised_value(slot: str, value: str) -> str:
    """A value of a normalised slot as it is compared: accepted spellings, and times as HH:MM where they can be read."""
    if slot in (ARRIVE, LEAVE, "time"):
        return _normalised_time(value.strip().lower())
    if slot in NAMED:
        value = value.strip().lower().replace("&", " and ").replace("  ", " ").replace(" '", "'")
        return SPELLINGS["name"].get(value, value)
    if slot == "food":
        value = value.strip().lower()
    return SPELLINGS.get(slot, {}).get(value, value)


def minutes(time: str) -> int:
    """Minutes after midnight of HH:MM; 0 for what is no time, so that it bounds nothing from below."""
    match = _MINUTES.match(time)
    return int(match[1]) * 60 + int(match[2]) if match else 0


def _normalised_time(text: str) -> str:
    match = _TIME.fullmatch(text)
    if not match:
        return _TIMES.get(text, text)
    hours = int(match[1]) + (12 if match[4] and match[4].startswith("p") and int(match[1]) < 12 else 0)
    return f"{hours:02}:{match[2] or match[3] or '00'}"
