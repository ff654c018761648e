"""Values that stand in the utterance: from the schema, from the entity table, or known by their form."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nc_latent_tod.proposals.context import Context, Filler
from nc_latent_tod.proposals.lexicon import shape
from nc_latent_tod.proposals.profiles import Profile, is_duration, is_people
from nc_latent_tod.proposals.typed import Typed, clock
from nc_latent_tod.proposals.words import FUNCTION_WORDS, NEGATIONS, WEEKDAYS, number, root

_START_WORDS = frozenset({"from", "leaving", "departing", "depart", "departs", "leave", "leaves", "starting", "start", "pickup",
                          "pick", "between"})
_END_WORDS = frozenset({"to", "into", "towards", "toward", "heading", "arrive", "arriving", "arrives", "destination", "reach",
                        "visit", "going"})
_AFTER = frozenset({"after", "from", "leave", "leaves", "leaving", "depart", "departs", "departing", "departure", "start",
                    "starting", "out", "past", "go"})
_LEAVING = frozenset({"leave", "leaves", "leaving", "depart", "departs", "departing"})
_ARRIVING = frozenset({"arrive", "arrives", "arriving", "arrival", "reach", "there"})
_BACK = frozenset({"return", "returning", "back", "until", "till", "through", "drop", "checkout", "end", "ending"})
_BEFORE = frozenset({"by", "before", "arrive", "arrives", "arriving", "arrival", "until", "there", "back", "reach", "latest"})


_DIALLED = frozenset({"phon", "telephon"})
SIDE_WORDS = _START_WORDS | _END_WORDS | _AFTER | _BEFORE | _BACK
"""Words that tell the start of a journey or a time from its end."""

_THAT_WAS_ALL = re.compile(r"\b(?:all|everything|nothing|help)\b[^.?!]*\btoday\b", re.IGNORECASE)
_TOO_FAR = -3.0  # log weight of a service, from which no number or time is of it


def listed_values(context: Context) -> Iterator[Filler]:
    """Possible values and entity-table values that the lexicon found."""
    by_name = {profile.name: profile for profile in context.profiles}
    for found in context.found:
        for meaning in found.meanings:
            profile = by_name[meaning.service, meaning.slot]
            is_own = meaning.source == "possible_values" or profile.kind != "place"
            score = (2.2 if is_own else 1.2) - 4 * (1 - meaning.closeness)
            score += fit(context, profile, found.start, found.end)
            if found.end - found.start == 1 and context.is_named(profile.service, context.tokens[found.start]):
                score -= 0.0 if profile.name in context.requested else 3.2  # the word names the service more often than a value
            yield Filler(found.start, found.end, ((*profile.name, meaning.value),), score, meaning.source)


def typed_fillers(context: Context, style: str) -> Iterator[Filler]:
    """Times, dates, weekdays, amounts and numbers as the values of slots of their kind. `style`: "clock" writes `HH:MM`."""
    near = [p for p in context.profiles if context.focus.get(p.service, -4.0) > _TOO_FAR]
    for typed in context.typed:
        for profile in near:
            value = _value(typed, profile, style)
            if value is None:
                continue
            score = _typed_score(context, typed, profile) + fit(context, profile, typed.start, typed.end)
            yield Filler(typed.start, typed.end, ((*profile.name, value),), score, "typed")


def _value(typed: Typed, profile: Profile, style: str) -> str | None:
    slot = profile.slot
    if typed.kind == "count" and profile.kind == "count":
        value = str(number(typed.text)) if slot.possible_values or typed.text.isdigit() else typed.text
        return value if not slot.possible_values or value in slot.possible_values else None
    if typed.kind == "count" and profile.kind == "choice" and typed.text in slot.possible_values:
        return typed.text
    if typed.kind == "date" and profile.kind == "date":
        return typed.text
    if typed.kind == "time" and profile.kind == "time":
        return clock(typed.text) if style == "clock" else typed.text
    if typed.kind == profile.kind and typed.kind in ("money", "code"):
        return typed.text
    return None


def _typed_score(context: Context, typed: Typed, profile: Profile) -> float:
    if typed.kind == "code":
        return _code_score(context, typed, profile)
    if typed.kind == "date" and _THAT_WAS_ALL.search(context.turn.user_utterance):
        return -1.0
    if typed.kind != "count":
        return 1.0 if typed.is_bare else 2.0
    after = context.words(typed.end, typed.end + 3)
    before = context.words(typed.start - 3, typed.start)
    unit = next((word for word in after if word not in ("more", "other", "of")), "")
    if unit == "way":
        return -3.0
    if before[-1:] == ["of"] and profile.roots.get(root(before[-2:][0]), 0.0) >= 0.7:
        return 2.0  # "a rating of 4"
    if after[:2] == ["of", "us"] or before[-2:] == ["party", "of"] or before[-2:] == ["group", "of"]:
        unit = "people"
    if profile.roots.get(root(unit), 0.0) >= 0.3:
        return 2.5
    if is_people(unit) or is_duration(unit):
        return 2.5 if profile.counts == ("people" if is_people(unit) else "duration") else -3.0
    if before[-1:] == ["for"] and profile.counts == "people" and (not unit or unit in FUNCTION_WORDS or unit in WEEKDAYS
                                                                  or unit[:1].isdigit()):
        return 1.8
    if typed.text == "one":
        return -2.0
    return 1.0 if profile.name in context.requested else -1.0


def _code_score(context: Context, typed: Typed, profile: Profile) -> float:
    """Whether a code has the form of a slot's: as in the entity table, else digits alone for what is dialled."""
    known = context.shapes(*profile.name)
    if known:
        return 2.5 if shape(typed.text) in known else -1.5
    is_dialled = bool(profile.roots.keys() & _DIALLED)
    return 1.5 if is_dialled == (not shape(typed.text).strip("0")) else -1.0


def fit(context: Context, profile: Profile, start: int, end: int) -> float:
    """How well a slot fits a place in the utterance: service, words around, side of a journey, what was asked for."""
    score = context.focus.get(profile.service, -4.0) + context.cue(profile, start, end)
    score += 1.8 * context.requested.get(profile.name, 0.0)
    score += side(context, profile, start, end)
    clause = context.tokens[start].clause
    if context.is_users and any(t.text in NEGATIONS and t.clause == clause for t in context.tokens[max(0, start - 2) : start]):
        score -= 2.5
    return score


def side(context: Context, profile: Profile, start: int, end: int) -> float:
    """Whether the words before a value put it at the start or the end, and whether that is the slot's side."""
    if profile.kind in ("boolean", "count", "money", "name", "text"):
        return 0.0
    if profile.kind in ("date", "day"):
        told = _date_side(context, start)
    else:
        told = _time_side(context, start) if profile.kind == "time" else _place_side(context, start, end)
    if not told:
        return -1.2 if profile.kind in ("place", "choice") and profile.role and profile.name not in context.requested else (
            0.3 if profile.role == "start" else 0.0)
    if not profile.role:
        return -0.5 if profile.kind in ("time", "place") else 0.0
    return 1.5 if profile.role == told else -3.0


def _place_side(context: Context, start: int, end: int) -> str:
    before = context.words(start - 4, start)
    for i, word in enumerate(reversed(before)):
        if word in ("to", "into", "towards", "toward") or word == "for" and i == 0 and set(before) & _START_WORDS:
            return "end"
        if word in ("from", "between"):
            return "start"
        if word == "and" and i == 0 and "between" in context.words(start - 8, start):
            return "end"
        if word in _START_WORDS and i < 2:
            return "start"
        if word in _END_WORDS:
            return "end"
    return "start" if context.words(end, end + 1) == ["to"] else ""


def _date_side(context: Context, start: int) -> str:
    for word in reversed(context.words(start - 6, start)):
        if word in _BACK:
            return "end"
        if word in _AFTER:
            return "start"
    return ""


def _time_side(context: Context, start: int) -> str:
    before = context.words(start - 6, start)
    for word in reversed(before):
        if word in _BEFORE:
            leaves = word in ("by", "before") and set(before) & _LEAVING and not set(before) & _ARRIVING
            return "start" if leaves else "end"
        if word in _AFTER:
            return "start"
    return ""

