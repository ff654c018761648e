"""Scores of a group's labels against gold."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nc_latent_tod.api.connect import manifest_at
from nc_latent_tod.cli.console import remark
from nc_latent_tod.corpus.gold.load import GoldTurns
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.schemas import PACKAGED, load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.evaluation.labels.bootstrap import Estimate
from nc_latent_tod.evaluation.labels.scores import PER_SERVICE, PER_TURN, Pair, Scores, pair
from nc_latent_tod.schema import Schema


def group_pairs(manifest: str, group_id: str, gold: GoldTurns, *, part: bool = False) -> list[Pair]:
    """The labels of all finished runs of a group with their gold; with `part`, of the dialogues that have gold.

    Raises `ConfigError` where there is no run, or gold is missing for a turn.
    """
    entries = manifest_at(manifest, group_id).entries(group_id)
    if not entries:
        raise ConfigError(f"The manifest {manifest!r} has no finished run of group {group_id!r}.")
    examples = [example for entry in entries for example in read_examples(entry.labels_url, entry.sha256)]
    annotated = {dialogue_id for dialogue_id, _ in gold}
    known = [example for example in examples if example.turn.dialogue_id in annotated] if part else examples
    if left_out := len({e.turn.dialogue_id for e in examples} - annotated) if part and known else 0:
        remark(f"note: {left_out} dialogues of the group have no gold and are left out.")
    return pair(known or examples, gold)


def schema_of(gold: str, schema: str | None) -> Schema | None:
    """The schema that is named, else that of the packaged gold, else the `schema.json` with the gold or above, else None."""
    if schema is not None or gold.startswith(PACKAGED):
        return load_schema(schema or f"{PACKAGED}schema")
    path = Path(gold)
    return next((load_schema(place) for place in (path, path.parent) if (place / "schema.json").is_file()), None)


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
