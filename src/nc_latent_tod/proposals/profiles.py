"""What the names and descriptions of a schema tell about each slot: its kind, its role, the words it goes by."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from nc_latent_tod.proposals.words import FUNCTION_WORDS, WEEKDAYS, number, root, stem, words_of
from nc_latent_tod.schema import Schema, Service, Slot

Kind = Literal["boolean", "choice", "count", "day", "date", "time", "money", "place", "name", "code", "text"]

TRUE, FALSE = frozenset({"yes", "true"}), frozenset({"no", "false"})

_EMPTY = frozenset({"number", "boolean", "flag", "whether", "user", "indicating", "desired", "available", "has", "of", "in",
                    "for", "many", "search", "name"})  # words that speak of no slot in particular
_TIME = frozenset({"time", "hour"})
_DATE = frozenset({"date", "day", "when"})
_MONEY = frozenset({"price", "fare", "cost", "fee", "amount", "balance", "rent", "money", "budget"})
_PLACE = frozenset({"place", "city", "town", "location", "area", "address", "station", "airport", "origin", "destination",
                    "where", "departure", "region", "neighborhood", "venue"})
_NAME = frozenset({"name", "title"})
_CODE = frozenset({"id", "code", "ref", "reference", "postcode", "phone", "telephone"})
_KINDS = ((_CODE, "code"), (_NAME, "name"), (_TIME, "time"), (_DATE, "date"), (_MONEY, "money"), (_PLACE, "place"))
_HEAD_END = re.compile(r"\b(?:of|for|to|where|who|which|that|at|in|on|when|is|or)\b|,", re.IGNORECASE)
_COUNT = re.compile(r"\b(?:number of|how many|how long|length of|size of|duration)\b", re.IGNORECASE)
_START = ("from", "origin", "depart", "departur", "leav", "start", "pickup", "pick", "outbound")
_END = ("to", "destin", "arriv", "going", "dropoff", "drop", "return", "until", "inbound")
_PEOPLE = frozenset(root(word) for word in (
    "people", "person", "guest", "adult", "traveler", "traveller", "passenger", "rider", "seat", "ticket", "party", "group",
    "friend", "attendee", "diner", "visitor", "member"))
_DURATION = frozenset(root(word) for word in ("night", "day", "week", "stay", "length", "duration", "hour", "minute"))


@dataclass(frozen=True)
class Profile:
    """A slot as the proposals see it."""

    service: str
    slot: Slot
    kind: Kind
    role: Literal["start", "end", ""]  # of a journey, a stay or a span of time
    roots: Mapping[str, float]  # words that speak of the slot, by weight up to 1
    named: frozenset[str]  # those of its name
    key: str  # the slot's name without spaces
    counts: Literal["people", "duration", ""]
    is_wanted: bool  # taken by an intent
    is_required: bool

    @property
    def name(self) -> tuple[str, str]:
        """(service, slot name)."""
        return self.service, self.slot.name

    @property
    def true(self) -> str:
        """The possible value of a boolean slot that means yes."""
        return next(value for value in self.slot.possible_values if value.casefold() in TRUE)

    @property
    def false(self) -> str:
        """The possible value of a boolean slot that means no."""
        return next(value for value in self.slot.possible_values if value.casefold() in FALSE)


def profiles_of(schema: Schema, *, every_slot: bool = False) -> list[Profile]:
    """The slots that users may set, in schema order: those of an intent; or every slot."""
    return [profile for service in schema.services for profile in _of_service(service, every_slot)]


def _of_service(service: Service, every_slot: bool) -> list[Profile]:
    wanted = {name for intent in service.intents for name in intent.slots}
    required = {name for intent in service.intents for name in intent.required}
    slots = [slot for slot in service.slots if every_slot or slot.name in wanted]
    own = {root(word) for word in words_of(service.name)}
    named = {slot.name: _besides(own, {root(w) for w in words_of(slot.name) if w not in _EMPTY}) for slot in slots}
    told = {slot.name: _content(slot.description) - own for slot in slots}
    frequency = Counter(word for slot in slots for word in named[slot.name] | told[slot.name])
    return [Profile(service.name, slot, kind_of(slot), _role(slot),
                    {word: (0.4 if word in own else 1.0 if word in named[slot.name] else 0.7) / frequency[word]
                     for word in sorted(named[slot.name] | told[slot.name])}, frozenset(named[slot.name]),
                    "".join(stem(word) for word in words_of(slot.name)), _counts(slot), slot.name in wanted,
                    slot.name in required)
            for slot in slots]


def _besides(own: set[str], roots: set[str]) -> set[str]:
    """Roots without those of the service's name, unless nothing is left."""
    return roots - own or roots


def _content(description: str) -> set[str]:
    """Roots of what a description says; neighbours also as one word, for `bed rooms` may be said as `bedrooms`."""
    words = [word for word in words_of(description) if word not in FUNCTION_WORDS and len(word) > 2 and word not in _EMPTY]
    return {root(word) for word in words} | {root(a + b) for a, b in pairwise(words)}


def kind_of(slot: Slot) -> Kind:
    """What values a slot takes, by its possible values, else by the words of its name, else of its description."""
    values = [value.casefold() for value in slot.possible_values]
    if TRUE & set(values) and FALSE & set(values) and len(values) <= 4:
        return "boolean"
    if values and all(number(value) is not None for value in values) and all(len(value) < 4 for value in values):
        return "count"
    if set(values) & set(WEEKDAYS):
        return "day"
    if values and slot.is_categorical:
        return "choice"
    return _open_kind(slot)


def _open_kind(slot: Slot) -> Kind:
    if set(map(stem, words_of(slot.name))) & _CODE:
        return "code"
    if _COUNT.search(slot.description):
        return "count"
    name, description = ([stem(w) for w in words_of(text)] for text in (slot.name, _HEAD_END.split(slot.description)[0]))
    for words in (name[-1:], name, description):
        for kinds, kind in _KINDS:
            if kinds & set(words):
                return kind  # type: ignore[return-value]
    return "text"


def _role(slot: Slot) -> Literal["start", "end", ""]:
    if kind_of(slot) in ("boolean", "count", "money"):
        return ""
    for words in (words_of(slot.name), [word for word in words_of(slot.description) if word not in ("to", "from")]):
        roots = {root(word) for word in words}
        starts, ends = roots & set(_START), roots & set(_END)
        if bool(starts) != bool(ends):
            return "start" if starts else "end"
    return ""


def _counts(slot: Slot) -> Literal["people", "duration", ""]:
    if kind_of(slot) != "count":
        return ""
    for words in (words_of(slot.name), words_of(slot.description)):
        roots = {root(word) for word in words}
        if roots & _PEOPLE:
            return "people"
        if roots & _DURATION:
            return "duration"
    return ""


def is_people(word: str) -> bool:
    """Whether a word counts heads."""
    return root(word) in _PEOPLE


def is_duration(word: str) -> bool:
    """Whether a word counts a stretch of time."""
    return root(word) in _DURATION
