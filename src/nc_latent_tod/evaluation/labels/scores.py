"""How good labels are against gold: joint goal accuracy, turn accuracy, slots, acts, failures, with bootstrap intervals.

Every metric is a ratio of two sums over dialogues, `numerator / denominator`: an accuracy counts right turns over turns,
F1 is 2 TP over (predicted + gold). So a dialogue is one row of sums, and a resample of dialogues is a weighted sum of rows.
Values are compared after `normalised`: case, runs of spaces, and the ways to say "dontcare"; where the gold accepts
several, any of them is right. Fuzzy joint goal accuracy counts a nearly right value of an open slot in part.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from nc_latent_tod.errors import ConfigError
from nc_latent_tod.evaluation.labels.bootstrap import Estimate, estimate, ratio, resampled
from nc_latent_tod.evaluation.labels.sums import Sums, add_turn, categorical_slots
from nc_latent_tod.labels import Example, Gold
from nc_latent_tod.schema import Schema

Pair = tuple[Example, Gold]

OVERALL = ("joint_goal_accuracy", "fuzzy_joint_goal_accuracy", "turn_accuracy", "slot_precision", "slot_recall", "slot_f1",
           *(f"{level}_{part}" for level in ("act", "act_slot", "act_slot_value") for part in ("precision", "recall", "f1")),
           "failed_turns")
PER_SERVICE = ("joint_goal_accuracy", "slot_precision", "slot_recall", "slot_f1", "act_f1", "act_slot_value_f1")
PER_TURN = ("joint_goal_accuracy", "turn_accuracy", "slot_f1", "act_f1", "act_slot_value_f1", "failed_turns")


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics in [0, 1], by name."""

    dialogues: int
    turns: int
    overall: Mapping[str, Estimate]  # OVERALL
    by_service: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)  # PER_SERVICE
    by_turn: Mapping[int, Mapping[str, Estimate]] = field(default_factory=dict)  # PER_TURN by position, from 0
    failures: Mapping[str, int] = field(default_factory=dict)  # turns by "task: reason"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; an undefined metric is null."""
        return asdict(self)

    def rows(self) -> list[tuple[str, str, Estimate]]:
        """(service or "all", metric, estimate) for a table, overall metrics first."""
        services = [(service, metric, value) for service, metrics in self.by_service.items()
                    for metric, value in metrics.items()]
        return [("all", metric, value) for metric, value in self.overall.items()] + services


def pair(predictions: Iterable[Example], gold: Mapping[tuple[str, int], Gold]) -> list[Pair]:
    """Match predictions with gold by dialogue and turn.

    Raises `ConfigError` where a predicted turn has no gold, comes twice, or a gold turn of a predicted dialogue has no
    prediction; dialogues that are in the gold alone are not evaluated.
    """
    matched: dict[tuple[str, int], Pair] = {}
    unknown, repeated = [], []
    for example in predictions:
        key = example.turn.key
        if key not in gold:
            unknown.append(key)
        elif key in matched:
            repeated.append(key)
        else:
            matched[key] = (example, gold[key])
    dialogues = {dialogue_id for dialogue_id, _ in matched}
    missing = [key for key in gold if key[0] in dialogues and key not in matched]
    for keys, problem in ((unknown, "has no gold: are labels and gold of the same corpus and split?"),
                          (repeated, "is predicted twice: evaluate one run at a time, or runs over different splits."),
                          (missing, "is in the gold but has no prediction: the labels are incomplete.")):
        if keys:
            more = f" ({len(keys) - 1} more turns like it.)" if len(keys) > 1 else ""
            raise ConfigError(f"Turn {keys[0][1]} of dialogue {keys[0][0]!r} {problem}{more}")
    if not matched:
        raise ConfigError("There are no labelled turns to evaluate.")
    return list(matched.values())


def score(pairs: Sequence[Pair], *, schema: Schema | None = None, resamples: int = 1000, seed: int = 0) -> Scores:
    """Score labels against gold; intervals come from `resamples` seeded resamples of whole dialogues (0: none).

    `schema` says which slots are categorical; without it, all count as open in the fuzzy metric.
    """
    table = _table(pairs, schema)
    samples = resampled(table.sums, resamples, seed)
    estimates = {key: estimate(ratio(table.sums.sum(axis=0))[i], samples[:, i]) for i, key in enumerate(table.keys)}
    reasons = Counter(f"{task}: {reason}" for example, _ in pairs for task, reason in example.label.failures.items())
    return Scores(
        dialogues=len(table.dialogues), turns=len(pairs), overall={name: estimates["", name] for name in OVERALL},
        by_service={service: {name: estimates[f"service:{service}", name] for name in PER_SERVICE}
                    for service in sorted({scope[8:] for scope, _ in table.keys if scope.startswith("service:")})},
        by_turn={turn: {name: estimates[f"turn:{turn}", name] for name in PER_TURN}
                 for turn in sorted({int(scope[5:]) for scope, _ in table.keys if scope.startswith("turn:")})},
        failures=dict(sorted(reasons.items())))


def compare(a: Sequence[Pair], b: Sequence[Pair], *, schema: Schema | None = None, resamples: int = 1000,
            seed: int = 0) -> dict[str, Estimate]:
    """The overall metrics of `a` minus those of `b`, with paired bootstrap intervals over the same dialogues.

    Raises `ConfigError` where the two do not label the same turns.
    """
    turns_a, turns_b = ({e.turn.key for e, _ in pairs} for pairs in (a, b))
    if turns_a != turns_b:
        only = min(turns_a ^ turns_b)
        raise ConfigError(f"Only labels of the same turns can be compared: turn {only[1]} of dialogue {only[0]!r} and "
                          f"{len(turns_a ^ turns_b) - 1} more are in one of the two alone.")
    table_a, table_b = _table(a, schema), _table(b, schema)
    order = [table_b.dialogues.index(d) for d in table_a.dialogues]
    columns = [[table.keys.index(("", name)) for name in OVERALL] for table in (table_a, table_b)]
    sums = np.concatenate([table_a.sums[:, columns[0]], table_b.sums[order][:, columns[1]]], axis=1)
    n = len(OVERALL)
    whole, samples = ratio(sums.sum(axis=0)), resampled(sums, resamples, seed)
    return {name: estimate(whole[i] - whole[n + i], samples[:, i] - samples[:, n + i]) for i, name in enumerate(OVERALL)}


@dataclass(frozen=True, slots=True)
class _Table:
    dialogues: list[str]
    keys: list[tuple[str, str]]
    sums: np.ndarray  # (dialogues, keys, 2): numerator and denominator


def _table(pairs: Sequence[Pair], schema: Schema | None) -> _Table:
    by_dialogue: dict[str, Sums] = {}
    categorical = categorical_slots(schema)
    for example, gold in pairs:
        sums = by_dialogue.setdefault(example.turn.dialogue_id, defaultdict(lambda: [0.0, 0.0]))
        add_turn(sums, example.turn.turn_id, example.label, gold, categorical)
    found = {key for sums in by_dialogue.values() for key in sums}
    services = {scope for scope, _ in found if scope.startswith("service:")}
    keys = sorted(found | {(scope, name) for scope in services for name in PER_SERVICE})
    table = np.zeros((len(by_dialogue), len(keys), 2))
    for row, sums in enumerate(by_dialogue.values()):
        for column, key in enumerate(keys):
            if key in sums:
                table[row, column] = sums[key]
    return _Table(list(by_dialogue), keys, table)
