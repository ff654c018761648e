"""`evaluate --against`: two groups on the same turns."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from toy_schema import SERVICES
from typer.testing import CliRunner

from nc_latent_tod.cli import app
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Example, gold_label
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest

GOLD = [Example(Turn(str(d), t, "", "u", "s"), {}, gold_label({"stay": {"area": "east", "name": "acorn guest house"}}, {}, ()))
        for d in range(10) for t in range(2)]


def group(folder: Path, name: str, examples: list[Example]) -> None:
    """Enter `examples` as the labels of one finished run."""
    url = str(folder / f"{name}.jsonl")
    sha256 = write_examples(url, examples)
    LocalManifest(folder / "manifest").add(ManifestEntry(name, "run", len(examples), url, "train", url, sha256))


def labelled(**slots: str) -> list[Example]:
    return [replace(example, label=gold_label({"stay": slots}, {}, ())) for example in GOLD]


def evaluate(folder: Path, *options: object):
    return CliRunner().invoke(app, ["evaluate", "--manifest", str(folder / "manifest"), "--gold",
                                    str(folder / "gold" / "gold.jsonl"), *map(str, options)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Gold, and the groups `right`, `near` (each name nearly right) and `short` (a dialogue less)."""
    (tmp_path / "gold").mkdir()
    write_examples(tmp_path / "gold" / "gold.jsonl", GOLD)
    group(tmp_path, "right", GOLD)
    group(tmp_path, "near", labelled(area="east", name="acorn house"))
    group(tmp_path, "short", GOLD[2:])
    return tmp_path


def test_differences_to_another_group_come_with_paired_intervals(folder):
    shown = evaluate(folder, "--group-id", "near", "--against", "right")
    scores = json.loads(evaluate(folder, "--group-id", "near", "--against", "right", "--json").stdout)

    against = scores["against"]
    assert (against["group_id"], against["overall"]["joint_goal_accuracy"]["value"]) == ("right", 1.0)
    # every turn differs in the same way, so every resample does
    assert against["difference"]["joint_goal_accuracy"] == {"value": -1.0, "low": -1.0, "high": -1.0}
    assert against["difference"]["slot_f1"]["value"] == -0.5
    assert "Against right" in shown.stdout and "lower" in shown.stdout


def test_a_group_does_not_differ_from_itself(folder):
    shown = evaluate(folder, "--group-id", "right", "--against", "right")

    assert "+0.000 to +0.000" in shown.stdout
    assert "higher" not in shown.stdout and "lower" not in shown.stdout


def test_groups_that_label_other_turns_are_not_compared(folder):
    result = evaluate(folder, "--group-id", "right", "--against", "short")

    assert result.exit_code == 2 and result.stdout == ""
    assert "Only labels of the same turns can be compared: turn 0 of dialogue '0' and 1 more" in result.stderr


def test_an_unknown_group_to_compare_with_is_refused(folder):
    result = evaluate(folder, "--group-id", "right", "--against", "write")

    assert result.exit_code == 2 and "no finished run of group 'write'" in result.stderr


def test_labels_of_another_schema_are_noted(folder):
    (folder / "schema.json").write_text(json.dumps(SERVICES))
    group(folder, "other", labelled(area="east", moon="io"))

    noted, silent = (evaluate(folder, "--group-id", name, "--schema", folder / "schema.json") for name in ("other", "near"))

    assert "slots that the schema lacks, such as 'moon' of 'stay'" in noted.stderr and silent.stderr == ""


def fuzzy(folder: Path, *options: object) -> float:
    shown = evaluate(folder, "--group-id", "near", "--json", *options)
    return json.loads(shown.stdout)["overall"]["fuzzy_joint_goal_accuracy"]["value"]


def test_the_schema_with_the_gold_or_the_named_one_tells_which_slots_are_categorical(folder):
    fixed = json.loads(json.dumps(SERVICES))
    fixed[0]["slots"][3]["is_categorical"] = True  # stay-name
    (folder / "fixed.json").write_text(json.dumps(fixed))

    assert fuzzy(folder) == pytest.approx(22 / 28)  # no schema: the name is open
    assert fuzzy(folder, "--schema", folder / "fixed.json") == 0.0
    (folder / "gold" / "schema.json").write_text(json.dumps(fixed))
    assert fuzzy(folder) == 0.0
