"""Open values: names and places that no list holds, from capitals, prepositions, and the noun they stand before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nc_latent_tod.proposals.context import Context, Filler
from nc_latent_tod.proposals.lexicon import Found
from nc_latent_tod.proposals.profiles import Profile
from nc_latent_tod.proposals.values import fit
from nc_latent_tod.proposals.words import FUNCTION_WORDS, MONTHS, WEEKDAYS, Token, root

_INTRODUCING = frozenset({"called", "named", "titled", "about", "name", "is", "at", "by", "recommend", "suggest", "try",
                          "found"})
_BEFORE_PLACE = frozenset({"in", "from", "to", "at", "around", "near", "for", "into", "leaving", "visit", "toward", "towards"})
_PLAIN = frozenset("""
    new different specific particular local certain recommended favorite favourite best cheapest whole entire nearest nearby
    today tonight tomorrow morning afternoon evening night time day date week month year person people total available
    i i'm i'd i'll mr mrs ms dr hello fine awesome thats cool wonderful lovely alright welcome correct
    sounds works serve serves serving bye thankyou
    first second third last next ticket reservation information appointment details number phone address area city town
    place places tv pm am trip travel interested planning hungry""".split())  # noqa: SIM905
_JOINING = frozenset({"of", "the", "by", "and"})  # inside a name, before another capital
_MOVING = frozenset({"go", "going", "travel", "head", "heading", "fly", "get", "ride", "trip", "drive", "way", "bound"})
_LONGEST = 6  # words of an open value


def open_values(context: Context) -> Iterator[Filler]:
    """Runs of words that may be a name, for the slots of services whose values are open."""
    profiles = [p for p in context.profiles if not p.slot.possible_values and p.kind in ("place", "name", "text")]
    profiles = [p for p in profiles if context.focus.get(p.service, -4.0) > -3.0]
    if not profiles:
        return
    listed = {i for phrase in context.found if not _is_part_of_name(context.tokens, phrase)
              for i in range(phrase.start, phrase.end)}
    taken = listed | {i for f in context.typed if f.kind != "count" for i in range(f.start, f.end)}
    numbers = {f.start for f in context.typed if f.kind == "count"}
    for start, end in _names(context.tokens, taken):
        country = _after_comma(context.tokens, end)
        for profile in profiles:
            yield _filler(context, profile, start, end, 1.2)
            if profile.kind == "place" and country:
                yield _filler(context, profile, start, country, 1.5)
    for start, end in _plain_runs(context.tokens, taken | numbers):
        for profile in profiles:
            yield from _plain(context, profile, start, end)


def _filler(context: Context, profile: Profile, start: int, end: int, base: float) -> Filler:
    before = context.words(start - 1, start)
    score = base + fit(context, profile, start, end)
    if profile.kind == "place":
        score += 0.6 if before and before[0] in _BEFORE_PLACE else -0.6
        if "addr" in profile.roots:
            score += 1.0 if context.tokens[start].text[0].isdigit() else -1.0
        elif context.tokens[start].text[0].isdigit():
            score -= 0.3
    else:
        begins = start == 0 or context.tokens[start - 1].clause != context.tokens[start].clause
        score += 0.8 if before and before[0] in _INTRODUCING else 0.0 if begins else -0.6
        score -= 1.2 if before and before[0] in ("in", "from", "to") and profile.name not in context.requested else 0.0
        score -= 0.0 if profile.kind == "name" else 0.6
        score -= 1.5 if context.tokens[start].text[0].isdigit() else 0.0  # an address
        score -= 1.5 if context.has_names(profile.service) and profile.kind == "name" else 0.0  # a name would be in the table
    if profile.name in context.prior.get(profile.service, {}) and profile.name not in context.requested:
        score -= 0.7
    return Filler(start, end, ((*profile.name, context.text(start, end)),), score, "places")


def _plain(context: Context, profile: Profile, start: int, end: int) -> Iterator[Filler]:
    """A run without capitals: after a preposition, before the noun of its service, or in answer to a question."""
    asked = context.requested.get(profile.name, 0.0)
    if profile.kind == "place" and start and end - start <= 3 and _leads_to_place(context, start):
        yield _filler(context, profile, start, end, 0.4)
    elif profile.kind == "text" and (noun := _noun(context, profile, start, end)):
        yield _filler(context, profile, noun - 1, noun, 1.6)
        if noun - start >= 2:
            yield _filler(context, profile, noun - 2, noun, 1.0)
    elif context.is_users and asked and len(context.tokens) <= 7 and not any(
            token.root in profile.roots for token in context.tokens[start:end]):
        yield _filler(context, profile, start, end, 0.6)


def _noun(context: Context, profile: Profile, start: int, end: int) -> int | None:
    """Where, after the first word of a run, a word names the slot or its service: `thai food`."""
    for i in range(start + 1, min(end + 1, len(context.tokens))):
        if context.is_named(profile.service, context.tokens[i]) or profile.roots.get(context.tokens[i].root, 0.0) >= 0.7:
            return i
    return None


def _is_part_of_name(tokens: Sequence[Token], phrase: Found) -> bool:
    """Whether a capitalised value stands beside other capitalised words, so that all of them may be one name."""
    if not tokens[phrase.start].is_capitalised:
        return False
    beside = [i for i in (phrase.start - 1, phrase.end) if 0 <= i < len(tokens)]
    return any(tokens[i].is_capitalised and tokens[i].clause == tokens[phrase.start].clause
               and tokens[i].text not in FUNCTION_WORDS for i in beside)


def _after_comma(tokens: Sequence[Token], end: int) -> int | None:
    """The end of `Paris, France`: one capitalised word after a comma, with the clause ending there."""
    if end >= len(tokens) or not tokens[end].is_capitalised or tokens[end].text in FUNCTION_WORDS:
        return None
    is_apart = tokens[end].clause == tokens[end - 1].clause + 1 and tokens[end].start - tokens[end - 1].end == 2
    return end + 1 if is_apart else None


def _leads_to_place(context: Context, start: int) -> bool:
    """Whether the preposition before a plain run leads to a place and not to a verb, in a text that has no capitals."""
    if any(token.is_capitalised and token.text[0] != "i" for token in context.tokens):
        return False
    before, verb = context.tokens[start - 1], context.words(start - 2, start - 1)
    if before.text == "to":
        return bool(verb) and root(verb[0]) in _MOVING
    return before.text in _BEFORE_PLACE - {"at", "for"}


def _names(tokens: Sequence[Token], taken: set[int]) -> Iterator[tuple[int, int]]:
    """Runs of capitalised words and numbers, small words inside; a capital that only begins a sentence does not count."""
    i = 0
    while i < len(tokens):
        if not _is_name_word(tokens, i, taken):
            i += 1
            continue
        end = i + 1
        while end < len(tokens) and end - i < _LONGEST and end not in taken:
            if _continues(tokens, end):
                end += 1
            else:
                break
        while end > i + 1 and tokens[end - 1].text in FUNCTION_WORDS:
            end -= 1
        yield i, end
        i = end


def _is_name_word(tokens: Sequence[Token], i: int, taken: set[int]) -> bool:
    token = tokens[i]
    leads = i + 1 < len(tokens) and tokens[i + 1].is_capitalised and i + 1 not in taken and token.clause == tokens[i + 1].clause
    if i in taken or token.text in WEEKDAYS or token.text in MONTHS:
        return False
    if token.text[0].isdigit():
        return leads and len(token.text) >= 3
    if not token.is_capitalised:
        return False
    if token.text in FUNCTION_WORDS or token.text in _PLAIN:
        return leads and i > 0 and token.text in ("the", "new")
    begins = i == 0 or tokens[i - 1].clause != token.clause
    return not begins or leads or len(tokens) <= 2


def _continues(tokens: Sequence[Token], i: int) -> bool:
    token = tokens[i]
    if token.clause != tokens[i - 1].clause:
        # "Portland, OR": a short capitalised word after a comma alone
        return token.is_capitalised and len(token.text) == 2 and token.start - tokens[i - 1].end == 2
    is_number = token.text[0].isdigit() and len(token.text) <= 4
    if token.text in _JOINING:
        return i + 1 < len(tokens) and tokens[i + 1].is_capitalised and tokens[i + 1].clause == token.clause
    return is_number or token.is_capitalised and token.text not in ("i", "i'm", "i'd", "i'll")


def _plain_runs(tokens: Sequence[Token], taken: set[int]) -> Iterator[tuple[int, int]]:
    start = None
    for i in range(len(tokens) + 1):
        inside = i < len(tokens) and i not in taken and not _is_stop(tokens[i]) and (
            start is None or tokens[i].clause == tokens[start].clause)
        if inside and start is None:
            start = i
        elif not inside and start is not None:
            yield from _runs_within(start, i)
            start = i if i < len(tokens) and i not in taken and not _is_stop(tokens[i]) else None


def _runs_within(start: int, end: int) -> Iterator[tuple[int, int]]:
    """The run, if it is short enough to be a value."""
    if end - start <= 4:
        yield start, end


def _is_stop(token: Token) -> bool:
    return token.text in FUNCTION_WORDS or token.text in _PLAIN or token.text[0].isdigit()
