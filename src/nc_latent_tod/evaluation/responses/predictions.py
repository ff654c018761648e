"""Predictions of a system in the community's format, from a JSON file, checked against what they have to cover.

```
{"sng0073": [{"response": "[value_name] is in the [value_area] .", "state": {"hotel": {"area": "east"}},
              "active_domains": ["hotel"]}, ...]}
```
`state` and `active_domains` are in every turn or in none. A turn may have its number from 0 as `turn_id`; keys that
are not known are left aside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.formats.json_files import json_document, mapping
from nc_latent_tod.errors import CorpusError
from nc_latent_tod.evaluation.responses.benchmark import Benchmark, and_more, dialogue_key
from nc_latent_tod.evaluation.responses.values import normalised_slot, normalised_value
from nc_latent_tod.labels import BeliefState


@dataclass(frozen=True, slots=True)
class PredictedTurn:
    """One system turn."""

    response: str  # delexicalised, as the system writes it
    state: BeliefState | None  # slots and values normalised; None where the file has no states
    domains: tuple[str, ...] | None  # None where the file has no active domains


Predictions = Mapping[str, tuple[PredictedTurn, ...]]
"""By dialogue id in lower case without `.json`."""


def load_predictions(path: Path) -> Predictions:
    """Read predictions (`.json`, `.json.gz`). Raises `CorpusError` naming the dialogue and turn that cannot be read."""
    predictions: dict[str, tuple[PredictedTurn, ...]] = {}
    for dialogue, turns in mapping(json_document(path), str(path)).items():
        where = f"{path}: dialogue {dialogue!r}"
        if dialogue_key(dialogue) in predictions:
            raise CorpusError(f"{where} is there twice.")
        if not isinstance(turns, list):
            raise CorpusError(f"{where}: expected a list of turns, found {turns!r:.80}.")
        predictions[dialogue_key(dialogue)] = tuple(_turn(turn, i, f"{where}, turn {i}") for i, turn in enumerate(turns))
    if not any(predictions.values()):
        raise CorpusError(f"{path}: no predicted turns.")
    for key in ("state", "domains"):
        _all_or_none(predictions, key, path)
    return predictions


def check_coverage(predictions: Predictions, benchmark: Benchmark, *, allow_missing: bool) -> tuple[int, int]:
    """Return how many dialogues, and how many turns of predicted dialogues, are missing.

    Raises `CorpusError` for unknown dialogues and extra turns, and unless `allow_missing` for missing dialogues and
    turns; the first is named, the rest are counted.
    """
    unknown = [dialogue for dialogue in predictions if dialogue not in benchmark.goals]
    if unknown:
        raise CorpusError(f"Dialogue {unknown[0]!r} is predicted but has no goal in the {benchmark.split} split"
                          f"{and_more(len(unknown) - 1, 'dialogues')}. Name the split of the predictions with --split.")
    counts = {dialogue: (len(turns), len(benchmark.booked[dialogue])) for dialogue, turns in predictions.items()}
    extra = [dialogue for dialogue, (predicted, expected) in counts.items() if predicted > expected]
    if extra:
        raise CorpusError(f"Dialogue {extra[0]!r} has {counts[extra[0]][0]} predicted turns, but {counts[extra[0]][1]} system "
                          f"turns{and_more(len(extra) - 1, 'dialogues')}. Predict one response for each user turn.")
    missing = [dialogue for dialogue in benchmark.goals if dialogue not in predictions]
    short = [dialogue for dialogue, (predicted, expected) in counts.items() if predicted < expected]
    allow = "Complete the predictions, or score what is there with --allow-missing."
    if missing and not allow_missing:
        raise CorpusError(f"Dialogue {missing[0]!r} of the {benchmark.split} split is not predicted"
                          f"{and_more(len(missing) - 1, 'dialogues')}. {allow}")
    if short and not allow_missing:
        raise CorpusError(f"Dialogue {short[0]!r} has {counts[short[0]][0]} predicted turns of {counts[short[0]][1]}"
                          f"{and_more(len(short) - 1, 'dialogues')}. {allow}")
    return len(missing), sum(expected - predicted for predicted, expected in counts.values())


def _turn(turn: Any, position: int, where: str) -> PredictedTurn:
    fields = mapping(turn, where)
    if fields.get("turn_id", position) not in (position, str(position)):
        raise CorpusError(f"{where}: its turn_id is {fields['turn_id']!r}. Turns come in order and are counted from 0.")
    if not isinstance(fields.get("response"), str):
        raise CorpusError(f"{where}: 'response' should be text, found {fields.get('response')!r:.80}.")
    domains = fields.get("active_domains")
    if domains is not None and not (isinstance(domains, list) and all(isinstance(domain, str) for domain in domains)):
        raise CorpusError(f"{where}: 'active_domains' should be a list of domains, found {domains!r:.80}.")
    state = fields.get("state")
    return PredictedTurn(fields["response"], None if state is None else _state(state, where),
                         None if domains is None else tuple(domains))


def _state(state: Any, where: str) -> BeliefState:
    normalised: dict[str, dict[str, str]] = {}
    for domain, slots in mapping(state, f"{where}, 'state'").items():
        normalised[domain] = {}
        for name, value in mapping(slots, f"{where}, state of {domain!r}").items():
            if not isinstance(value, str):
                raise CorpusError(f"{where}: the value of {domain!r} {name!r} should be text, found {value!r:.80}.")
            slot = normalised_slot(name)
            normalised[domain][slot] = normalised_value(slot, value)
    return normalised


def _all_or_none(predictions: Predictions, key: str, path: Path) -> None:
    named = {"state": "state", "domains": "active_domains"}[key]
    turns = [(dialogue, i) for dialogue, of_dialogue in predictions.items() for i in range(len(of_dialogue))]
    without = [(dialogue, i) for dialogue, i in turns if getattr(predictions[dialogue][i], key) is None]
    if without and len(without) < len(turns):
        raise CorpusError(f"{path}: turn {without[0][1]} of dialogue {without[0][0]!r} has no {named!r}"
                          f"{and_more(len(without) - 1, 'turns')}, but other turns have. Give it in every turn or in none.")
