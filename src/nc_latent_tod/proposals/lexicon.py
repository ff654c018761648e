"""Phrases that are values: possible values of the schema and columns of the entity table, found in an utterance."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from nc_latent_tod.proposals.profiles import Profile
from nc_latent_tod.proposals.words import FUNCTION_WORDS, MONTHS, Token, joined, number, root, stem, words_of

Entities = Mapping[str, Sequence[Mapping[str, str]]]
"""{service: [{slot: value}]}: the things that a service offers."""

MAX_WORDS = 8  # of a value
_FUZZY_WORDS = 3
_SKIPPED = frozenset({"the", "and"})  # as in `joined`
_MIN_FUZZY, _MIN_RATIO = 6, 87  # letters; rapidfuzz ratio, 0 to 100
_PART = 0.8  # closeness of a name's last word alone
_GENERIC = 3  # values of a column that share a word, from which the word names none of them


@dataclass(frozen=True, slots=True)
class Meaning:
    """A slot value that a phrase may stand for."""

    service: str
    slot: str
    value: str
    source: str  # possible_values, entities
    closeness: float  # 1 the value itself, less for a part, an inflection or a near spelling


@dataclass(frozen=True, slots=True)
class Found:
    """A phrase of an utterance with all it may stand for."""

    start: int  # tokens
    end: int
    meanings: tuple[Meaning, ...]


class Lexicon:
    """The values of a schema and an entity table, by phrase."""

    def __init__(self, profiles: Sequence[Profile], entities: Entities, *, possible_values: bool = True,
                 columns: bool = True) -> None:
        self._by_key: dict[str, dict[tuple[str, str, str], Meaning]] = defaultdict(dict)
        self._by_root: dict[str, dict[tuple[str, str, str], Meaning]] = defaultdict(dict)
        self.entities: dict[str, set[str]] = defaultdict(set)  # service: names of its things
        listed = [p for p in profiles if p.kind in ("choice", "day", "place", "name", "text")]
        self._own = {stem(w) for p in profiles for w in words_of(f"{p.slot.name} {p.slot.description} {p.service}")}
        for profile in listed if possible_values else ():
            for value in profile.slot.possible_values:
                self._add_possible(profile, value)
        self._shapes: dict[tuple[str, str], frozenset[str]] = {}
        if columns:
            self._add_columns(listed, entities)
            codes = [p.name for p in profiles if p.kind == "code"]
            self._shapes = {(service, slot): frozenset(shape(row[slot]) for row in entities.get(service, ()) if slot in row)
                            for service, slot in codes}
        self._begins = {key[:end] for key in self._by_key for end in range(1, len(key) + 1)}
        self._long = [key for key in self._by_key if len(key) >= _MIN_FUZZY]
        self._fuzzy: dict[str, str | None] = {}

    def shapes(self, service: str, slot: str) -> frozenset[str]:
        """The forms of a column of codes, `shape` of each."""
        return self._shapes.get((service, slot), frozenset())

    def find(self, tokens: Sequence[Token], *, fuzzy: bool = True) -> list[Found]:
        """The longest phrases with a meaning, left to right; they do not overlap."""
        found: list[Found] = []
        i = 0
        while i < len(tokens):
            hit = self._longest(tokens, i, fuzzy)
            if hit:
                found.append(hit)
                i = hit.end
            else:
                i += 1
        return found

    def _longest(self, tokens: Sequence[Token], start: int, fuzzy: bool) -> Found | None:
        if tokens[start].text in _SKIPPED:
            return None
        keys = self._keys(tokens, start)
        for length, key in reversed(keys):
            meanings = self._by_key.get(key)
            if meanings and not self._is_chance(tokens[start : start + length], meanings):
                return Found(start, start + length, tuple(meanings.values()))
        word = tokens[start].text
        if word in FUNCTION_WORDS or tokens[start].stem in self._own:
            return None
        if meanings := self._by_root.get(tokens[start].root):
            return Found(start, start + 1, tuple(meanings.values()))
        return self._nearest(tokens, start) if fuzzy else None

    def _keys(self, tokens: Sequence[Token], start: int) -> list[tuple[int, str]]:
        """(words, key) of the phrases from `start` that begin as some value does, shortest first."""
        keys, key = [], ""
        for i in range(start, min(len(tokens), start + MAX_WORDS)):
            if i - start >= 4 and tokens[i].clause != tokens[start].clause:
                break
            if tokens[i].text not in _SKIPPED:
                key += tokens[i].stem
                if key not in self._begins:
                    break
                keys.append((i - start + 1, key))
        return keys

    def _nearest(self, tokens: Sequence[Token], start: int) -> Found | None:
        """The longest phrase that is spelt nearly as a value."""
        if number(tokens[start].text) is not None:
            return None
        for length in range(min(_FUZZY_WORDS, len(tokens) - start), 0, -1):
            words = [token.text for token in tokens[start : start + length]]
            if words[-1] in FUNCTION_WORDS or tokens[start + length - 1].clause != tokens[start].clause:
                continue
            key = joined(words)
            near = self._near(key) if len(key) >= _MIN_FUZZY else None
            if near and not self._is_chance(tokens[start : start + length], self._by_key[near]):
                return Found(start, start + length, tuple(self._by_key[near].values()))
        return None

    def _is_chance(self, tokens: Sequence[Token], meanings: Mapping[tuple[str, str, str], Meaning]) -> bool:
        """Whether a phrase is more likely plain words than a name: all of them are words of the schema or function words."""
        if all(meaning.source == "possible_values" for meaning in meanings.values()):
            return len(tokens) == 1 and tokens[0].text in FUNCTION_WORDS
        if len(tokens) == 1 and all(meaning.closeness <= _PART for meaning in meanings.values()):
            return not tokens[0].is_capitalised
        is_plain = all(token.text in FUNCTION_WORDS or stem(token.text) in self._own for token in tokens)
        return is_plain and not all(token.is_capitalised for token in tokens)

    def _near(self, key: str) -> str | None:
        """The one phrase that is spelt nearly so."""
        if key not in self._fuzzy:
            best = process.extractOne(key, self._long, scorer=fuzz.ratio, score_cutoff=_MIN_RATIO)
            near = best[0] if best and best[0][0] == key[0] and _digits(best[0]) == _digits(key) else None
            self._fuzzy[key] = near
        return self._fuzzy[key]

    def _add(self, key: str, meaning: Meaning) -> None:
        known = self._by_key[key].get((meaning.service, meaning.slot, meaning.value))
        if known is None or known.closeness < meaning.closeness:
            self._by_key[key][meaning.service, meaning.slot, meaning.value] = meaning

    def _add_possible(self, profile: Profile, value: str) -> None:
        words = words_of(value)
        if not words or len(words) > MAX_WORDS:
            return
        self._add(joined(words), Meaning(*profile.name, value, "possible_values", 1.0))
        if len(words) == 1 and len(root(words[0])) >= 4:
            self._by_root[root(words[0])][(*profile.name, value)] = Meaning(*profile.name, value, "possible_values", 0.8)

    def _add_columns(self, profiles: Sequence[Profile], entities: Entities) -> None:
        by_name = {profile.name: profile for profile in profiles}
        places = [p for p in profiles if p.kind == "place" and not p.slot.possible_values]
        for service, rows in entities.items():
            columns: dict[str, dict[str, None]] = defaultdict(dict)
            for row in rows:
                for slot, value in row.items():
                    if is_phrase(value):
                        columns[slot][value] = None
            for slot, values in columns.items():
                is_name = slot == "name" or slot.endswith("_name")
                if is_name:
                    self.entities[service].update(values)
                targets = [by_name[service, slot]] if (service, slot) in by_name else []
                if is_name and any("address" in row or "area" in row or "location" in row for row in rows):
                    targets += places
                self._add_column(targets, list(values), is_name)

    def _add_column(self, targets: Sequence[Profile], values: Sequence[str], is_name: bool) -> None:
        if not targets:
            return
        frequency = Counter(word for value in values for word in {stem(w) for w in words_of(value)})
        for value in values:
            for words, closeness in _ways_to_say(value, frequency if is_name else Counter(), self._own):
                for profile in targets:
                    if not profile.slot.possible_values or value in profile.slot.possible_values:
                        self._add(joined(words), Meaning(*profile.name, value, "entities", closeness))


def _ways_to_say(value: str, frequency: Counter[str], own: set[str]) -> Iterable[tuple[list[str], float]]:
    """A value and the parts of it that people use: without generic words at its end or begin."""
    words = [word for word in words_of(value) if word != "the"]
    if not words or len(words) > MAX_WORDS:
        return
    yield words, 1.0
    short = list(words)
    while len(short) > 1 and (frequency[stem(short[-1])] >= _GENERIC or stem(short[-1]) in own or short[-1] in FUNCTION_WORDS):
        short.pop()
        if short[-1] not in FUNCTION_WORDS and _is_telling(short, frequency, own):
            yield list(short), 0.85
    if frequency and 1 < len(words) < 4 and frequency[stem(words[-1])] == 1 and _is_telling(words[-1:], frequency, own):
        yield words[-1:], _PART


def _is_telling(words: Sequence[str], frequency: Counter[str], own: set[str]) -> bool:
    if len(words) > 1:
        return any(frequency[stem(word)] < _GENERIC and word not in FUNCTION_WORDS for word in words)
    word = words[0]
    return (len(word) >= 5 and frequency[stem(word)] < _GENERIC and stem(word) not in own and word not in FUNCTION_WORDS
            and number(word) is None and word not in MONTHS)


def shape(code: str) -> str:
    """What codes of one kind share: `TR7075` gives `aa0000`."""
    return re.sub(r"\d", "0", re.sub(r"[^\W\d_]", "a", re.sub(r"[\s()+-]", "", code)))


def is_phrase(value: str) -> bool:
    """Whether a table cell is something to say: letters, no code, no sentence."""
    words = words_of(value)
    return bool(words) and len(words) <= MAX_WORDS and bool(re.search(r"[^\W\d_]{2}", value)) and not re.search(
        r"\d{2}:\d{2}|^\W*\d+[.,]?\d*\s+\w+$", value)


def _digits(text: str) -> list[str]:
    return re.findall(r"\d+", text)
