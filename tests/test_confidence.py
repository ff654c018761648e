"""How sure labels are: shares, margins, entropies and marginals, worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from toy_schema import SCHEMA

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Act, Candidate, Example, Label, TaskLabel, gold_label
from nc_latent_tod.ranking.confidence import shares, state_confidence, task_confidence, turn_confidence, unsure_tasks

EAST = Candidate('[agent.find_stay(area="east")]', score=math.log(6), count=5)
EAST_4 = Candidate('[agent.find_stay(area="east", stars=4)]', score=math.log(3), count=2)
NOTHING = Candidate("[agent.no_change()]", score=0.0, count=1)
WRONG = Candidate("[agent", error="syntax", count=2)
DST = TaskLabel((EAST, EAST_4, NOTHING, WRONG), 0)

OFFER, REQUEST = Act("Offer", "stay", "name", "Pine"), Act("Request", "stay", "area")
BOTH = Candidate('[Offer(entity=Stay(name="Pine")), Request(service=Stay, slots=["area"])]', {"proposal": -0.2}, -0.2, 0,
                 "proposal")
ONE = Candidate('[Offer(entity=Stay(name="Pine"))]', {"proposal": -1.2}, -1.2, 0, "proposal")
ACTS = TaskLabel((BOTH, ONE), 0)


def example(dst: TaskLabel = DST, acts: TaskLabel = ACTS, turn_id: int = 0, prior: dict | None = None,
            change: dict | None = None) -> Example:
    change = {"stay": {"area": "east"}} if change is None else change
    label = Label({}, change, (OFFER, REQUEST), "", {"dst": dst, "act_tag": acts})
    return Example(Turn("d", turn_id, "", "u", "s"), prior or {}, label)


def test_a_reading_s_share_margin_entropy_and_agreement_are_those_worked_out_by_hand():
    sure = task_confidence(DST)  # 6 : 3 : 1
    assert sure.share == pytest.approx(0.6)
    assert sure.margin == pytest.approx(0.3)
    assert sure.entropy == pytest.approx(-(0.6 * math.log(0.6) + 0.3 * math.log(0.3) + 0.1 * math.log(0.1)))
    assert (sure.agreement, sure.readings) == (0.5, 3)  # 5 of 10 samples, two of which did not parse


def test_a_temperature_flattens_or_sharpens_the_shares():
    assert shares(DST, 2.0)[0] == pytest.approx(math.sqrt(6) / (math.sqrt(6) + math.sqrt(3) + 1))
    assert shares(DST, 0.5)[0] == pytest.approx(36 / (36 + 9 + 1))
    assert shares(DST, 1e9)[:3] == pytest.approx([1 / 3] * 3)


def test_a_slot_is_as_probable_as_the_readings_that_hold_its_value():
    sure = turn_confidence(example(), SCHEMA)
    assert sure.slots == {("stay", "area"): pytest.approx(0.9)}


def test_acts_have_marginals_in_their_order_and_pseudo_scores_do_as_well():
    sure = turn_confidence(example(), SCHEMA)
    both = 1 / (1 + math.exp(-1))
    assert sure.acts == (pytest.approx(1.0), pytest.approx(both))
    assert (sure.tasks["act_tag"].share, sure.tasks["act_tag"].agreement) == (pytest.approx(both), None)
    assert turn_confidence(example(), SCHEMA, {"act_tag": 0.5}).acts[1] == pytest.approx(1 / (1 + math.exp(-2)))


def test_a_deletion_has_a_marginal_given_the_state_before():
    dst = TaskLabel((Candidate("[agent.find_stay(area=None)]", score=0.0), Candidate("[agent.no_change()]", score=0.0)), 0)
    sure = turn_confidence(example(dst, prior={"stay": {"area": "east"}}, change={"stay": {"area": None}}), SCHEMA)
    assert sure.slots == {("stay", "area"): pytest.approx(0.5)}


@pytest.mark.parametrize(("outcome", "share"), [
    (TaskLabel((), None, "no_candidate_parsed"), None), (TaskLabel((), None), None), (None, None),
    (TaskLabel((NOTHING,), 0), 1.0), (TaskLabel((replace(NOTHING, score=None),), 0), 1.0),
    (TaskLabel((replace(NOTHING, score=-math.inf), replace(EAST, score=-math.inf)), 0), 0.5),
    (TaskLabel((replace(NOTHING, score=-2000.0), replace(EAST, score=0.0)), 0), 0.0),
])
def test_failures_lone_readings_and_extreme_scores_have_a_confidence_that_means_it(outcome, share):
    sure = task_confidence(outcome)
    assert sure is None if share is None else sure.share == pytest.approx(share)


def test_a_state_is_as_sure_as_all_changes_so_far_together():
    failed = example(TaskLabel((), None, "no_candidate_parsed"))
    assert state_confidence([example(), example(), failed, example()]) == [pytest.approx(0.6), pytest.approx(0.36), None, None]


def test_a_task_is_unsure_below_the_minimum_or_where_it_failed_and_gold_never_is():
    failed = TaskLabel((), None, "no_candidate_parsed")
    silent = TaskLabel((), None)
    assert unsure_tasks(example(), 0.59) == ()
    assert unsure_tasks(example(), 0.61) == ("dst",)
    assert unsure_tasks(example(), 0.59, {"dst": 2.0}) == ("dst",)
    assert unsure_tasks(example(failed, silent), 0.0) == ("dst",)
    assert unsure_tasks(Example(Turn("d", 0, "", "u", "s"), {}, gold_label({}, {}, ())), 1.0) == ()


def test_a_candidate_outside_the_schema_says_so():
    dst = TaskLabel((EAST, Candidate('[agent.find_hut(area="east")]', score=0.0)), 0)
    with pytest.raises(ConfigError, match="find_hut.*does not fit the schema .unknown_intent"):
        turn_confidence(example(dst), SCHEMA)
