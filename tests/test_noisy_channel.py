"""Merging and ranking, with numbers worked out by hand."""

import math

import pytest

from nc_latent_tod.errors import ParseError
from nc_latent_tod.labels import Candidate
from nc_latent_tod.ranking.noisy_channel import merge, posterior, rank, score, uses_channel


def upper(text):
    """A label language in which letters count and case does not."""
    if not text.isalpha():
        raise ParseError("not_letters", "no")
    return text.upper()


def drawn(text, direct=-1.0, **fields):
    return Candidate(text, {"direct": direct}, **fields)


def scored(text, direct, prior, channel, **fields):
    return Candidate(text, {"direct": direct, "prior": prior, "channel": channel}, **fields)


def test_candidates_of_one_meaning_become_one_with_their_probability_together():
    merged = merge([drawn("ab", math.log(0.2)), drawn("x", math.log(0.1)), drawn("AB", math.log(0.3))], upper)
    assert [(c.text, c.count, c.error) for c in merged] == [("AB", 2, None), ("X", 1, None)]
    assert merged[0].logprobs["direct"] == pytest.approx(math.log(0.5))  # 0.2 + 0.3


def test_a_text_that_was_drawn_twice_is_counted_twice_but_is_no_likelier():
    (merged,) = merge([drawn("ab", math.log(0.2))] * 3, upper)
    assert (merged.count, merged.logprobs["direct"]) == (3, pytest.approx(math.log(0.2)))


def test_what_does_not_parse_stays_with_its_reason():
    merged = merge([drawn("a1"), drawn("ab"), drawn("a1")], upper)
    assert [(c.text, c.count, c.error) for c in merged] == [("a1", 2, "not_letters"), ("AB", 1, None)]


def test_an_unfinished_text_is_no_candidate_even_where_it_would_parse():
    merged = merge([drawn("ab", finished=False), drawn("ab")], upper)
    assert [(c.text, c.error, c.finished) for c in merged] == [("ab", "unfinished", False), ("AB", None, True)]
    best, last = rank(merged, "direct")
    assert (best.score, last.score) == (-1.0, None)


def test_the_number_nought_is_never_the_score_of_what_was_not_scored():
    ranked = rank([drawn("a1", 0.0, error="not_letters"), drawn("AB", -99.0)], "direct")
    assert [(c.text, c.score) for c in ranked] == [("AB", -99.0), ("a1", None)]


@pytest.mark.parametrize(("ranking", "scores"), [
    ("greedy", {"A": -1.0, "B": -2.0, "C": -3.0}), ("direct", {"A": -1.0, "B": -2.0, "C": -3.0}),
    ("noisy_channel_cond", {"C": -2.0, "B": -4.0, "A": -9.0}),
    ("noisy_channel_joint", {"B": -6.5, "C": -9.0, "A": -10.0}),  # -2.5 - 4, -7 - 2, -1 - 9
])
def test_each_ranking_compares_its_own_terms(ranking, scores):
    candidates = [scored("A", -1.0, -1.0, -9.0), scored("B", -2.0, -2.5, -4.0), scored("C", -3.0, -7.0, -2.0)]
    assert {c.text: c.score for c in rank(candidates, ranking)} == scores
    assert [c.text for c in rank(candidates, ranking)] == list(scores)
    assert uses_channel(ranking) == ranking.startswith("noisy")


def test_equal_scores_go_by_count_then_by_text_whatever_the_order_they_came_in():
    candidates = [drawn("B"), drawn("A"), drawn("C", count=2), drawn("D", -0.5)]
    for order in (candidates, candidates[::-1]):
        assert [c.text for c in rank(order, "direct")] == ["D", "C", "A", "B"]


def test_a_term_that_was_not_computed_is_an_error_and_not_nought():
    with pytest.raises(KeyError, match="prior"):
        score(drawn("A"), "noisy_channel_joint")


def test_the_posterior_shares_the_probability_of_what_parsed():
    candidates = rank([drawn("A", math.log(0.3)), drawn("B", math.log(0.1)), drawn("?", error="x")], "direct")
    assert posterior(candidates) == pytest.approx([0.75, 0.25, 0.0])
    assert posterior(rank([drawn("?", error="x")], "direct")) == [0.0]
    assert posterior([]) == []


def test_very_small_probabilities_neither_vanish_nor_divide_by_nought():
    a, b = rank([drawn("A", -9_000.0), drawn("B", -9_000.0 - math.log(3))], "direct")
    assert posterior([a, b]) == pytest.approx([0.75, 0.25])
    (merged,) = merge([drawn("a", -9_000.0), drawn("A", -9_000.0)], upper)
    assert merged.logprobs["direct"] == pytest.approx(-9_000.0 + math.log(2))


def test_a_score_that_is_not_a_number_is_no_score():
    ranked = rank([drawn("A", float("nan")), drawn("B", -5.0)], "direct")
    assert [(c.text, c.score, c.error) for c in ranked] == [("B", -5.0, None), ("A", None, "not_a_number")]


def test_impossible_candidates_are_ranked_last_and_share_nothing():
    impossible = float("-inf")
    ranked = rank(merge([drawn("a", impossible), drawn("A", impossible), drawn("b")], upper), "direct")
    assert [(c.text, c.score) for c in ranked] == [("B", -1.0), ("A", impossible)]
    assert posterior(ranked) == [1.0, 0.0]
    assert posterior(ranked[1:]) == [0.0]


def test_pseudo_scores_of_proposals_join_the_ranking_by_their_weight():
    sampled = Candidate("a", {"direct": -1.0})
    proposed = [Candidate("b", {"direct": -2.0, "proposal": -0.5}), Candidate("c", {"direct": -3.0, "proposal": -2.5})]

    alone, joined = rank([sampled, *proposed], "direct"), rank([sampled, *proposed], "direct", 2.0)

    assert [c.text for c in alone] == ["a", "b", "c"]
    assert [(c.text, c.score) for c in joined] == [("b", -3.0), ("a", -6.0), ("c", -8.0)]  # a has the least pseudo-score, -2.5
