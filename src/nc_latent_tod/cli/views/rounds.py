"""Rounds as a table for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from nc_latent_tod.rounds.em import Round

_SHOWN = {"joint_goal_accuracy": "joint goal accuracy", "slot_f1": "slot F1", "act_f1": "act F1",
          "act_slot_value_f1": "act slot value F1"}


def rounds_table(rounds: Sequence[Round]) -> Table:
    """A row for every figure and a column for every round."""
    table = Table("", *(f"round {one.number}" for one in rounds))
    for metric, name in _SHOWN.items() if any(one.scores for one in rounds) else ():
        table.add_row(name, *(_interval(one.scores, metric) for one in rounds))
        if len(rounds) > 1:
            table.add_row("  less round 0, paired", *(_interval(one.against_first, metric, "+") for one in rounds))
    rows: dict[str, list[float | None]] = {
        "same changes as before": [one.agreement.change if one.agreement else None for one in rounds],
        "same states as before": [one.agreement.state if one.agreement else None for one in rounds],
        "same acts as before": [one.agreement.acts if one.agreement else None for one in rounds],
        "self-consistency": [one.health.consistency for one in rounds],
        "confidence": [one.health.confidence for one in rounds],
        "unparsable samples": [one.health.unparsable for one in rounds],
        "failed turns": [one.health.failed_turns for one in rounds]}
    for name, values in rows.items():
        table.add_row(name, *("-" if value is None else f"{value:.3f}" for value in values))
    return table


def _interval(scores: Mapping[str, Any], metric: str, sign: str = "") -> str:
    if not scores or scores[metric][0] is None:
        return "-"
    value, low, high = scores[metric]
    return f"{value:{sign}.3f}" + ("" if low is None else f"\n({low:{sign}.3f} to {high:{sign}.3f})")
