"""A group's scores, and how they differ from those of another group on the same turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nc_latent_tod.api.evaluate import Evaluation
from nc_latent_tod.cli.views.scores import show_scores

if TYPE_CHECKING:
    from nc_latent_tod.evaluation.labels.bootstrap import Estimate


def show_evaluation(evaluation: Evaluation) -> RenderableType:
    """The scores' tables, then the comparison; a difference whose interval leaves out 0 is marked."""
    if evaluation.against is None:
        return show_scores(evaluation.scores)
    against = evaluation.against
    table = Table("metric", "value", f"of {escape(against.group_id)}", "difference", "95% interval, paired", "",
                  title=Text(f"Against {against.group_id}"), title_justify="left")
    for metric, difference in against.difference.items():
        interval = "" if difference.low is None else f"{difference.low:+.3f} to {difference.high:+.3f}"
        table.add_row(metric.replace("_", " "), _number(evaluation.scores.overall[metric]), _number(against.overall[metric]),
                      _number(difference, "+"), interval, _verdict(difference))
    return Group(show_scores(evaluation.scores), table)


def _number(estimate: Estimate, sign: str = "") -> str:
    return "-" if estimate.value is None else f"{estimate.value:{sign}.3f}"


def _verdict(difference: Estimate) -> str:
    if difference.low is None or difference.high is None or difference.low <= 0 <= difference.high:
        return ""
    return "higher" if difference.low > 0 else "lower"
