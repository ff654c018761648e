"""Slots whose value does not matter to the user."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nc_latent_tod.proposals.context import Context, Filler
from nc_latent_tod.proposals.profiles import Profile

DONTCARE = "dontcare"

_INDIFFERENT = re.compile("|".join((
    r"(?:does|do|would|did)(?: not|n't|nt) (?:really )?(?:matter|care|mind)", r"doesnt matter", r"not picky",
    r"(?:no|(?:don't|do not|dont) have an?y?)(?: (?:particular|real|specific|special))?(?: \w+)? preferences?",
    r"any(?:thing|where|time)? (?:is|will|would)(?: be)? (?:ok|okay|fine|good|do)", r"whatever", r"whichever", r"up to you",
    r"surprise me", r"(?:i'm|i am|am) (?:open|flexible)", r"not particular", r"either (?:is|one)", r"not concerned",
    r"not important", r"irrelevant", r"all the same",
    r"(?:don't have an?y?|do not have an?y?|no) (?:particular|specific) \w+(?: \w+)? in mind")), re.IGNORECASE)
_ANY = re.compile(r"\bany (\w+)", re.IGNORECASE)


def indifference(context: Context) -> Iterator[Filler]:
    """`dontcare` for the slots that an indifferent phrase is near, else for those that the system asked for."""
    text = context.turn.user_utterance.replace("’", "'")
    for match in _INDIFFERENT.finditer(text):
        span = _span(context, match.start(), match.end())
        if span:
            yield from _of_slots(context, span, _meant(context, span), 1.2)
    for match in _ANY.finditer(text):
        span = _span(context, match.start(), match.end())
        if span:
            word = context.tokens[span[1] - 1]
            for p in context.profiles:
                if p.kind != "boolean" and (p.roots.get(word.root, 0.0) >= 0.9 or word.stem == p.key):
                    score = 0.4 + context.focus.get(p.service, -4.0) + context.requested.get(p.name, 0.0)
                    yield Filler(*span, assigns=((*p.name, DONTCARE),), score=score, source="dontcare")
    words = [token.text for token in context.tokens]
    if words[:1] and words[0] in ("no", "nope", "any", "either", "anything") and _asks_preference(context):
        asked = [p for p in context.profiles if context.requested.get(p.name, 0.0) >= 0.9]
        yield from _of_slots(context, (0, 1), asked, 0.2)


def _of_slots(context: Context, span: tuple[int, int], slots: list[Profile], score: float) -> Iterator[Filler]:
    """All the slots together, and each for itself."""
    if slots:
        yield Filler(*span, assigns=tuple((*p.name, DONTCARE) for p in slots), score=score, source="dontcare")
    for p in slots if len(slots) > 1 else ():
        yield Filler(*span, assigns=((*p.name, DONTCARE),), score=score - 0.9, source="dontcare")


def _meant(context: Context, span: tuple[int, int]) -> list[Profile]:
    near = [(context.cue(p, *span), p) for p in context.profiles]
    named = [(cue + context.focus.get(p.service, -4.0), p) for cue, p in near if cue >= 0.5]
    best = max((score for score, _ in named), default=-9.0)
    told = [p for score, p in named if score >= best - 0.3 and score > -0.5]
    asked = [(context.requested[p.name], p) for p in context.profiles if p.name in context.requested]
    clear = max((score for score, _ in asked), default=0.0) - 0.2
    return told or [p for score, p in asked if score >= clear]


def _asks_preference(context: Context) -> bool:
    asked = context.turn.last_system_utterance.casefold()
    return any(word in asked for word in ("prefer", "particular", "specific", "certain", "in mind"))


def _span(context: Context, start: int, end: int) -> tuple[int, int] | None:
    covered = [i for i, token in enumerate(context.tokens) if token.start < end and token.end > start]
    return (covered[0], covered[-1] + 1) if covered else None
