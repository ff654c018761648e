"""Delexicalised responses in one notation, whatever the system's own: `[hotel_name]`, `[value_name]`, `[name]` -> `NAME`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nc_latent_tod.evaluation.multiwoz import OTHER_IDS, PLACEHOLDERS, PREFIXES

_PLACEHOLDER = re.compile(r"\[([\w\s]+)\](?:-?e?s\b)?")
_SPACE_BEFORE = re.compile(r"\s+(?=[.,?!;:%)\]])|(?<=[(\[])\s+")
_SUFFIX = re.compile(r"\s*-(?:s|ly)(?!\w)")  # some corpora split "restaurants" into "restaurant -s"


@dataclass(frozen=True, slots=True)
class Response:
    """A system response in the common notation."""

    text: str  # lower case but for the placeholders, detokenised
    placeholders: frozenset[str]
    domains: tuple[str, ...] = ()  # that its placeholders name, in order of appearance
    unknown: tuple[str, ...] = ()  # placeholders, as written, that stand for nothing known; they are taken out


def normalised_response(text: str) -> Response:
    """Read a delexicalised response. A plural ending of a placeholder goes with it."""
    found: list[str] = []
    domains: list[str] = []
    unknown: list[str] = []

    def common(match: re.Match[str]) -> str:
        prefix, placeholder = _read(match[1])
        (unknown if placeholder is None else found).append(placeholder or match[0])
        if prefix in PREFIXES and prefix != "value":
            domains.append(prefix)
        return placeholder or ""

    replaced = _PLACEHOLDER.sub(common, text.lower())
    plain = " ".join(_SUFFIX.sub("", replaced).split())
    return Response(_SPACE_BEFORE.sub("", plain), frozenset(found), tuple(dict.fromkeys(domains)), tuple(unknown))


def _read(name: str) -> tuple[str, str | None]:
    """The prefix ("" for none) and the common placeholder (None for an unknown one)."""
    prefix, _, slot = name.strip().replace(" ", "_").partition("_")
    if prefix not in PREFIXES or not slot:
        prefix, slot = "", name
    slot = slot.replace(" ", "").replace("_", "")
    return prefix, OTHER_IDS.get((prefix, slot)) or PLACEHOLDERS.get(slot)
