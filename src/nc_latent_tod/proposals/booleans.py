"""Slots of yes and no: from the words of the slot and a negation before them, or from the answer to a question."""

from __future__ import annotations

from collections.abc import Iterator

from nc_latent_tod.proposals.context import Context, Filler
from nc_latent_tod.proposals.profiles import Profile
from nc_latent_tod.proposals.words import FUNCTION_WORDS, NEGATIONS

_YES, _NO = frozenset({"yes", "yeah", "yep", "sure", "please"}), frozenset({"no", "nope", "nah"})
_ASKING = frozenset({"do", "does", "is", "are", "can", "what", "how"})


def booleans(context: Context) -> Iterator[Filler]:
    """`true` or `false` values of boolean slots."""
    for profile in context.profiles:
        if profile.kind != "boolean":
            continue
        hits = [(weight, -i) for i in range(len(context.tokens)) if (weight := _speaks_of(context, profile, i)) > 0.0]
        words = {context.tokens[-i].root: weight for weight, i in hits}
        spoken = sum(words.values())
        if spoken < 0.5 or 2 * len(words.keys() & profile.named) < len(profile.named) and len(words) < 2:
            yield from _answered(context, profile)
            continue
        weight, i = min(1.0, spoken), max(hits)[1]
        asked = context.requested.get(profile.name, 0.0)
        value = profile.false if _negated(context, -i) else profile.true
        score = 0.6 + 1.2 * weight + context.focus.get(profile.service, -4.0) + asked
        if not asked and _asks_a_fact(context, -i):
            score -= 2.2
        yield Filler(-i, -i + 1, ((*profile.name, value),), score, "booleans")


def _speaks_of(context: Context, profile: Profile, i: int) -> float:
    token = context.tokens[i]
    return 0.0 if token.text in FUNCTION_WORDS else profile.roots.get(token.root, 0.0)


def _answered(context: Context, profile: Profile) -> Iterator[Filler]:
    """A plain yes or no to a question that names the slot."""
    asked = context.requested.get(profile.name, 0.0)
    if not asked or not context.tokens:
        return
    first = context.tokens[0].text
    if first in _YES:
        yield Filler(0, 1, ((*profile.name, profile.true),), asked - 0.2, "booleans")
    elif first in _NO:
        yield Filler(0, 1, ((*profile.name, profile.false),), asked - 0.6, "booleans")


def _negated(context: Context, i: int) -> bool:
    clause = context.tokens[i].clause
    near = [t.text for t in context.tokens[max(0, i - 5) : i] if t.clause == clause]
    return bool(set(near) & NEGATIONS) and "matter" not in near


def _asks_a_fact(context: Context, i: int) -> bool:
    """Whether the clause asks whether something is so: `does it have parking?`"""
    clause = context.tokens[i].clause
    words = [t.text for t in context.tokens if t.clause == clause]
    return bool(words) and words[0] in _ASKING or "whether" in words or "if" in words
