"""Scores worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from toy_schema import SCHEMA

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.evaluation.labels.bootstrap import Estimate
from nc_latent_tod.evaluation.labels.scores import OVERALL, compare, pair, score
from nc_latent_tod.labels import Act, Example, Gold, Label, TaskLabel, gold_label, state_change
from nc_latent_tod.schema import Schema

OFFER = Act("Offer", "stay", "name", "Pine")


def example(dialogue_id: str, turn_id: int, state: dict, *acts: Act, prior: dict | None = None, **tasks: TaskLabel) -> Example:
    label = Label(state, state_change(prior or {}, state), acts, "", tasks)
    return Example(Turn(dialogue_id, turn_id, "", "u", "s"), prior or {}, label)


def gold(state: dict, *acts: Act, prior: dict | None = None, **alternatives: dict) -> Gold:
    return Gold(gold_label(state, prior or {}, acts), alternatives)


def values(pairs: list, scope: str = "overall") -> dict:
    return {name: estimate.value for name, estimate in getattr(score(pairs), scope).items()}


def test_a_small_corpus_scores_as_worked_out_by_hand():
    # turn 0: area right, price wrong, day missing; turn 1: both slots right; turn 2: nothing on either side
    pairs = [
        (example("a", 0, {"stay": {"area": "east", "price": "low"}}, OFFER),
         gold({"stay": {"area": "east", "price": "high", "day": "monday"}}, OFFER, Act("Request", "stay", "day"))),
        (example("b", 0, {"stay": {"area": "west"}, "eat": {"food": "thai"}}, Act("Offer", "stay", "name", "Oak")),
         gold({"stay": {"area": "west"}, "eat": {"food": "thai"}}, OFFER)),
        (example("c", 0, {}), gold({})),
    ]
    scores = values(pairs)
    assert scores["joint_goal_accuracy"] == pytest.approx(2 / 3)
    assert scores["turn_accuracy"] == pytest.approx(2 / 3)
    assert scores["slot_precision"] == pytest.approx(3 / 4)  # 1 of 2, 2 of 2
    assert scores["slot_recall"] == pytest.approx(3 / 5)  # 1 of 3, 2 of 2
    assert scores["slot_f1"] == pytest.approx(2 * 3 / (4 + 5))
    assert scores["act_precision"] == 1.0  # Offer stay, twice
    assert scores["act_recall"] == pytest.approx(2 / 3)
    assert scores["act_slot_f1"] == pytest.approx(2 * 2 / (2 + 3))
    assert scores["act_slot_value_f1"] == pytest.approx(2 * 1 / (2 + 3))  # Oak is not Pine
    services = score(pairs).by_service
    assert services["stay"]["joint_goal_accuracy"].value == 0.5
    assert services["stay"]["slot_f1"].value == pytest.approx(2 * 2 / (3 + 4))
    assert services["eat"]["joint_goal_accuracy"].value == 1.0
    assert services["eat"]["act_f1"].value is None  # no act of it on either side


def test_turn_accuracy_judges_the_change_and_joint_goal_accuracy_the_whole_state():
    wrong_first = {"stay": {"area": "west"}}
    pairs = [(example("a", 0, wrong_first), gold({"stay": {"area": "east"}})),
             (example("a", 1, {"stay": {"area": "west", "day": "friday"}}, prior=wrong_first),
              gold({"stay": {"area": "east", "day": "friday"}}, prior={"stay": {"area": "east"}}))]
    assert values(pairs)["joint_goal_accuracy"] == 0.0
    assert values(pairs)["turn_accuracy"] == 0.5
    turns = score(pairs).by_turn
    assert {turn: [metrics[name].value for name in ("joint_goal_accuracy", "turn_accuracy", "slot_f1", "act_f1")]
            for turn, metrics in turns.items()} == {0: [0.0, 0.0, 0.0, None], 1: [0.0, 1.0, 0.5, None]}


def test_a_missed_deletion_is_a_wrong_turn():
    before = {"stay": {"area": "east"}}
    missed = (example("a", 0, before, prior=before), gold({}, prior=before))
    made = (example("a", 0, {}, prior=before), gold({}, prior=before))
    assert values([missed])["turn_accuracy"] == 0.0
    assert values([made])["turn_accuracy"] == 1.0


@pytest.mark.parametrize("value", ["East", " east  ", "eastern part"])
def test_case_spaces_and_accepted_alternatives_do_not_count_as_errors(value):
    expected = gold({"stay": {"area": "east"}}, stay={"area": ("east", "Eastern Part")})
    assert values([(example("a", 0, {"stay": {"area": value}}), expected)])["joint_goal_accuracy"] == 1.0


def test_the_ways_to_say_dontcare_are_one_value():
    pairs = [(example("a", 0, {"stay": {"area": "don't care"}}), gold({"stay": {"area": "dontcare"}}))]
    assert values(pairs)["slot_f1"] == 1.0


def fuzzy(predicted: dict, expected: Gold, schema: Schema | None = SCHEMA) -> float | None:
    return score([(example("a", 0, predicted), expected)], schema=schema).overall["fuzzy_joint_goal_accuracy"].value


def test_a_nearly_right_value_of_an_open_slot_counts_in_part():
    # 11 of the 17 characters of "acorn guest house" are those of "acorn house": 2 * 11 / (11 + 17)
    near = {"stay": {"name": "Acorn House", "area": "east"}}
    expected = {"stay": {"name": "acorn guest house", "area": "east"}}
    assert fuzzy(near, gold(expected)) == pytest.approx(22 / 28)
    assert fuzzy(near, gold(expected, stay={"name": ("acorn guest house", "house acorn")})) == 1.0  # the order is no matter
    assert values([(example("a", 0, near), gold(expected))])["joint_goal_accuracy"] == 0.0


def test_similarities_of_several_slots_multiply():
    near = {"stay": {"name": "acorn house"}, "Rides_2": {"from": "house acorn"}}
    expected = {"stay": {"name": "acorn guest house"}, "Rides_2": {"from": "acorn guest house"}}
    assert fuzzy(near, gold(expected)) == pytest.approx((22 / 28) ** 2)


def test_a_nearly_right_value_of_a_categorical_slot_is_wrong():
    near, expected = {"stay": {"area": "town center"}}, gold({"stay": {"area": "town centre"}})
    assert fuzzy(near, expected) == 0.0
    assert 0.9 < fuzzy(near, expected, schema=None) < 1.0  # without a schema, no slot is known to be categorical


@pytest.mark.parametrize("predicted", [{}, {"stay": {"name": "pine", "area": "east"}}, {"Rides_2": {"name": "pine"}}])
def test_a_missing_or_superfluous_slot_makes_even_a_fuzzy_state_wrong(predicted):
    assert fuzzy(predicted, gold({"stay": {"name": "pine"}})) == 0.0


def test_acts_have_precision_and_recall_at_every_level():
    pairs = [(example("a", 0, {}, OFFER, Act("Request", "stay", "area")), gold({}, Act("Offer", "stay", "name", "Oak")))]
    found = values(pairs)
    assert [found[f"{level}_precision"] for level in ("act", "act_slot", "act_slot_value")] == [0.5, 0.5, 0.0]
    assert [found[f"{level}_recall"] for level in ("act", "act_slot", "act_slot_value")] == [1.0, 1.0, 0.0]


def test_turns_without_annotated_acts_do_not_count_for_acts():
    pairs = [(example("a", 0, {}, OFFER), replace(gold({}), has_acts=False))]
    assert values(pairs)["act_f1"] is None
    assert values([*pairs, (example("a", 1, {}, OFFER), gold({}, OFFER))])["act_precision"] == 1.0


def test_failed_turns_are_counted_with_their_reasons():
    failed = TaskLabel((), None, "no_candidate_parsed")
    pairs = [(example("a", 0, {}, dst=failed, act_tag=failed), gold({})), (example("a", 1, {}), gold({}))]
    assert values(pairs)["failed_turns"] == 0.5
    assert score(pairs).failures == {"act_tag: no_candidate_parsed": 1, "dst: no_candidate_parsed": 1}


def coin_dialogues(n: int, right: float, seed: int) -> list:
    rng = np.random.default_rng(seed)
    return [(example(str(d), t, {"stay": {"area": "east" if rng.random() < right else "west"}}),
             gold({"stay": {"area": "east"}}))
            for d in range(n) for t in range(4)]


def test_the_interval_matches_the_binomial_one_and_is_reproducible():
    pairs = coin_dialogues(400, 0.7, 1)
    estimate = score(pairs).overall["joint_goal_accuracy"]
    half = 1.96 * np.sqrt(0.7 * 0.3 / 1600)  # 0.0225
    assert estimate.low < estimate.value < estimate.high
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.2)
    assert score(pairs) == score(pairs)
    assert score(pairs, seed=1).overall["joint_goal_accuracy"].low != estimate.low


def test_a_paired_difference_is_sharper_than_two_intervals():
    a = coin_dialogues(200, 0.7, 1)
    b = [(replace(e, label=Label({}, {}, (), "")), g) if i % 20 == 0 else (e, g) for i, (e, g) in enumerate(a)]
    difference = compare(a, list(reversed(b)))["joint_goal_accuracy"]
    lost = sum(e.label.state["stay"]["area"] == "east" for e, _ in a[::20]) / len(a)
    assert difference.value == pytest.approx(lost)
    assert 0 < difference.low < difference.value < difference.high < 0.06
    assert compare(a, a)["slot_f1"].low == compare(a, a)["slot_f1"].high == 0.0


def test_a_single_dialogue_gives_no_interval():
    right = [(example("a", 0, {"stay": {"area": "east"}}), gold({"stay": {"area": "east"}}))]
    wrong = [(example("a", 0, {}), right[0][1])]

    assert score(right).overall["joint_goal_accuracy"] == Estimate(1.0, None, None)
    assert compare(right, wrong)["joint_goal_accuracy"] == Estimate(1.0, None, None)


def test_only_the_same_turns_can_be_compared():
    a = coin_dialogues(3, 0.5, 0)
    with pytest.raises(ConfigError, match="turn 3 of dialogue '2' and 0 more"):
        compare(a, a[:-1])


@pytest.mark.parametrize(("predicted", "message"), [
    ([("a", 0)], r"Turn 1 of dialogue 'a' is in the gold but has no prediction.*\(1 more"),
    ([("x", 0), ("x", 1), ("y", 0)], r"Turn 0 of dialogue 'x' has no gold.*\(2 more"),
    ([("a", 0), ("a", 1), ("a", 2), ("a", 1)], "Turn 1 of dialogue 'a' is predicted twice"),
    ([], "no labelled turns"),
])
def test_predictions_that_do_not_match_the_gold_are_refused(predicted, message):
    known = {(d, t): gold({}) for d in "ab" for t in range(3)}
    with pytest.raises(ConfigError, match=message):
        pair([example(d, t, {}) for d, t in predicted], known)


def test_dialogues_that_were_not_labelled_are_not_evaluated():
    known = {(d, 0): gold({}) for d in "ab"}
    assert score(pair([example("a", 0, {})], known)).dialogues == 1


def test_scores_are_json_and_rows():
    scores = score(coin_dialogues(3, 0.5, 0))
    assert json.loads(json.dumps(scores.to_json(), allow_nan=False))["turns"] == 12
    assert [metric for scope, metric, _ in scores.rows() if scope == "all"] == list(OVERALL)
    assert score(coin_dialogues(3, 0.5, 0), resamples=0).overall["slot_f1"].low is None
