"""Corrections laid over the labels that they correct: what a group says once a person has spoken.

A corrected turn takes the person's change and acts, and the later states of its dialogue are computed anew. Nothing else
changes: the examples of other dialogues are the very same objects. Corrections are told by their provenance, so the rows of a
group, in any order and of any number of rounds, give the same labels.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from nc_latent_tod.annotation.corrections import Correction
from nc_latent_tod.labels import Act, Example, Label, StateChange, apply_change
from nc_latent_tod.notation.delexicalise import delexicalise

SOURCE, HUMAN = "label_source", "human"
"""The provenance of a corrected label: see `Label.is_human`."""

REPLACED = "replaced"
"""In its provenance: what was predicted, as JSON of `change` and `acts`."""


def corrections_of(examples: Iterable[Example]) -> dict[tuple[str, int], Example]:
    """The corrected turns among the rows of a group; of a turn that several rounds correct, the latest round's."""
    found: dict[tuple[str, int], Example] = {}
    for example in (e for e in examples if e.label.is_human):
        before = found.get(example.turn.key)
        if before is None or _order(before) < _order(example):
            found[example.turn.key] = example
    return found


def with_corrections(examples: Sequence[Example]) -> list[Example]:
    """The labels of a group given all its rows: one a turn, corrections before predictions, in the order of the predictions.

    A corrected turn keeps its run and has no candidates: nothing was weighed. Corrections of turns that nobody labelled are
    left out.
    """
    corrected = corrections_of(examples)
    predicted = [example for example in examples if not example.label.is_human]
    if not corrected:
        return predicted
    touched = {dialogue_id for dialogue_id, _ in corrected}
    rows: dict[str, list[Example]] = {}
    for example in predicted:
        if example.turn.dialogue_id in touched:
            rows.setdefault(example.turn.dialogue_id, []).append(example)
    changed = {example.turn.key: example for turns in rows.values() for example in _propagated(turns, corrected)}
    return [changed.get(example.turn.key, example) for example in predicted]


def corrected_example(predicted: Example, correction: Correction, run_id: str) -> Example:
    """The row that keeps a correction of the label `predicted`: the person's label, and in its provenance what it replaced."""
    change, acts = correction.change, tuple(sorted(correction.acts))
    provenance = {
        **predicted.label.provenance, SOURCE: HUMAN, "round": str(correction.round), "annotator": correction.annotator,
        "verdict": correction.verdict, "time": correction.time, "seconds": f"{correction.seconds:g}",
        "comment": correction.comment,
        REPLACED: json.dumps({"change": predicted.label.change, "acts": [asdict(act) for act in predicted.label.acts]})}
    label = Label(apply_change(predicted.prior_state, change), change, acts,
                  delexicalise(predicted.turn.system_response, acts), {}, provenance)
    return Example(predicted.turn, predicted.prior_state, label, run_id)


def replaced(example: Example) -> tuple[StateChange, tuple[Act, ...]] | None:
    """The change and the acts that a correction replaced; None where the label is no correction."""
    if not example.label.is_human or REPLACED not in example.label.provenance:
        return None
    told: Mapping[str, Any] = json.loads(example.label.provenance[REPLACED])
    return told["change"], tuple(Act(**act) for act in told["acts"])


def _order(example: Example) -> int:
    return int(example.label.provenance.get("round", "0"))


def _propagated(turns: Sequence[Example], corrected: Mapping[tuple[str, int], Example]) -> list[Example]:
    """The turns of one dialogue with corrections in place and the states after them computed anew."""
    found: list[Example] = []
    state: Mapping[str, Mapping[str, str]] | None = None  # None before the first correction: those turns stay as they are
    for example in sorted(turns, key=lambda e: e.turn.turn_id):
        person = corrected.get(example.turn.key)
        if person is None and state is None:
            found.append(example)
            continue
        prior = example.prior_state if state is None else state
        label = person.label if person else example.label
        state = apply_change(prior, label.change)
        found.append(replace(example, prior_state=prior, label=replace(label, state=state)))
    return found
