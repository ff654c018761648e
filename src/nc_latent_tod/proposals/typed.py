"""Values that are known by their form: times, dates, amounts of money, codes, numbers with their units."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from nc_latent_tod.proposals.words import MONTHS, NUMBER_WORDS, WEEKDAYS, Token, number

TypedKind = Literal["time", "date", "day", "money", "code", "count"]

_HOURS = "|".join(list(NUMBER_WORDS)[1:13])
_HALF_OF_DAY = r"(?:\s?(?:[ap]\.m\.|[ap]\.?m\b)|\s(?:in the |this |tomorrow )?(?:morning|afternoon|evening)\b|\sat night\b)"
_CLOCK = r"\d{1,2}[:.]\d{2}"
_TIME = re.compile(
    rf"\b(?:(?:(?:in the )?(?:morning|afternoon|evening|night) (?:at |around )?)?(?:"
    rf"(?:half|quarter) (?:past|to|after) (?:\d{{1,2}}|{_HOURS})(?:{_HALF_OF_DAY})?"
    rf"|{_CLOCK}(?:{_HALF_OF_DAY})?"
    rf"|(?:\d{{1,2}}|{_HOURS})(?:{_HALF_OF_DAY}|\so'?clock\b(?:{_HALF_OF_DAY})?))"
    rf"|(?:morning|afternoon|evening) (?:\d{{1,2}}|{_HOURS})\b(?! \w*(?:people|ticket|night))"
    rf"|noon|midday|midnight)(?![\d:])", re.IGNORECASE)
_AT = re.compile(r"\b(?:at|by|before|after|around|until|about|past) (\d{1,2})"
                 r"(?=\s*(?:[.,?!]|$|(?:on|for|please|and|or|from|with)\b))", re.IGNORECASE)
_MONTH = "|".join(MONTHS)
_WEEKDAY = "|".join(WEEKDAYS)
_NTH = (r"(?:\d{1,2}(?:st|nd|rd|th)|(?:twenty[- ]|thirty[- ])?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
        r"|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|thirtieth)")
_DATE = re.compile(
    rf"\b(?:(?:the )?day after tomorrow|today|tonight|tomorrow|(?:later )?(?:this|next|coming) (?:week|weekend)"
    rf"|(?:the )?{_NTH} of (?:this month|next month|(?:{_MONTH})\b)(?:,? \d{{4}})?"
    rf"|(?:{_MONTH})\.? (?:the )?(?:{_NTH}|\d{{1,2}})\b(?:,? \d{{4}})?|\d{{1,2}} (?:{_MONTH})\b|the {_NTH}\b"
    rf"|(?:this |next |coming )?(?:{_WEEKDAY})s?\b(?: (?:next|this) week)?"
    rf"|\d{{1,2}}/\d{{1,2}}(?:/\d{{2,4}})?|\d{{4}}-\d{{2}}-\d{{2}})(?!\w)", re.IGNORECASE)
_SPELT = "|".join((*NUMBER_WORDS, "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand"))
_AMOUNT = rf"(?:\d[\d,]*(?:\.\d+)?|(?:{_SPELT}|an?)(?:(?: and)?[ -](?:{_SPELT}))*)"
_MONEY = re.compile(rf"[$£€]\s?\d[\d,]*(?:\.\d+)?|\b{_AMOUNT} ?(?:dollars?|bucks|pounds?|euros?|usd|gbp|eur)\b", re.IGNORECASE)
_CODE = re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])(?!\d+(?:st|nd|rd|th|am|pm)\b)[A-Za-z0-9]{5,12}\b"
                   r"|(?<!\d)\+?\(?\d{3}\)?[- ]\d{3}[- ]\d{4}\b|\b\d{7,12}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Typed:
    """A value of a known form, as it stands in the utterance."""

    start: int  # tokens
    end: int
    kind: TypedKind
    text: str
    is_bare: bool = False  # a number that only its place makes a time


def typed_values(text: str, tokens: Sequence[Token]) -> list[Typed]:
    """The typed values of an utterance; a token is in one of them at most, numbers come last."""
    taken: set[int] = set()
    found: list[Typed] = []
    plain = text.replace("’", "'")
    for kind, matches in _matches(plain):
        for start, end, is_bare in matches:
            covered = [i for i, token in enumerate(tokens) if token.start < end and token.end > start]
            if covered and not taken & set(covered):
                taken.update(covered)
                value = re.sub(r"^the (?=.* (?:of|after) )", "", plain[start:end].strip())
                found.append(Typed(covered[0], covered[-1] + 1, kind, value, is_bare))
    for i, token in enumerate(tokens):
        if i not in taken and number(token.text) is not None:
            found.append(Typed(i, i + 1, "count", token.text))
    return sorted(found, key=lambda typed: typed.start)


def _matches(text: str) -> Iterator[tuple[TypedKind, list[tuple[int, int, bool]]]]:
    yield "money", [(*m.span(), False) for m in _MONEY.finditer(text)]
    yield "date", [(*m.span(), False) for m in _DATE.finditer(text) if not _is_verb_may(m[0])]
    yield "time", [(*m.span(), False) for m in _TIME.finditer(text)]
    yield "time", [(*m.span(1), True) for m in _AT.finditer(text)]
    yield "code", [(*m.span(), False) for m in _CODE.finditer(text)]


def _is_verb_may(text: str) -> bool:
    return text.casefold() in MONTHS


def clock(text: str) -> str | None:
    """A time as `HH:MM` of 24 hours; None where it does not say one. Without am or pm the digits stand as they are."""
    folded = text.casefold()
    if "midnight" in folded:
        return "00:00"
    if "noon" in folded and "after" not in folded or "midday" in folded:
        return "12:00"
    match = re.search(rf"(?:(half|quarter) (past|to|after) )?(?:(\d{{1,2}})[:.](\d{{2}})|\b(\d{{1,2}}|{_HOURS})\b)", folded)
    if not match:
        return None
    part, side, hours, minutes, whole = match.groups()
    hour, minute = int(hours or number(whole) or 0), int(minutes or 0)
    if part:
        minute = 30 if part == "half" else 15
        if side == "to":
            hour, minute = hour - 1, 60 - minute
    is_late = bool(re.search(r"p\.?m|afternoon|evening|night", folded))
    if is_late and hour < 12:
        hour += 12
    elif re.search(r"a\.?m\b|morning", folded) and hour == 12:
        hour = 0
    return f"{hour % 24:02d}:{minute:02d}" if minute < 60 else None
