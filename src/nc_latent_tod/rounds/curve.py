"""What a budget of corrections buys: rounds with an oracle on a labelled group, as `curve.json`, `.csv` and `.svg`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nc_latent_tod.annotation.selection import STRATEGIES, Strategy
from nc_latent_tod.api.annotate import vectors_of
from nc_latent_tod.api.apply import menus_of
from nc_latent_tod.api.connect import manifest_at
from nc_latent_tod.api.groups import rows_of, runs_of, schema_of_group
from nc_latent_tod.corpus.gold.load import GoldTurns, load_gold
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.labels import Example, by_dialogue
from nc_latent_tod.rounds.active import Plan, Point, intervals, row, simulated, untouched_dialogues
from nc_latent_tod.rounds.curve_picture import curve_svg
from nc_latent_tod.system.files import write_bytes


def simulate_rounds(group_id: str, plan: Plan, *, manifest: str, gold: str, out: Path, gold_format: str = "auto",
                    schema: str | None = None, entities: str | None = None, seconds_a_turn: float = 30.0,
                    report: Callable[[str], None] = lambda line: None) -> list[dict[str, Any]]:
    """Run the plan and write `out`/curve.json, curve.csv, curve.svg and intervals.json; the intervals.

    Raises `ConfigError` where a strategy is unknown, gold is missing for a turn, or nothing would be left to select from.
    """
    _check(plan)
    entries = runs_of(manifest, group_id)
    known = load_schema(schema) if schema else schema_of_group(manifest_at(manifest, group_id), group_id)
    golden = load_gold(gold, gold_format, known)
    dialogues = list(by_dialogue(e for e in rows_of(entries) if not e.label.is_human).values())
    _check_gold(dialogues, golden, gold)
    ids = [turns[0].turn.dialogue_id for turns in dialogues]
    held = untouched_dialogues(ids, plan.untouched)
    mask = np.array([dialogue_id in held for dialogue_id in ids])
    turns = [example for part in dialogues for example in part]
    vectors = {}
    if any("diversity" in Strategy(name).objectives for name in plan.strategies):
        vectors = dict(zip((e.turn.key for e in turns), vectors_of(turns, entries, known, report), strict=True))
    points: list[Point] = []
    for point in simulated(dialogues, menus_of(entries, known, entities), golden, plan, vectors):
        points.append(point)
        told = row(point, mask, seconds_a_turn)
        report(f"{point.strategy}, seed {point.seed}, round {point.round}: {point.corrected} turns, joint goal accuracy "
               f"{told['joint_goal_accuracy_untouched']:.4f} untouched, {told['joint_goal_accuracy']:.4f} on the whole")
    found = intervals(points, mask)
    _write(out, [row(point, mask, seconds_a_turn) for point in points], found, f"{group_id}: joint goal accuracy of "
           f"{plan.untouched} untouched dialogues")
    return found


def _check(plan: Plan) -> None:
    for name in plan.strategies:
        if name not in STRATEGIES:
            raise ConfigError(f"There is no strategy {name!r}.{nearest(name, STRATEGIES)} There are: {', '.join(STRATEGIES)}.")


def _check_gold(dialogues: Sequence[Sequence[Example]], gold: GoldTurns, path: str) -> None:
    missing = [example.turn.key for turns in dialogues for example in turns if example.turn.key not in gold]
    if missing:
        raise ConfigError(f"{path} has no gold for {len(missing)} turns of the group, turn {missing[0][1]} of dialogue "
                          f"{missing[0][0]!r} for one: the oracle could not correct them. Are labels and gold of one split?")


def _write(out: Path, rows: Sequence[dict[str, Any]], found: Sequence[dict[str, Any]], title: str) -> None:
    write_bytes(out / "curve.json", f"{json.dumps(rows, indent=1)}\n".encode())
    write_bytes(out / "intervals.json", f"{json.dumps(found, indent=1)}\n".encode())
    table = io.StringIO()
    writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_bytes(out / "curve.csv", table.getvalue().encode())
    write_bytes(out / "curve.svg", curve_svg(found, title).encode())
