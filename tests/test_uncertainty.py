"""Scores of what a turn leaves open: 0 to 1, and not saturated where token log-probabilities are summed."""

import pytest

from nc_latent_tod.labels import Candidate, TaskLabel
from nc_latent_tod.ranking.uncertainty import MEASURES, by_slot, classes, disagreement, shares, uncertainty


def outcome(*candidates: Candidate) -> TaskLabel:
    return TaskLabel(candidates, 0 if any(c.error is None for c in candidates) else None,
                     None if any(c.error is None for c in candidates) else "no_candidate_parsed")


def sampled(*counts: int, lost: int = 0) -> TaskLabel:
    return outcome(*(Candidate(f"y{i}", {"direct": -1.0}, -1.0, count) for i, count in enumerate(counts)),
                   *([Candidate("?", count=lost, error="syntax")] if lost else []))


@pytest.mark.parametrize("measure", MEASURES)
def test_one_reading_with_all_the_mass_is_0_and_equal_readings_are_1(measure):
    assert uncertainty(sampled(8), measure) == 0.0
    for readings in (2, 3, 8):
        assert uncertainty(sampled(*[2] * readings), measure) == pytest.approx(1.0)
    assert 0 < uncertainty(sampled(7, 1), measure) < uncertainty(sampled(5, 3), measure) < 1


def test_worked_example_of_three_readings():
    found = sampled(5, 3, 2)  # shares .5, .3, .2

    assert uncertainty(found, "least_confidence") == pytest.approx(0.5 * 3 / 2)
    assert uncertainty(found, "margin") == pytest.approx(1 - 0.2)
    assert uncertainty(found, "entropy") == pytest.approx(1.0297 / 1.0986, abs=1e-4)


def test_samples_that_did_not_parse_are_one_class():
    found = outcome(Candidate("y", {"direct": -1.0}, -1.0, 4), Candidate("?", count=3, error="syntax"),
                    Candidate("!", count=1, error="unknown_slot"))

    assert classes(found) == [("y", 0.5), ("", 0.5)]
    assert uncertainty(found, "margin") == pytest.approx(1.0)


@pytest.mark.parametrize("measure", MEASURES)
def test_sums_of_token_log_probabilities_do_not_saturate(measure):
    found = outcome(*(Candidate(f"y{i}", {"direct": nats}, nats, 0, tokens={"direct": 20})
                      for i, nats in enumerate((-120.0, -135.0, -140.0))))

    assert uncertainty(found, measure) > 0.5  # as a softmax of the sums: margin 6e-7, entropy 4e-6
    assert uncertainty(found, measure, temperature=1.0) < 1e-5


def test_no_reading_that_parsed_is_as_unsure_as_can_be_and_nothing_to_read_is_sure():
    assert uncertainty(outcome(Candidate("?", count=8, error="syntax"))) == 1.0
    assert uncertainty(TaskLabel((), None)) == uncertainty(None) == 0.0


def test_scores_that_are_all_minus_infinity_are_alike():
    found = outcome(*(Candidate(name, {"direct": float("-inf")}, float("-inf"), 0) for name in "ab"))

    assert shares(found) == [0.5, 0.5]


def test_a_slot_is_unsure_by_its_values_and_its_absence():
    area, name = ("hotel", "area"), ("hotel", "name")

    found = by_slot([({area: "north", name: "a"}, 0.5), ({area: "north"}, 0.5)])

    assert found == {area: pytest.approx(0.0), name: pytest.approx(1.0)}


def test_direct_and_channel_disagree_where_they_rank_otherwise():
    def both(direct: tuple[float, float], channel: tuple[float, float]) -> TaskLabel:
        return outcome(*(Candidate(f"y{i}", {"direct": d, "channel": c}, d, 1, tokens={"direct": 1, "channel": 1})
                         for i, (d, c) in enumerate(zip(direct, channel, strict=True))))

    assert disagreement(both((-1, -9), (-1, -9))) == pytest.approx(0.0)
    assert disagreement(both((-1, -60), (-60, -1))) == pytest.approx(1.0)
    assert disagreement(sampled(3, 2)) == 0.0  # no channel was computed
