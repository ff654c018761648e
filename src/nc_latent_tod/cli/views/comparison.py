"""A group's scores, and how they differ from those of another group on the same turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from nc_latent_tod.api.groups import group_pairs, schema_with
from nc_latent_tod.cli.console import remark
from nc_latent_tod.cli.views.scores import show_scores
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.evaluation.labels.bootstrap import Estimate
from nc_latent_tod.evaluation.labels.scores import Pair, Scores, compare, score


@dataclass(frozen=True, slots=True)
class Comparison:
    """What another group scores on the same turns."""

    group_id: str
    overall: Mapping[str, Estimate]
    difference: Mapping[str, Estimate]  # ours minus theirs, paired by dialogue


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a group, alone or beside another."""

    scores: Scores
    against: Comparison | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data: the scores, and `against` where there is another group."""
        return {**self.scores.to_json(), **({"against": asdict(self.against)} if self.against else {})}


def evaluate_groups(manifest: str, group_id: str, against: str | None, *, gold: str, gold_format: str, schema: str | None,
                    resamples: int, seed: int) -> Evaluation:
    """Score a group's finished runs, and compare with those of `against`.

    Raises `ConfigError` where a group has no finished run, gold is missing, or the two do not label the same turns.
    """
    chosen = schema_with(gold, schema)
    known = load_gold(gold, gold_format, chosen)
    ours = group_pairs(manifest, group_id, known)
    offered = {(service.name, slot) for service in (chosen.services if chosen else ()) for slot in service.slots_by_name}
    if chosen and (foreign := sorted(_slots(ours) - offered)):
        service, slot = foreign[0]
        remark(f"note: labels of {group_id!r} have slots that the schema lacks, such as {slot!r} of {service!r}. Were they "
               "made with another one? Name that with --schema.")
    scores = score(ours, schema=chosen, resamples=resamples, seed=seed)
    if against is None:
        return Evaluation(scores)
    theirs = group_pairs(manifest, against, known)
    difference = compare(ours, theirs, schema=chosen, resamples=resamples, seed=seed)
    return Evaluation(scores, Comparison(against, score(theirs, schema=chosen, resamples=0).overall, difference))


def _slots(pairs: Sequence[Pair]) -> set[tuple[str, str]]:
    """(service, slot) of the labels' states."""
    return {(service, slot) for example, _ in pairs for service, slots in example.label.state.items() for slot in slots}


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
