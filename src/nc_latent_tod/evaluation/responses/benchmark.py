"""What predictions are judged by: users' goals, bookings that succeeded, and the databases, from one folder.

```
FOLDER/goals_SPLIT.json      {dialogue: {domain: {"informable": {slot: value}, "requestable": [slot], "booking": bool}}}
FOLDER/booked_domains.json   {dialogue: [[domain booked by the end of this system turn, ...], ...]}
FOLDER/db/DOMAIN_db.json     [{column: value}, ...], for each domain that is searched
FOLDER/slot_names.json       {slot: its name in the evaluation}, optional: for slots that are called otherwise
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.formats.json_files import json_document, mapping
from nc_latent_tod.errors import CorpusError, nearest
from nc_latent_tod.evaluation.responses.multiwoz import REFERENCE, REQUESTABLES, SEARCHED, UNSEARCHED
from nc_latent_tod.evaluation.responses.placeholders import bare, own_names
from nc_latent_tod.evaluation.responses.success import Goal
from nc_latent_tod.evaluation.responses.values import normalised_slot, normalised_value
from nc_latent_tod.evaluation.responses.venues import Venues

Goals = Mapping[str, Goal]  # by domain


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Goals and bookings by dialogue id (lower case, without `.json`), and the databases by domain."""

    split: str
    goals: Mapping[str, Goals]
    booked: Mapping[str, tuple[frozenset[str], ...]]  # one set a system turn
    venues: Mapping[str, Venues]
    names: Mapping[str, str] = field(default_factory=dict)  # placeholders of slots that are called otherwise, by bare slot


def load_benchmark(folder: Path, split: str = "test") -> Benchmark:
    """Read a benchmark folder. Raises `CorpusError` for a missing or damaged file, and where goals have no database,
    no bookings or a domain or slot that cannot be judged; the first is named, the rest are counted."""
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder. Name the one that holds goals_*.json, booked_domains.json and db/.")
    splits = sorted(path.stem.removeprefix("goals_") for path in folder.glob("goals_*.json"))
    if split not in splits:
        raise CorpusError(f"{folder}: no goals_{split}.json.{nearest(split, splits)} Splits with goals here: "
                          f"{', '.join(splits) or 'none'}.")
    names = _names(folder / "slot_names.json")
    path = folder / f"goals_{split}.json"
    goals = {dialogue_key(dialogue): {domain: _goal(domain, goal, names, f"{path}: goal of {dialogue!r} in {domain!r}")
                                      for domain, goal in mapping(of_dialogue, f"{path}: {dialogue!r}").items()}
             for dialogue, of_dialogue in mapping(json_document(path), str(path)).items()}
    booked = {dialogue_key(dialogue): _bookings(turns, f"{folder / 'booked_domains.json'}: {dialogue!r}") for dialogue, turns
              in mapping(json_document(folder / "booked_domains.json"), str(folder / "booked_domains.json")).items()}
    without = [dialogue for dialogue in goals if dialogue not in booked]
    if without:
        raise CorpusError(f"{folder / 'booked_domains.json'}: no bookings of dialogue {without[0]!r}, which has a goal"
                          f"{and_more(len(without) - 1, 'dialogues')}.")
    return Benchmark(split, goals, booked, _venues(folder / "db", goals), names)


def dialogue_key(dialogue_id: str) -> str:
    """`SNG0073.json` and `sng0073` are one dialogue."""
    return dialogue_id.lower().removesuffix(".json")


def and_more(count: int, things: str) -> str:
    """` (and 3 more turns)`; nothing of 0."""
    return f" (and {count} more {things})" if count else ""


def _names(path: Path) -> dict[str, str]:
    names = mapping(json_document(path), str(path)) if path.is_file() else {}
    wrong = next((slot for slot, name in names.items() if not (isinstance(name, str) and name)), None)
    if wrong is not None:
        raise CorpusError(f"{path}: the name of {wrong!r} is {names[wrong]!r:.60}, not text.")
    return own_names(names)


def _goal(domain: str, goal: Any, names: Mapping[str, str], where: str) -> Goal:
    if domain not in SEARCHED and domain not in UNSEARCHED:
        known = (*SEARCHED, *sorted(UNSEARCHED))
        raise CorpusError(f"{where}: no such domain.{nearest(domain, known)} Domains that can be judged: {', '.join(known)}.")
    fields = mapping(goal, where)
    absent = [name for name in ("informable", "requestable", "booking") if name not in fields]
    if absent:
        raise CorpusError(f"{where}: no {absent[0]!r}. A goal has informable, requestable and booking.")
    informable = {normalised_slot(slot): value for slot, value in mapping(fields["informable"], where).items()}
    wrong = next((slot for slot, value in informable.items() if not isinstance(value, str)), None)
    if wrong is not None:
        raise CorpusError(f"{where}: the value of {wrong!r} is {informable[wrong]!r:.60}, not text.")
    asked = {names.get(bare(slot)) or REQUESTABLES.get(normalised_slot(slot)) for slot in fields["requestable"]}
    requested = {placeholder for placeholder in REQUESTABLES.values() if placeholder in asked}
    return Goal({slot: normalised_value(slot, value) for slot, value in informable.items()},
                frozenset(requested | ({REFERENCE} if fields["booking"] else set())))


def _bookings(turns: Any, where: str) -> tuple[frozenset[str], ...]:
    if not isinstance(turns, list) or not all(isinstance(domains, list) for domains in turns):
        raise CorpusError(f"{where}: expected a list of domains for each system turn, found {turns!r:.80}.")
    return tuple(map(frozenset, turns))


def _venues(folder: Path, goals: Mapping[str, Goals]) -> dict[str, Venues]:
    venues = {}
    for domain, searched in SEARCHED.items():
        path = folder / f"{domain}_db.json"
        concerned = [dialogue for dialogue, of_dialogue in goals.items() if domain in of_dialogue]
        if concerned and not path.is_file():
            raise CorpusError(f"{path}: no such file, but dialogue {concerned[0]!r} has a goal in {domain!r}"
                              f"{and_more(len(concerned) - 1, 'dialogues')}.")
        if concerned:
            rows = json_document(path)
            if not isinstance(rows, list) or not rows:
                raise CorpusError(f"{path}: expected a list of entities, found {rows!r:.80}.")
            venues[domain] = Venues([mapping(row, f"{path}[{i}]") for i, row in enumerate(rows)], searched)
    return venues
