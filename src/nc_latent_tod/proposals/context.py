"""One turn as the sources of proposals see it: words, values, the service spoken of, and what the system asked for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import BeliefState
from nc_latent_tod.proposals.lexicon import Found
from nc_latent_tod.proposals.profiles import Profile, is_duration, is_people
from nc_latent_tod.proposals.typed import Typed
from nc_latent_tod.proposals.words import Token, tokens_of

Assignment = tuple[str, str, str]
"""(service, slot, value)"""

_WINDOW = 5  # words on each side of a value that may speak of its slot
_SENTENCE = re.compile(r"[^.?!]+\??")
_ASKING = re.compile(r"\b(?:please (?:tell|give|provide|specify|let)|let me know|need to know"
                     r"|i(?:'ll| will)? need|what|which|when|where|how (?:many|long))\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Filler:
    """One reading of a piece of an utterance: the slots it sets."""

    start: int  # tokens; start == end where no words of the turn say it
    end: int
    assigns: tuple[Assignment, ...]
    score: float  # log-odds against its saying nothing
    source: str


@dataclass(frozen=True)
class Context:
    """A turn, read once for all sources."""

    turn: Turn
    prior: BeliefState
    profiles: Sequence[Profile]
    tokens: Sequence[Token]
    found: Sequence[Found]
    typed: Sequence[Typed]
    focus: Mapping[str, float]  # service: log weight, 0 for the one spoken of most
    requested: Mapping[tuple[str, str], float]  # slots that the system asked for, up to 1
    is_named: Callable[[str, Token], bool]  # whether a word is of a service's name
    has_names: Callable[[str], bool]  # whether the entity table lists the names of a service's things
    shapes: Callable[[str, str], frozenset[str]]  # of the codes of a slot
    is_users: bool = True  # False where the words are the system's

    def words(self, start: int, end: int) -> list[str]:
        return [token.text for token in self.tokens[max(0, start) : end]]

    def text(self, start: int, end: int) -> str:
        """The words of a span as they were written."""
        return self.turn.user_utterance[self.tokens[start].start : self.tokens[end - 1].end]

    def cue(self, profile: Profile, start: int, end: int) -> float:
        """How much the words around a span speak of a slot, up to 1.5."""
        total = 0.0
        clause = self.tokens[start].clause
        for i in range(max(0, start - _WINDOW), min(len(self.tokens), end + _WINDOW - 1)):
            if start <= i < end:
                continue
            weight = profile.roots.get(self.tokens[i].root, 0.0)
            if weight == 0.0 and i + 1 < len(self.tokens) and self.tokens[i].stem + self.tokens[i + 1].stem == profile.key:
                weight = 1.0
            if weight:
                distance = start - i if i < start else i - end + 1
                total += weight / (1 + 0.2 * (distance - 1)) * (1.0 if self.tokens[i].clause == clause else 0.4)
        return min(total, 1.5)


def requested_slots(utterance: str, profiles: Sequence[Profile], focus: Mapping[str, float],
                    values: Callable[[Sequence[Token]], Sequence[Found]]) -> dict[tuple[str, str], float]:
    """The slots that a system utterance asks for, with how clearly it does, up to 1.

    `values` finds listed values: `north or south?` asks for the slot that they are of.
    """
    asked: dict[tuple[str, str], float] = {}
    for question in filter(_is_question, _SENTENCE.findall(utterance)):
        tokens = tokens_of(question)
        roots = {token.root for token in tokens}
        stems = [token.stem for token in tokens]
        keys = {*stems, *(a + b for a, b in zip(stems, stems[1:], strict=False))}
        words = {token.text for token in tokens}
        chosen = {(m.service, m.slot) for phrase in values(tokens) for m in phrase.meanings if m.source == "possible_values"}
        for profile in profiles:
            if focus.get(profile.service, -4.0) <= _TOO_FAR:
                continue
            clear = sum(weight for word, weight in profile.roots.items() if word in roots and word not in _VAGUE)
            clear += (1.0 if profile.key in keys else 0.0) + (0.5 if profile.name in chosen and "or" in words else 0.0)
            if profile.kind == "count" and profile.key not in keys and not words & _COUNTING:
                clear /= 2
            clear += _asks_kind(profile, words, question.casefold())
            clear = min(clear, 1.5) + 0.5 * focus.get(profile.service, 0.0)
            if clear >= 0.6:
                asked[profile.name] = max(asked.get(profile.name, 0.0), min(clear, 1.0))
    return asked


def _is_question(sentence: str) -> bool:
    return sentence.endswith("?") or _ASKING.search(sentence) is not None


_TOO_FAR = -1.8  # log weight of a service, from which no question is about it
_COUNTING = frozenset({"how", "many", "number", "long", "length", "duration", "much", "size"})
_VAGUE = frozenset({"book", "find", "time"})


def _asks_kind(profile: Profile, words: set[str], question: str) -> float:
    if profile.kind in ("place", "choice") and profile.role and "where" in words:
        return _sided(profile, words)
    if profile.kind == "place" and ("where" in words or "city" in words):
        return 0.8
    if profile.kind in ("date", "day") and words & {"when", "day", "date"}:
        return 0.8
    if profile.kind == "time" and ("what time" in question or "when" in words or "how early" in question):
        return (0.4 if profile.role == "start" else 0.2) + _sided(profile, words) / 2 if profile.role else 0.8
    if profile.kind == "name" and words & {"who", "whom"}:
        return 0.7
    if profile.counts == "people" and ("how many" in question or "number of" in question or "party" in words):
        return 0.9 if any(map(is_people, words)) or "how many" in question and not any(map(is_duration, words)) else 0.0
    if profile.counts == "duration" and ("how long" in question or any(map(is_duration, words)) and "how many" in question):
        return 1.0
    return 0.0


def _sided(profile: Profile, words: set[str]) -> float:
    ends = bool(words & {"to", "going", "destination", "arrive", "heading", "head", "arrival"})
    starts = bool(words & {"from", "leaving", "departing", "depart", "leave", "starting", "departure", "coming"})
    if starts == ends:
        return 0.6
    return 0.9 if (profile.role == "start") == starts else -0.5
