"""Confidence against gold: errors by bin worked out by hand, and temperatures that are known to be right."""

from __future__ import annotations

import json
import math
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from toy_schema import SCHEMA, SERVICES
from typer.testing import CliRunner

from nc_latent_tod.cli import app
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.evaluation.labels.calibration import calibrate, fit_temperature, reliability
from nc_latent_tod.labels import Act, Candidate, Example, Gold, Label, TaskLabel, gold_label
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.publishing.abstention import read_temperatures
from nc_latent_tod.reporting.reliability import reliability_svg

EAST, NORTH = {"stay": {"area": "east"}}, {"stay": {"area": "north"}}
TEXT = {"east": '[agent.find_stay(area="east")]', "north": '[agent.find_stay(area="north")]'}


def test_the_calibration_error_is_the_weighted_gap_of_the_bins():
    # 0.9-1.0: two labels at 0.95, one right; 0.2-0.3: two at 0.25, none right
    found = reliability([(0.95, True), (0.95, False), (0.25, False), (0.25, False)])
    assert found.ece == pytest.approx((2 * 0.45 + 2 * 0.25) / 4)
    assert found.brier == pytest.approx((0.05**2 + 0.95**2 + 2 * 0.25**2) / 4)
    assert (found.accuracy, found.confidence) == (pytest.approx(0.25), pytest.approx(0.6))
    assert [b.count for b in found.bins] == [0, 0, 2, 0, 0, 0, 0, 0, 0, 2]
    assert reliability([(1.0, True)]).bins[9].count == 1


def test_the_temperature_of_scores_that_are_too_large_by_a_factor_is_that_factor():
    rng = np.random.default_rng(0)
    gaps = rng.uniform(0, 4, 4000)
    right = rng.random(4000) < 1 / (1 + np.exp(-gaps))  # two readings whose true log-odds is the gap
    rows = [([3 * gap, 0.0], 3 * gap, bool(is_right)) for gap, is_right in zip(gaps, right, strict=True)]
    assert fit_temperature(rows) == pytest.approx(3.0, rel=0.1)


def test_turns_that_say_nothing_leave_the_temperature_at_1():
    assert fit_temperature([]) == 1.0
    assert fit_temperature([([-1.0], -1.0, False), ([-math.inf, -math.inf], -math.inf, True)]) == 1.0


def pair(i: int, chosen: str, gap: float, gold: dict, acts: tuple[Act, ...] = (),
         has_acts: bool = True) -> tuple[Example, Gold]:
    other = "north" if chosen == "east" else "east"
    dst = TaskLabel((Candidate(TEXT[chosen], score=gap), Candidate(TEXT[other], score=0.0)), 0)
    state = {"stay": {"area": chosen}}
    said = TaskLabel((Candidate("[Goodbye()]", score=0.0),), 0)
    label = Label(state, state, (Act("Goodbye"),), "", {"dst": dst, "act_tag": said})
    return Example(Turn(f"d{i}", 0, "", "u", "s"), {}, label), Gold(gold_label(gold, {}, acts), has_acts=has_acts)


def test_every_kind_of_label_is_judged_against_gold():
    pairs = [pair(0, "east", math.log(3), EAST, (Act("Goodbye"),)), pair(1, "east", math.log(3), NORTH),
             pair(2, "north", math.log(3), NORTH, has_acts=False)]
    raw = calibrate(pairs, SCHEMA).raw
    assert {kind: (r.count, round(r.accuracy, 3), round(r.confidence, 3)) for kind, r in raw.items()} == {
        "dst": (3, 0.667, 0.75), "state": (3, 0.667, 0.75), "slot": (3, 0.667, 0.75), "act_tag": (2, 0.5, 1.0),
        "act": (2, 0.5, 1.0)}


def test_a_deletion_is_right_where_gold_lacks_the_slot():
    dst = TaskLabel((Candidate("[agent.find_stay(area=None)]", score=0.0),), 0)
    example = Example(Turn("d", 1, "", "u", "s"), EAST, Label({}, {"stay": {"area": None}}, (), "", {"dst": dst}))
    assert calibrate([(example, Gold(gold_label({}, EAST, ())))], SCHEMA).raw["slot"].accuracy == 1.0
    assert calibrate([(example, Gold(gold_label(EAST, EAST, ())))], SCHEMA).raw["slot"].accuracy == 0.0


def test_a_fit_is_judged_on_dialogues_that_it_has_not_seen():
    rng = np.random.default_rng(1)
    pairs = [pair(i, "east", 9.0, EAST if rng.random() < 0.7 else NORTH) for i in range(60)]  # sure, and wrong 3 times in 10
    found = calibrate(pairs, SCHEMA)
    assert found.raw["dst"].ece > 0.2 > 0.15 > found.fitted["dst"].ece
    assert found.fitted["dst"].ece > 0  # 0 if it were judged on what it was fitted to
    assert found.temperature["act_tag"] == 1.0


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)


def test_the_picture_has_a_point_for_every_bin_with_labels():
    found = calibrate([pair(i, "east", math.log(3), EAST) for i in range(4)], SCHEMA)
    tags = Elements(reliability_svg(found.raw, found.fitted)).tags
    assert tags[0] == "svg"
    assert tags.count("circle") == 2 * len(found.raw)  # all labels of a kind are in one bin, before and after


def test_the_command_writes_what_publish_reads_from_the_dialogues_that_have_gold(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(2)
    pairs = [pair(i, "east", 9.0, EAST if rng.random() < 0.7 else NORTH) for i in range(30)]
    digest = write_examples("labels.jsonl", [example for example, _ in pairs])
    LocalManifest("manifest").add(ManifestEntry("g", "r", 30, "labels.jsonl", "train", "labels.jsonl", digest, 30, 0))
    write_examples("gold.jsonl", [Example(example.turn, {}, gold.label) for example, gold in pairs[:20]])
    Path("schema.json").write_text(json.dumps(SERVICES))
    command = ["calibrate", "--group-id", "g", "--gold", "gold.jsonl", "--schema", "schema.json", "--to", "t.json", "--picture",
               "r.svg"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "note: 10 dialogues of the group have no gold" in done.output + done.stderr
    assert "20 dialogues, 20 turns" in done.output
    assert read_temperatures("t.json")["dst"] > 5
    assert Path("r.svg").read_text().startswith("<svg")


def test_without_any_schema_the_command_asks_for_one(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    example, gold = pair(0, "east", 1.0, EAST)
    digest = write_examples("labels.jsonl", [example])
    LocalManifest("manifest").add(ManifestEntry("g", "r", 1, "labels.jsonl", "train", "labels.jsonl", digest, 1, 0))
    write_examples("gold.jsonl", [Example(example.turn, {}, gold.label)])
    done = CliRunner().invoke(app, ["calibrate", "--group-id", "g", "--gold", "gold.jsonl"])
    assert done.exit_code == 2
    assert "with --schema" in done.output + done.stderr
