"""What is decided by convention in a change, as features: few, shared by slots of a kind, so that some turns can teach them.

Whether an offered name that is taken is written down, whether a value that is said again counts, whether the word that names a
service is also a value: each is asked at every level, for all slots, for slots of the kind, for the slot of the service, beside
where the value came from. Words beside a value come last and are the only ones that are many.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nc_latent_tod.labels import Act, BeliefState, StateChange
from nc_latent_tod.proposals.context import Context, Filler

_WORD = re.compile(r"[a-z']+")
_NEAR = 2  # words before and after a value
_SPECIAL = frozenset({"dontcare", "yes", "no", "true", "false"})
_TAKES = re.compile(r"\b(?:yes|yeah|yep|sure|great|perfect|okay|ok|fine|sounds|please|thanks|thank|that works|book)\b")
_REFUSES = re.compile(r"\b(?:no|not|another|instead|different|other|else|rather|actually|don't)\b")

SCORE = "score"
"""The proposal's own score, in nats of its pseudo-probability: the one feature whose weight is 1 before anything is learnt."""


@dataclass(frozen=True)
class Scene:
    """What a change is judged beside."""

    prior: BeliefState
    said: str  # user utterance, lower case
    offered: str  # last system utterance
    answered: str  # the system's response
    is_first: bool
    kinds: Mapping[tuple[str, str], str]  # of slots
    asked: frozenset[tuple[str, str]]  # slots that the system asked for
    speaks_of: frozenset[str]  # services that the user speaks of most
    answers: frozenset[str]  # services of the response's acts
    fillers: Mapping[tuple[str, str, str], Filler]  # the surest reading of each value
    named: frozenset[int]  # tokens that are of a service's name
    words: tuple[str, ...]  # of the user, and the acts of both system turns

    @classmethod
    def of(cls, context: Context, fillers: Sequence[Filler], kinds: Mapping[tuple[str, str], str], *,
           response: Sequence[Act] = (), before: Sequence[Act] = ()) -> Scene:
        """The scene of a turn as it was read; the system's acts after it and before it."""
        best: dict[tuple[str, str, str], Filler] = {}
        for filler in fillers:
            for assign in filler.assigns:
                if assign not in best or best[assign].score < filler.score:
                    best[assign] = filler
        turn, said = context.turn, _folded(context.turn.user_utterance)
        named = frozenset(f.start for f in best.values() if f.start >= 0 and f.end - f.start == 1 and any(
            context.is_named(service, context.tokens[f.start]) for service, _, _ in f.assigns))
        words = {*(f"w {word}" for word in _WORD.findall(said)),
                 *(told for a in response for told in (f"R {a.act}", f"R {a.act} {a.service}")),
                 *(told for a in before for told in (f"L {a.act}", f"L {a.act} {a.service} {a.slot}"))}
        return cls(context.prior, said, _folded(turn.last_system_utterance), _folded(turn.system_response), turn.turn_id == 0,
                   kinds, frozenset(slot for slot, weight in context.requested.items() if weight > 0.5),
                   frozenset(service for service, weight in context.focus.items() if weight > -0.5),
                   frozenset(act.service for act in response if act.service), best, named, tuple(sorted(words)))


def features(change: StateChange, score: float, scene: Scene) -> dict[str, float]:
    """The features of a change with their values: how often each holds, for those of several slots add up."""
    items = [(service, slot, value) for service, slots in change.items() for slot, value in slots.items()]
    marks = _turn(scene)
    names: list[str] = []
    if not items:
        names += ["nothing", *(f"nothing|{mark}" for mark in (*marks, *scene.words))]
    for service, slot, value in items:
        names += _of_item(scene, marks, service, slot, value)
    for service in change:
        names += _of_service(scene, service)
    return {SCORE: score, **{name: float(count) for name, count in Counter(names).items()}}


def _of_item(scene: Scene, marks: Sequence[str], service: str, slot: str, value: str | None) -> list[str]:
    filler = scene.fillers.get((service, slot, value or ""))
    kind, source, part = scene.kinds.get((service, slot), "text"), filler.source if filler else "unread", f"{service}.{slot}"
    special = _special(value)
    levels = ("value", kind, part, source, f"{kind}/{source}", f"{part}/{source}")
    found = [*levels, f"~{slot}", f"{kind}={special}", f"{part}={special}"]
    found += [f"{level}|{mark}" for mark in (*marks, *_marks(scene, service, slot, value, filler)) for level in levels]
    found += [f"{level}|{word}" for word in scene.words for level in (part, f"~{slot}", kind)]
    return found + [f"{level}{word}" for word in _neighbours(value, scene.said) for level in (kind, f"~{slot}")]


def _of_service(scene: Scene, service: str) -> list[str]:
    if service in scene.prior:
        return ["service", "service|old", f"@{service}", f"@{service}|old", *(f"@{service}|{word}" for word in scene.words)]
    return ["service", "service|new", f"@{service}", f"@{service}|new", f"@{service}|new {len(scene.prior)}",
            *(f"@{service}|{word}" for word in scene.words), *(f"@{service}|new|{word}" for word in scene.words),
            *(f"@{service}|after {other}" for other in scene.prior)]


def _turn(scene: Scene) -> list[str]:
    """What holds of the whole turn."""
    marks = [("question", "?" in scene.said), ("takes", bool(_TAKES.search(scene.said))),
             ("refuses", bool(_REFUSES.search(scene.said))), ("first", scene.is_first),
             ("offer", bool(scene.offered) and "?" not in scene.offered)]
    return [name for name, holds in marks if holds]


def _marks(scene: Scene, service: str, slot: str, value: str | None, filler: Filler | None) -> list[str]:
    """What holds of one value in the turn."""
    text = _folded(value or "")
    others = (other for owner, slots in scene.prior.items() if owner != service for other in slots.values())
    marks = [("asked", (service, slot) in scene.asked), ("again", slot in scene.prior.get(service, {})),
             ("new", service not in scene.prior), ("said", bool(text) and text in scene.said),
             ("offered", bool(text) and text in scene.offered), ("echoed", bool(text) and text in scene.answered),
             ("spoken of", service in scene.speaks_of), ("answered", service in scene.answers),
             ("not answered", bool(scene.answers) and service not in scene.answers),
             ("elsewhere", any(text == _folded(other) for other in others)),
             ("named", filler is not None and filler.start in scene.named)]
    return [name for name, holds in marks if holds]


def _special(value: str | None) -> str:
    return "none" if value is None else value.casefold() if value.casefold() in _SPECIAL else "value"


def _neighbours(value: str | None, said: str) -> list[str]:
    """The words beside a value in the utterance."""
    text = _folded(value or "")
    if not text or (at := said.find(text)) < 0:
        return []
    before, after = _WORD.findall(said[:at])[-_NEAR:], _WORD.findall(said[at + len(text):])[:_NEAR]
    return [*(f"<{word}" for word in before), *(f">{word}" for word in after)]


def _folded(text: str) -> str:
    return text.casefold().replace("’", "'")


def act_features(acts: Sequence[Act], score: float, response: str) -> dict[str, float]:
    """The features of a reading of a response: its acts, alone and beside the words."""
    names = ["nothing"] if not acts else []
    words = sorted(set(_WORD.findall(_folded(response))))
    marks = [*words, *(["?"] if "?" in response else []), *(["!"] if "!" in response else [])]
    for act in acts:
        levels = [act.act, f"{act.act} ~{act.slot}"] if act.slot else [act.act, f"{act.act} bare"]
        levels += [f"{act.act} {act.service}", f"{act.act} {act.service}.{act.slot}"] if act.service else []
        names += [*levels, *(f"{level}|{mark}" for level in levels[:2] for mark in marks)]
    return {SCORE: score, **{name: float(count) for name, count in Counter(names).items()}}
