"""What people answered in the same dialogues: delexicalised responses to compare with, and annotated states.

From a folder in the MultiWOZ 2.2 layout with its `dialog_acts.json`, or from a JSON file in the format of predictions
(or with a response alone for each turn) whose text is delexicalised already, with placeholders in brackets or, nowhere
a bracket, in the common notation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.formats.json_files import json_document, mapping
from nc_latent_tod.corpus.formats.sgd import dialogue_files, schema_guided_rows, turns_of
from nc_latent_tod.corpus.formats.speakers import exchanges
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.errors import CorpusError
from nc_latent_tod.evaluation.responses.benchmark import and_more, dialogue_key
from nc_latent_tod.evaluation.responses.multiwoz import DONTCARE
from nc_latent_tod.evaluation.responses.placeholders import normalised_response
from nc_latent_tod.evaluation.responses.predictions import Predictions
from nc_latent_tod.evaluation.responses.values import normalised_slot, normalised_value
from nc_latent_tod.labels import BeliefState
from nc_latent_tod.notation.delexicalise import delexicalise

Turn = tuple[str, int]
"""Dialogue id in lower case without `.json`, turn from 0."""


@dataclass(frozen=True, slots=True)
class References:
    """What is known of the annotated dialogues."""

    responses: Mapping[Turn, str]  # in the common notation
    source: str  # how they were delexicalised: given, spans, or values of acts
    states: Mapping[Turn, BeliefState] = field(default_factory=dict)  # slots and values normalised; empty for a file


def load_references(path: Path, names: Mapping[str, str] | None = None) -> References:
    """Read references. Responses of a folder are delexicalised by the spans of its `dialog_acts.json` where it has spans,
    as the standard evaluator does, else by the values of its acts. `names`: those of the benchmark. Raises `CorpusError`."""
    if path.is_dir():
        return _from_folder(path, names or {})
    responses: dict[Turn, str] = {}
    for dialogue, turns in mapping(json_document(path), str(path)).items():
        for i, turn in enumerate(turns):
            text = turn.get("response") if isinstance(turn, Mapping) else turn
            if not isinstance(text, str):
                raise CorpusError(f"{path}: dialogue {dialogue!r}, turn {i}: expected a response, found {turn!r:.80}.")
            responses[dialogue_key(dialogue), i] = text
    is_bracketed = any("[" in text for text in responses.values())
    return References(_in_common_notation(responses, names or {}) if is_bracketed else responses, "given")


def require(turns: Iterable[Turn], known: Mapping[Turn, Any], what: str) -> None:
    """Raise `CorpusError` unless every turn is known; the first is named, the rest are counted."""
    absent = [turn for turn in turns if turn not in known]
    if absent:
        raise CorpusError(f"The references have no {what} for turn {absent[0][1]} of dialogue {absent[0][0]!r}"
                          f"{and_more(len(absent) - 1, 'turns')}. Give the references of the split that is scored.")


def turns_in(predictions: Predictions) -> list[Turn]:
    """Every predicted turn."""
    return [(dialogue, i) for dialogue, turns in predictions.items() for i in range(len(turns))]


def _from_folder(folder: Path, names: Mapping[str, str]) -> References:
    if not dialogue_files(folder):
        raise CorpusError(f"{folder}: no dialogues*.json here. References are read from a folder of one split in the layout of "
                          "MultiWOZ 2.2, or from a JSON file of responses.")
    gold = load_gold(folder, "multiwoz")
    beside = next((file for file in (folder / "dialog_acts.json", folder.parent / "dialog_acts.json") if file.is_file()), None)
    annotated = mapping(json_document(beside), str(beside)) if beside else {}
    responses, spans_used = {}, False
    for where, row in schema_guided_rows(folder):
        turns, dialogue = turns_of(row, where), str(row.get("dialogue_id"))
        for i, exchange in enumerate(exchanges([turn.get("speaker", "") for turn in turns], where=where)):
            said = []
            for position in exchange.response:
                text = str(turns[position].get("utterance", ""))
                spans = annotated.get(dialogue, {}).get(str(position), {}).get("span_info")
                spans_used |= spans is not None
                said.append(delexicalise(text, gold[dialogue, i].label.acts) if spans is None else _without(spans, text))
            responses[dialogue_key(dialogue), i] = "\n".join(said)
    states = {(dialogue_key(dialogue), i): _state(one.label.state) for (dialogue, i), one in gold.items()}
    return References(_in_common_notation(responses, names), "spans" if spans_used else "values of acts", states)


def _in_common_notation(responses: Mapping[Turn, str], names: Mapping[str, str]) -> dict[Turn, str]:
    return {turn: normalised_response(text, names).text for turn, text in responses.items()}


def _without(spans: Sequence[Sequence[Any]], text: str) -> str:
    """`text` with `[slot]` in place of each annotated span (act, slot, value, start, end); of two that overlap, the first."""
    parts, end_before = [], 0
    for _, slot, value, start, end in sorted(spans, key=lambda span: span[3]):
        if start >= end_before and value not in DONTCARE:
            parts += [text[end_before:start], f"[{slot}]"]
            end_before = end
    return "".join([*parts, text[end_before:]])


def _state(state: BeliefState) -> BeliefState:
    return {domain: {normalised_slot(slot): normalised_value(normalised_slot(slot), value) for slot, value in slots.items()
                     if value not in DONTCARE} for domain, slots in state.items()}
