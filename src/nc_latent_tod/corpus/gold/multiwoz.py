"""Annotations of the layout of `woz.py`: states from the system utterances' `metadata`, acts from their `dialog_act`.

Metadata is the whole state after the user's utterance before it: {domain: {"semi": {slot: value}, "book": {slot: value,
"booked": [...]}}}. A slot of `book` is called `book` + its name; what was booked is the system's and no part of the state. A
slot counts where the schema has one of that name, however it writes it (`leaveAt`, `leave_at`); the others are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.formats.json_files import json_document, mapping, values
from nc_latent_tod.corpus.formats.multiwoz import woz_logs
from nc_latent_tod.corpus.gold.acts import MultiWozActs
from nc_latent_tod.errors import CorpusError
from nc_latent_tod.labels import Act
from nc_latent_tod.schema import Schema

ABSENT = frozenset({"", "none", "not mentioned", "not given"})
DONTCARE = frozenset({"dontcare", "dont care", "don't care", "do n't care", "do nt care", "do not care", "doesn't care",
                      "does not care"})
ACT_FILES = ("dialogue_acts.json", "system_acts.json")
"""{dialogue: {number of the system's utterance, from 1: {"Domain-Act": [[slot, value]]}}}; a text there is no annotation."""

Accepted = dict[str, dict[str, tuple[str, ...]]]
"""Accepted values by service and slot, in the schema's names."""


def woz_annotations(file: Path, schema: Schema) -> Iterator[tuple[str, list[tuple[Accepted, Sequence[Act] | None]]]]:
    """Yield (dialogue id, (state, system acts) of every turn); acts are None where nobody annotated them.

    Raises `CorpusError`, also where the schema has none of the slots that the file annotates.
    """
    slots = {service.name: frozenset(service.slots_by_name) for service in schema.services}
    names = {(_folded(service), _folded(slot)): (service, slot) for service, its in slots.items() for slot in its}
    beside, is_named = _acts_beside(file), False
    seen: set[tuple[str, str]] = set()
    for where, dialogue_id, log in woz_logs(file):
        tagged = _inline(log) or beside.get(dialogue_id.removesuffix(".json"), {})
        acts = MultiWozActs({dialogue_id: tagged}, slots, where).of_dialogue(dialogue_id) or {}
        turns = []
        for position in range(1, len(log), 2):
            if log[position - 1].get("metadata"):
                raise CorpusError(f"{where}, utterance {position - 1}: the user's utterance has a state in 'metadata', but it "
                                  "belongs to the system's answer. Does the log begin with the system?")
            found = _metadata(log[position], f"{where}, utterance {position}")
            seen |= found.keys()
            turns.append((_in_schema(found, names), acts.get(position)))
        is_named = is_named or any(state for state, _ in turns)
        yield dialogue_id, turns
    if seen and not is_named:
        raise CorpusError(f"{file}: the schema has none of the slots that are annotated, such as {'-'.join(min(seen))}. Name "
                          "the schema of these services with --schema.")


def _metadata(said: Mapping[str, Any], where: str) -> dict[tuple[str, str], tuple[str, ...]]:
    """Accepted values by folded service and slot, for the slots that have one."""
    if "metadata" not in said:
        raise CorpusError(f"{where}: no 'metadata', so this dialogue has no gold annotations.")
    found = {}
    for service, parts in mapping(said["metadata"], where).items():
        for part, prefix in (("semi", ""), ("book", "book")):
            for slot, value in mapping(mapping(parts, where).get(part, {}), where).items():
                if slot != "booked" and (accepted := _accepted(value, f"{where}, slot {slot!r}")):
                    found[_folded(service), _folded(prefix + slot)] = accepted
    return found


def _in_schema(found: Mapping[tuple[str, str], tuple[str, ...]], names: Mapping[tuple[str, str], tuple[str, str]]) -> Accepted:
    state: Accepted = {}
    for key, accepted in found.items():
        if key in names:
            service, slot = names[key]
            state.setdefault(service, {})[slot] = accepted
    return state


def _accepted(value: object, where: str) -> tuple[str, ...]:
    """Accepted values, lower case; () where the slot has none."""
    said = [value.lower()] if isinstance(value, str) else values(value, where)
    return tuple(dict.fromkeys(one for text in said for one in _alternatives(text)))


@lru_cache(maxsize=4096)
def _alternatives(text: str) -> tuple[str, ...]:
    """The alternatives of one annotated value: `|`, `<` and `>` all part them, as tools for this corpus read them."""
    said = [" ".join(one.split()) for one in re.split(r"[|<>]", text)]
    return tuple("dontcare" if one in DONTCARE else one for one in said if one not in ABSENT)


@lru_cache(maxsize=1024)
def _folded(name: str) -> str:
    return re.sub(r"[\s_-]", "", name).lower()


def _inline(log: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Acts by position; {} where no system utterance has one, so nobody annotated the dialogue."""
    tagged = {i: said["dialog_act"] for i, said in enumerate(log) if isinstance(said.get("dialog_act"), Mapping)}
    if not any(tagged.get(position) for position in range(1, len(log), 2)):
        return {}
    return {str(position): {"dialog_act": acts} for position, acts in tagged.items()}


def _acts_beside(file: Path) -> dict[str, dict[str, Any]]:
    path = next((path for name in ACT_FILES if (path := file.with_name(name)).is_file()), None)
    if path is None:
        return {}
    try:
        return {dialogue_id.strip().removesuffix(".json"): {str(2 * int(number) - 1): {"dialog_act": acts} for number, acts in
                                                            turns.items() if isinstance(acts, Mapping)}
                for dialogue_id, turns in mapping(json_document(path), str(path)).items()}
    except (ValueError, AttributeError) as error:
        raise CorpusError(f"{path}: not in the layout {{dialogue: {{number: {{\"Domain-Act\": [[\"slot\", \"value\"]]}}}}}} "
                          f"({error}).") from error
