"""Delexicalised responses in one notation, whatever the system's own: `[hotel_name]`, `[value_name]`, `[name]` -> `NAME`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nc_latent_tod.evaluation.responses.multiwoz import OTHER_IDS, PLACEHOLDERS, PREFIXES

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


def normalised_response(text: str, names: Mapping[str, str] | None = None) -> Response:
    """Read a delexicalised response. A plural ending of a placeholder goes with it. `names`: see `own_names`."""
    found: list[str] = []
    domains: list[str] = []
    unknown: list[str] = []

    def common(match: re.Match[str]) -> str:
        prefix, placeholder = _read(match[1], names or {})
        (unknown if placeholder is None else found).append(placeholder or match[0])
        if prefix in PREFIXES and prefix != "value":
            domains.append(prefix)
        return placeholder or ""

    replaced = _PLACEHOLDER.sub(common, text.lower())
    plain = " ".join(_SUFFIX.sub("", replaced).split())
    return Response(_SPACE_BEFORE.sub("", plain), frozenset(found), tuple(dict.fromkeys(domains)), tuple(unknown))


def own_names(names: Mapping[str, str]) -> dict[str, str]:
    """Placeholders by slot, for slots that are called otherwise than `PLACEHOLDERS` knows, or that it does not know."""
    return {bare(slot): PLACEHOLDERS.get(bare(name), bare(name).upper()) for slot, name in names.items()}


def bare(name: str) -> str:
    """A slot's name in lower case without spaces and underscores."""
    return name.lower().replace(" ", "").replace("_", "")


def _read(name: str, names: Mapping[str, str]) -> tuple[str, str | None]:
    """The prefix ("" for none) and the common placeholder (None for an unknown one)."""
    prefix, _, slot = name.strip().replace(" ", "_").partition("_")
    if prefix not in PREFIXES or not slot:
        prefix, slot = "", name
    slot = bare(slot)
    return prefix, names.get(slot) or OTHER_IDS.get((prefix, slot)) or PLACEHOLDERS.get(slot)
