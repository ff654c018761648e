"""Labelled dialogues as plain JSON data for a reader: turns, changes, acts, candidates and why one was chosen, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nc_latent_tod.annotation.overlay import replaced
from nc_latent_tod.evaluation.labels.calibration import right_by_task
from nc_latent_tod.evaluation.labels.sums import act_key
from nc_latent_tod.labels import Act, Example, Gold, TaskLabel
from nc_latent_tod.ranking.confidence import (
    TASKS,
    TaskConfidence,
    Temperatures,
    TurnConfidence,
    shares,
    task_confidence,
    turn_confidence,
)
from nc_latent_tod.ranking.reasons import reason
from nc_latent_tod.schema import Schema

CANDIDATES = 5  # of a task that are shown, and the chosen one
DIGITS = 3


def shown_dialogues(dialogues: Sequence[Sequence[Example]], schema: Schema, gold: Mapping[tuple[str, int], Gold] | None,
                    temperatures: Temperatures, most: int) -> list[dict[str, Any]]:
    """At most `most` dialogues, worst first: with gold by wrong readings, then by the least sure reading; failures are 0."""
    worst = sorted(dialogues, key=lambda turns: (-_wrong(turns, gold), _least_sure(turns, temperatures),
                                                 turns[0].turn.dialogue_id))
    return [_dialogue(turns, schema, gold, temperatures) for turns in worst[:most]]


def _dialogue(turns: Sequence[Example], schema: Schema, gold: Mapping[tuple[str, int], Gold] | None,
              temperatures: Temperatures) -> dict[str, Any]:
    labels = [example.label for example in turns]
    slots = sorted({f"{service}.{slot}" for label in labels for service, held in label.change.items() for slot in held}
                   | {f"{act.service}.{act.slot}" for label in labels for act in label.acts if act.slot})
    services = sorted({slot.split(".")[0] for slot in slots} | {a.service for label in labels for a in label.acts if a.service})
    return {"id": turns[0].turn.dialogue_id, "run": turns[0].run_id, "services": services, "slots": slots,
            "sure": _rounded(_least_sure(turns, temperatures)), "failed": sum(bool(label.failures) for label in labels),
            "wrong": _wrong(turns, gold) if gold is not None else None,
            "turns": [_turn(example, schema, gold, temperatures) for example in turns]}


def _turn(example: Example, schema: Schema, gold: Mapping[tuple[str, int], Gold] | None,
          temperatures: Temperatures) -> dict[str, Any]:
    turn, label = example.turn, example.label
    expected = gold[turn.key] if gold is not None else None
    sure = turn_confidence(example, schema, temperatures)
    right = right_by_task(example, expected) if expected else {}
    row: dict[str, Any] = {
        "said": turn.last_system_utterance if turn.turn_id == 0 else "", "user": turn.user_utterance,
        "system": turn.system_response, "before": example.prior_state, "state": label.state,
        "change": [[service, slot, value, _rounded(sure.slots.get((service, slot)))]
                   for service, held in label.change.items() for slot, value in held.items()],
        "acts": _acts(label.acts, sure),
        "tasks": {task: _task(label.tasks[task], sure.tasks.get(task), temperatures.get(task, 1.0), right.get(task))
                  for task in TASKS if task in label.tasks}}
    if before := replaced(example):
        change, acts = before
        row["corrected"] = {"by": label.provenance.get("annotator", ""), "round": label.provenance.get("round", ""),
                            "change": [[service, slot, value] for service, held in change.items()
                                       for slot, value in held.items()],
                            "acts": [[act.act, act.service, act.slot, act.value] for act in acts]}
    if expected:
        row["gold"] = {"change": [[service, slot, value] for service, held in expected.label.change.items()
                                  for slot, value in held.items()],
                       "acts": [list(act_key(act)) for act in expected.label.acts] if expected.has_acts else None}
    return row


def _acts(acts: Sequence[Act], sure: TurnConfidence) -> list[list[Any]]:
    known = sure.acts or [None] * len(acts)
    return [[act.act, act.service, act.slot, act.value, _rounded(share)] for act, share in zip(acts, known, strict=True)]


def _task(outcome: TaskLabel, sure: TaskConfidence | None, temperature: float, right: bool | None) -> dict[str, Any]:
    found = shares(outcome, temperature)
    places = [i for i in range(len(outcome.candidates)) if i < CANDIDATES or i == outcome.chosen]
    return {
        "why": reason(outcome), "failure": outcome.failure, "right": right, "examples": len(outcome.retrieved),
        "share": _rounded(sure.share) if sure else None, "more": len(outcome.candidates) - len(places),
        "candidates": [[c.text, _rounded(c.score), _rounded(found[i]) if c.error is None else None, c.count, c.source, c.error,
                        i == outcome.chosen] for i, c in ((i, outcome.candidates[i]) for i in places)]}


def _wrong(turns: Sequence[Example], gold: Mapping[tuple[str, int], Gold] | None) -> int:
    if gold is None:
        return 0
    return sum(is_right is False for example in turns
               for is_right in right_by_task(example, gold[example.turn.key]).values())


def _least_sure(turns: Sequence[Example], temperatures: Temperatures) -> float:
    found = [1.0]
    for example in turns:
        for task, outcome in example.label.tasks.items():
            known = task_confidence(outcome, temperatures.get(task, 1.0))
            found.append(0.0 if outcome.failure else known.share if known else 1.0)
    return min(found)


def _rounded(value: float | None) -> float | None:
    return None if value is None or value != value or abs(value) == float("inf") else round(value, DIGITS)
