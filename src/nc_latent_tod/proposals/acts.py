"""The dialogue acts of a system response, sentence by sentence: what kind of sentence it is, and the values it names."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, BeliefState
from nc_latent_tod.proposals.context import Context, Filler, requested_slots
from nc_latent_tod.proposals.reader import Reader
from nc_latent_tod.proposals.sentences import kinds_of, split

Option = tuple[tuple[Act, ...], float]
"""One way to read a piece of a response: its acts, and the log-odds against there being none."""

_SOURCES = ("typed", "places", "booleans")
_BEAM = 64
_MIN_SCORE = -1.0  # log-odds from which a value is worth a candidate
_ASKING = re.compile(r"\b(?:what|which|how|when|where|who|whom)\b(?!.{0,3}about)", re.IGNORECASE)
_COURTESIES = frozenset({"goodbye", "thanks", "greeting", "more"})

@dataclass(frozen=True, slots=True)
class _Sentence:
    start: int  # characters
    end: int
    text: str
    kinds: frozenset[str]


def ranked_acts(reader: Reader, turn: Turn, prior: BeliefState, n: int,
                earlier: Sequence[Turn]) -> list[tuple[tuple[Act, ...], float]]:
    """At most `n` readings of a response with the logs of their shares, likeliest first."""
    if not turn.system_response.strip():
        return [((), 0.0)]
    said = Turn(turn.dialogue_id, turn.turn_id, turn.user_utterance, turn.system_response, "")
    context = replace(reader.context(said, prior, (*earlier, replace(turn, system_response=""))), is_users=False)
    sentences = list(_sentences(turn.system_response))
    pieces = [*_values(reader, context, sentences), *_moves(reader, context, sentences)]
    return _best(pieces, n)


def _sentences(text: str) -> Iterator[_Sentence]:
    """Sentences with their kinds. What is confirmed or offered goes on in the sentences after it."""
    found = [_Sentence(start, end, part, kinds_of(part)) for start, end, part in split(text.replace("’", "'"))]
    confirming = any("confirm" in sentence.kinds for sentence in found)
    offering = False
    for sentence in found:
        offering = offering or "offer" in sentence.kinds
        lasting = frozenset(name for name, holds in (("confirm", confirming), ("offered", offering)) if holds)
        yield replace(sentence, kinds=sentence.kinds | (lasting if not sentence.kinds & _COURTESIES else frozenset()))
        offering = offering or "count" in sentence.kinds  # one of those that were found comes next


def _values(reader: Reader, context: Context, sentences: Sequence[_Sentence]) -> Iterator[list[Option]]:
    """The values that the response names, each in the act of its sentence."""
    best: dict[int, list[Filler]] = {}
    for filler in reader.fillers(context, _SOURCES):
        if filler.score > _MIN_SCORE:
            best.setdefault(filler.start, []).append(filler)
    end = -1
    for start, fillers in sorted(best.items()):
        if start < end:
            continue
        fillers.sort(key=lambda f: (-f.score, f.assigns))
        end = fillers[0].end
        at = context.tokens[start].start
        sentence = next((s for s in sentences if s.start <= at < s.end), sentences[-1])
        if not sentence.kinds & _COURTESIES:
            yield [((Act(name, service, slot, _as_said(context, filler, value)),), filler.score + odds)
                   for filler in fillers[:3] for service, slot, value in filler.assigns
                   for name, odds in _act_of(sentence, context, (service, slot))]


def _as_said(context: Context, filler: Filler, value: str) -> str:
    """Listed values in the words of the response, which is what delexicalisation looks for."""
    return context.text(filler.start, filler.end) if filler.source in ("possible_values", "entities") else value


def _act_of(sentence: _Sentence, context: Context, slot: tuple[str, str]) -> list[tuple[str, float]]:
    """The acts that a value in a sentence may be of, with log-odds."""
    kinds = sentence.kinds
    if "confirm" in kinds:
        return [("Confirm", 0.0), ("Offer", -1.5)]
    if "failure" in kinds:
        return [("NotifyFailure", 0.0), ("Inform", -0.7)]
    if "success" in kinds:
        return [("NotifySuccess", 0.0), ("Inform", -0.7)]
    if sentence.text.rstrip().endswith("?") and not kinds & {"offer", "offered", "booking"}:
        return [("Inform", -2.0)]  # a choice to make, or what the question is about
    if "offered" in kinds and slot not in context.requested:
        return [("Offer", 0.0), ("Inform", -0.4)]
    return [("Inform", 0.0), ("Offer", -0.7)]


def _moves(reader: Reader, context: Context, sentences: Sequence[_Sentence]) -> Iterator[list[Option]]:
    """Acts that need no value: questions, offers to book, success, failure, courtesies."""
    service = max(context.focus, key=lambda name: context.focus[name])
    for sentence in sentences:
        kinds = sentence.kinds
        asked = _requests(reader, context, sentence) if "confirm" not in kinds else []
        for (owner, slot), weight in asked:
            yield [((Act("Request", owner, slot),), 4.0 * (weight - 0.5))]
        if "alternative" in kinds and not asked:
            yield [((Act("RequestAlternatives", service),), 0.3)]
        elif "booking" in kinds and not asked and not kinds & {"more", "confirm"}:
            yield [((Act("Offer", service),), 0.8)]
        if "count" in kinds:
            yield [((Act("Inform", service),), 0.5)]
        for kind, name, odds in (("success", "NotifySuccess", 1.0), ("failure", "NotifyFailure", 1.0)):
            if kind in kinds:
                yield [((Act(name, service),), odds)]
        for kind, name, odds in (("goodbye", "Goodbye", 1.0), ("thanks", "ThankYou", 0.1), ("greeting", "Greeting", -0.3)):
            if kind in kinds:
                yield [((Act(name),), odds)]


def _requests(reader: Reader, context: Context, sentence: _Sentence) -> list[tuple[tuple[str, str], float]]:
    if "more" in sentence.kinds or "booking" in sentence.kinds and not _ASKING.search(sentence.text):
        return []
    wanted = [p for p in reader.profiles if p.is_wanted]
    return sorted(requested_slots(sentence.text, wanted, context.focus, reader.lexicon.find).items())


def _best(pieces: Sequence[Sequence[Option]], n: int) -> list[tuple[tuple[Act, ...], float]]:
    readings: list[tuple[float, frozenset[Act]]] = [(0.0, frozenset())]
    for options in pieces:
        total = _log_sum([0.0, *(odds for _, odds in options)])
        extended = [(weight - total, acts) for weight, acts in readings]
        extended += [(weight + odds - total, acts | set(more)) for more, odds in options for weight, acts in readings]
        merged: dict[frozenset[Act], float] = {}
        for weight, acts in extended:
            merged[acts] = _log_sum([merged[acts], weight]) if acts in merged else weight
        readings = sorted(((w, acts) for acts, w in merged.items()), key=lambda r: (-r[0], sorted(r[1])))[:_BEAM]
    shares: dict[tuple[Act, ...], float] = {}
    for weight, acts in readings:
        key = tuple(sorted(_without_bare(acts)))
        shares[key] = _log_sum([shares[key], weight]) if key in shares else weight
    return [(acts, round(weight, 4)) for acts, weight in sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:n]]


def _without_bare(acts: frozenset[Act]) -> Iterator[Act]:
    """An act without a slot says nothing where the same act of its service has one."""
    with_slot = {(act.act, act.service) for act in acts if act.slot}
    return (act for act in acts if act.slot or (act.act, act.service) not in with_slot)


def _log_sum(values: Sequence[float]) -> float:
    top = max(values)
    return top + math.log(sum(math.exp(value - top) for value in values))

