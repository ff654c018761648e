"""Delexicalised responses with their values put in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nc_latent_tod.agent.grounding import Focus
from nc_latent_tod.labels import Act, BeliefState
from nc_latent_tod.notation.normalise import DONTCARE

_PLACEHOLDER = re.compile(r"\[([^\[\]\n]{1,80})\]")


@dataclass(frozen=True)
class Filled:
    """A response for people."""

    text: str
    missing: tuple[str, ...]  # slots whose value is nowhere; the text says `(no phone)`


def lexicalise(response: str, acts: Sequence[Act], state: BeliefState, focus: Focus, slots: Iterable[str]) -> Filled:
    """Fill `[value_name]`, `[hotel_name]` and `[name]` from the acts, then from the entities in focus, then from the state.

    Only the services of the acts are looked at, or all where the acts name none, and for `[hotel_name]` the hotel alone;
    values of one slot go to its placeholders in the order of the acts. A bracket that names none of `slots` is no
    placeholder and stays.
    """
    known, services = set(slots), list(dict.fromkeys(act.service for act in acts if act.service)) or [*focus.rows, *state]
    told: dict[tuple[str, str], list[str]] = {}  # by service, and by "" for all of them
    for act in acts:
        for values in (told.setdefault((service, act.slot), []) for service in {act.service, ""}):
            if act.value and act.value not in values:
                values.append(act.value)
    missing: list[str] = []

    def value(match: re.Match[str]) -> str:
        prefix, _, rest = match[1].partition("_")
        service = prefix if rest in known and prefix in services else ""
        slot = rest if service or (rest in known and prefix == "value") else match[1]
        if slot not in known:
            return match[0]
        values = told.get((service, slot)) or _elsewhere(slot, [service] if service else services, state, focus)
        if not values:
            missing.append(slot)
            return f"(no {slot.replace('_', ' ')})"
        return values.pop(0) if len(values) > 1 else values[0]

    text = _PLACEHOLDER.sub(value, response)
    return Filled(text, tuple(dict.fromkeys(missing)))


def _elsewhere(slot: str, services: Sequence[str], state: BeliefState, focus: Focus) -> list[str]:
    sources = [source for service in services for source in (focus.rows.get(service, {}), state.get(service, {}))]
    return [value for source in sources if (value := source.get(slot, DONTCARE)) != DONTCARE][:1]
