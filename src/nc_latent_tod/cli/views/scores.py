"""Scores of a group's labels against gold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nc_latent_tod.api.evaluate import PER_SERVICE, PER_TURN, Scores

if TYPE_CHECKING:
    from nc_latent_tod.evaluation.labels.bootstrap import Estimate


def show_scores(scores: Scores, only: Collection[str] = ()) -> RenderableType:
    """Overall scores with intervals, those of each service, and failures by reason; with `only`, those overall scores alone."""
    overall = Table("metric", "value", "95% interval", title=f"{scores.dialogues} dialogues, {scores.turns} turns",
                    title_justify="left")
    for metric, estimate in scores.overall.items():
        if not only or metric in only:
            overall.add_row(metric.replace("_", " "), *_cells(estimate))
    parts: list[RenderableType] = [overall]
    if scores.by_service and not only:
        parts.append(_scoped("service", scores.by_service, PER_SERVICE))
        parts.append(_scoped("turn", scores.by_turn, PER_TURN))
    parts += [Text(f"{count} turns failed: {reason}", style="red") for reason, count in scores.failures.items()]
    return Group(*parts)


def _scoped(scope: str, scores: Mapping[Any, Mapping[str, Estimate]], metrics: Sequence[str]) -> Table:
    table = Table(scope, *(metric.replace("_", " ") for metric in metrics), title=f"By {scope}", title_justify="left",
                  show_edge=False, pad_edge=False)
    for column in table.columns:  # on a narrow terminal headings are broken; no name and no number is cut off
        column.overflow = "fold"
    table.columns[0].no_wrap = True
    for name, estimates in scores.items():
        table.add_row(Text(str(name)), *(_cells(estimates[metric])[0] for metric in metrics))
    return table


def _cells(estimate: Estimate) -> tuple[str, str]:
    if estimate.value is None:
        return "-", "nothing to count"
    interval = "" if estimate.low is None else f"{estimate.low:.3f} to {estimate.high:.3f}"
    return f"{estimate.value:.3f}", interval
