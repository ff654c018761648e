"""Rounds of correction as tables: the curve of simulated ones, and how far one is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from nc_latent_tod.annotation.agree import Standing


def curve_table(intervals: Sequence[Mapping[str, Any]]) -> Table:
    """A row a strategy and round: joint goal accuracy of untouched dialogues, and the gain over round 0."""
    table = Table("strategy", "round", "corrected", "joint goal accuracy", "gain over round 0", title_justify="left",
                  title="Dialogues that nothing was selected from; 95 % intervals over dialogues and seeds.")
    for row in intervals:
        value, low, high = row["joint_goal_accuracy_untouched"]
        gain, least, most = row["gain"]
        table.add_row(row["strategy"], str(row["round"]), str(row["corrected"]), f"{value:.3f} ({low:.3f} to {high:.3f})",
                      f"{gain:+.3f} ({least:+.3f} to {most:+.3f})")
    return table


def standing_table(found: Standing) -> Table:
    """How far a round is; then the agreement of its annotators."""
    table = Table("", "", show_header=False, title_justify="left", title=f"{found.labelled} of {found.turns} turns labelled")
    table.add_row("unsure", str(found.unsure))
    table.add_row("median time a turn", "not measured" if found.median_seconds is None else f"{found.median_seconds:.1f} s")
    table.add_row("annotators", ", ".join(name or "(no name)" for name in found.annotators) or "none")
    for name, value in found.kappa.items():
        table.add_row(f"Cohen's kappa, {name}", f"{value:.2f}")
    return table
