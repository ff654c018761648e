"""Predictions and benchmark folders that do not fit: one clear error, never a score over a silently smaller set."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from toy_benchmark import BOOKED, GOALS, PREDICTIONS, write_benchmark, write_json
from typer.testing import CliRunner

from nc_latent_tod.cli import app

TURN = PREDICTIONS["sng0001"][0]


def command(tmp_path: Path, predictions: object, *options: object, **benchmark):
    """Run `score-predictions`; the benchmark folder is written with `benchmark`."""
    folder = write_benchmark(tmp_path / "data", **benchmark)
    file = write_json(tmp_path / "predictions.json", predictions)
    return CliRunner().invoke(app, ["score-predictions", str(file), "--data", str(folder), *map(str, options)])


def with_turns(*turns: dict) -> dict:
    return {**PREDICTIONS, "sng0001": list(turns)}


REFUSED = {
    "unknown dialogues": ({**PREDICTIONS, "sng8888": [TURN], "sng9999": [TURN]},
                          "Dialogue 'sng8888' is predicted but has no goal in the test split (and 1 more dialogues)."),
    "missing dialogues": ({"sng0001": PREDICTIONS["sng0001"]},
                          "Dialogue 'mul0002' of the test split is not predicted. Complete the predictions, or score what "
                          "is there with --allow-missing."),
    "missing turns": (with_turns(TURN), "Dialogue 'sng0001' has 1 predicted turns of 2."),
    "extra turns": (with_turns(TURN, TURN, TURN), "Dialogue 'sng0001' has 3 predicted turns, but 2 system turns."),
    "another turn order": (with_turns({**TURN, "turn_id": 1}, {**TURN, "turn_id": 0}),
                           "dialogue 'sng0001', turn 0: its turn_id is 1. Turns come in order and are counted from 0."),
    "unknown placeholders": (with_turns({**TURN, "response": "[value_nme] [foo]"}, {**TURN, "response": "[foo]"}),
                             "Turn 0 of dialogue 'sng0001' has the placeholder '[value_nme]', which stands for no known slot "
                             "(and 2 more such placeholders)."),
    "one dialogue twice": ({**PREDICTIONS, "SNG0001.json": [TURN, TURN]}, "dialogue 'SNG0001.json' is there twice."),
    "states of some turns": (with_turns(TURN, {"response": "x"}), "turn 1 of dialogue 'sng0001' has no 'state'"),
    "domains of some turns": (with_turns({**TURN, "active_domains": ["hotel"]}, TURN),
                              "turn 1 of dialogue 'sng0001' has no 'active_domains' (and 2 more turns)"),
    "no states at all": ({dialogue: [{"response": turn["response"]} for turn in turns]
                          for dialogue, turns in PREDICTIONS.items()}, "The predictions have no states"),
    "a list": ([TURN], "expected a JSON object"),
    "no turns": ({}, "no predicted turns"),
    "a response that is no text": (with_turns({**TURN, "response": None}, TURN), "turn 0: 'response' should be text"),
    "a value that is no text": (with_turns({**TURN, "state": {"hotel": {"area": ["east"]}}}, TURN),
                                "turn 0: the value of 'hotel' 'area' should be text, found ['east']."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_predictions_that_do_not_fit_are_refused_naming_the_first_and_counting_the_rest(tmp_path, case):
    predictions, message = REFUSED[case]

    done = command(tmp_path, predictions)

    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_missing_and_unknown_parts_are_left_out_on_request_and_counted(tmp_path):
    predictions = {"sng0001": [{**TURN, "response": "[value_name] [foo]"}]}

    done = command(tmp_path, predictions, "--allow-missing", "--allow-unknown-placeholders", "--json")

    scores = json.loads(done.stdout)
    assert (scores["dialogues"], scores["turns"], scores["missing_dialogues"], scores["missing_turns"]) == (1, 1, 1, 1)
    assert scores["unknown_placeholders"] == {"[foo]": 1}
    assert scores["inform"]["total"]["value"] == 100.0


def test_allowing_missing_turns_does_not_allow_extra_ones(tmp_path):
    done = command(tmp_path, with_turns(TURN, TURN, TURN), "--allow-missing")

    assert done.exit_code == 2
    assert "has 3 predicted turns" in done.stderr


def goal(**fields: object) -> dict:
    changed = copy.deepcopy(GOALS)
    changed["sng0001"]["hotel"].update(fields)
    return changed


BROKEN = {
    "goals without database": ({"databases": ("train",)}, "hotel_db.json: no such file, but dialogue 'sng0001' has a goal in "
                               "'hotel'."),
    "goals without bookings": ({"booked": {"mul0002": [[], []]}}, "no bookings of dialogue 'sng0001', which has a goal."),
    "an unknown domain": ({"goals": {"sng0001": {"hotell": GOALS["sng0001"]["hotel"]}}}, "Did you mean 'hotel'?"),
    "a goal without bookings": ({"goals": {"sng0001": {"hotel": {"informable": {}, "requestable": []}}}}, "no 'booking'"),
    "a constraint that is no text": ({"goals": goal(informable={"stars": 4})}, "the value of 'stars' is 4, not text."),
    "bookings that are no list": ({"booked": {**BOOKED, "sng0001": {}}}, "expected a list of domains for each system turn"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_benchmark_folder_that_cannot_judge_is_refused(tmp_path, case):
    benchmark, message = BROKEN[case]

    done = command(tmp_path, PREDICTIONS, **benchmark)

    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_a_split_without_goals_is_refused_with_those_that_have(tmp_path):
    done = command(tmp_path, PREDICTIONS, "--split", "tst")

    assert "no goals_tst.json. Did you mean 'test'? Splits with goals here: test." in done.stderr


def test_references_of_other_dialogues_are_refused(tmp_path):
    references = write_json(tmp_path / "references.json", {"sng0001": ["a", "b"]})

    done = command(tmp_path, PREDICTIONS, "--references", references)

    assert "no response for turn 0 of dialogue 'mul0002' (and 1 more turns)" in done.stderr


def test_the_table_shows_rates_and_says_what_was_left_out(tmp_path):
    done = command(tmp_path, {"sng0001": PREDICTIONS["sng0001"]}, "--allow-missing")

    assert done.exit_code == 0
    assert "dialogues missing and not scored: 1" in done.stdout
    assert "not computed: name references with --references" in done.stdout
