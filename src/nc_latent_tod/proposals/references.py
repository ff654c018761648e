"""Values that the turn points at: earlier ones under another name, and those that the system offered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nc_latent_tod.proposals.context import Assignment, Context, Filler
from nc_latent_tod.proposals.indifference import DONTCARE
from nc_latent_tod.proposals.profiles import Profile
from nc_latent_tod.proposals.values import fit
from nc_latent_tod.proposals.words import Token, stem, words_of

_TAKEN = re.compile(r"\b(?:" + "|".join((
    "yes", "yeah", "yep", "yup", "sure", "sounds? (?:good|great|nice|fine|perfect|lovely|like)", "great", "perfect",
    "that works?", "works for me", "book (?:it|that|me)", "(?:i'll|i will|let's|we'll) (?:take|go)", "okay", "ok", "fine",
    "please do", "go ahead", "correct", "that's right", "i like", "exactly", "good choice", "that one", "first one",
    "that would", "alright", "awesome", "excellent", "wonderful", "please (?:book|buy|reserve|get)",
    "(?:buy|get) (?:it|the ticket)")) + r")\b", re.IGNORECASE)
_REFUSED = re.compile(r"^\W*(?:no|nope|nah|not)\b|\b(?:another|instead|different|other|something else|anything else"
                      r"|don't like|rather|actually|alternatives?)\b", re.IGNORECASE)
_ABOUT_IT = re.compile(r"\b(?:it|its|it's|their|there|they|them|that|this|address|phone|post ?code|number)\b",
                       re.IGNORECASE)
_THERE = re.compile(r"\b(?:there(?! (?:is|are|a|any|be)\b)|(?:in|around) (?:that|the|the same) (?:area|city|town)|nearby)\b",
                    re.IGNORECASE)
_CONFIRMING = re.compile(r"\b(?:correct|right|confirm\w*|you want|you(?:'d| would) like (?:to|a|me)|i will|i'll|should i"
                         r"|is that|so,? )\b", re.IGNORECASE)


def references(context: Context) -> Iterator[Filler]:
    """Earlier values under another name: `the same day`, `from the hotel to the restaurant`."""
    yield from _same(context)
    yield from _there(context)
    by_name = {profile.name: profile for profile in context.profiles}
    names = [(service, value) for (service, slot), value in _held(context).items()
             if (service, slot) in by_name and by_name[service, slot].kind == "name"]
    places = [p for p in context.profiles if p.kind == "place" and not p.slot.possible_values]
    for i, token in enumerate(context.tokens):
        if i and context.tokens[i - 1].text in ("the", "my", "this", "that", "our"):
            for service, value in names:
                for place in places if context.is_named(service, token) else ():
                    if place.service != service:
                        score = 0.8 + fit(context, place, i, i + 1)
                        yield Filler(i, i + 1, ((*place.name, value),), score, "references")


def _there(context: Context) -> Iterator[Filler]:
    """`there`, `in that area`: the place of another service, for one that has none yet."""
    match = _THERE.search(context.turn.user_utterance)
    if not match:
        return
    i = next((i for i, token in enumerate(context.tokens) if token.start >= match.start()), len(context.tokens) - 1)
    by_name = {profile.name: profile for profile in context.profiles}
    held = [(by_name[name], value) for name, value in _held(context).items() if name in by_name]
    for target in context.profiles:
        if target.kind != "place" or target.slot.name in context.prior.get(target.service, {}) or target.role == "start":
            continue
        for source, value in held:
            if source.kind == "place" and source.service != target.service and source.role != "start":
                yield Filler(i, i + 1, ((*target.name, value),), 0.6 + context.focus.get(target.service, -4.0), "references")


def _held(context: Context) -> dict[tuple[str, str], str]:
    return {(service, slot): value for service, slots in context.prior.items() for slot, value in slots.items()
            if value != DONTCARE}


def _same(context: Context) -> Iterator[Filler]:
    by_name = {profile.name: profile for profile in context.profiles}
    held = [(by_name[name], value) for name, value in _held(context).items() if name in by_name]
    for i, token in enumerate(context.tokens):
        if token.text != "same":
            continue
        model = _model(context, i)
        rivals = max((weight for service, weight in context.focus.items() if service != model), default=0.0)
        for target in context.profiles:
            if target.service == model or not _is_spoken_of(target, context.tokens[i + 1 : i + 6]):
                continue
            score = 1.5 + context.focus.get(target.service, -4.0) - (rivals if model else 0.0)
            for source, value in held:
                if source.service != target.service and source.service == (model or source.service) and _alike(source, target):
                    yield Filler(i, i + 2, ((*target.name, value),), score, "references")


def _model(context: Context, i: int) -> str:
    """The service of `the same ... as the <service>`."""
    words = context.words(i, i + 8)
    if "as" not in words:
        return ""
    after = context.tokens[i + words.index("as") + 1 : i + 8]
    return next((service for service in context.prior for token in after if context.is_named(service, token)), "")


def _is_spoken_of(target: Profile, tokens: Sequence[Token]) -> bool:
    if target.counts == "people" and {t.text for t in tokens} & {"people", "group", "party", "number"}:
        return True
    return any(target.roots.get(t.root, 0.0) >= 0.5 or t.stem == target.key for t in tokens)


def _alike(a: Profile, b: Profile) -> bool:
    """Whether a value of one slot may be one of the other."""
    if a.kind != b.kind or a.counts != b.counts or not set(a.roots) & set(b.roots):
        return False
    return not a.slot.possible_values or bool(set(a.slot.possible_values) & set(b.slot.possible_values))


def offers(context: Context, offered: list[tuple[Profile, str, bool]]) -> Iterator[Filler]:
    """What the system named, where the user takes it or asks about it.

    `offered`: slot, value, and whether others were named for the slot too.
    """
    text = context.turn.user_utterance.replace("’", "'")
    takes = bool(_TAKEN.search(text))
    if not takes and not _ABOUT_IT.search(text):
        return
    refused = 1.2 if _REFUSED.search(text) else 0.0
    confirming = bool(_CONFIRMING.search(context.turn.last_system_utterance))
    said = {m.value for found in context.found for m in found.meanings}
    together: list[Assignment] = []
    for profile, value, is_one_of_many in offered:
        held = context.prior.get(profile.service, {}).get(profile.slot.name)
        if profile.kind == "money":
            continue  # a price or a balance is told, not offered
        if held is not None and (profile.kind != "name" or _overlap(held, value)) or value in said:
            continue
        score = (0.6 if takes else -0.3) + 0.5 * context.focus.get(profile.service, -4.0) - refused - 0.9 * is_one_of_many
        if profile.kind != "name":
            score -= (0.0 if takes else 1.0) + (0.0 if profile.is_required else 0.4 if confirming else 2.5)
        if score > -0.2 and not is_one_of_many:
            together.append((*profile.name, value))
        yield Filler(-1, -1, ((*profile.name, value),), score - 0.2, "offers")
    if len(together) > 1:
        yield Filler(-1, -1, tuple(together), 0.6 - refused, "offers")


def _overlap(a: str, b: str) -> bool:
    """Whether two names are of one thing: the words of one are among the other's."""
    first, second = ({stem(word) for word in words_of(name)} for name in (a, b))
    return first <= second or second <= first
