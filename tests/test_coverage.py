"""How often gold is among the first candidates."""

from nc_latent_tod.evaluation.labels.coverage import coverage, rank_of_acts, rank_of_change
from nc_latent_tod.labels import Act, Gold, gold_label

GOLD = Gold(gold_label({"stay": {"area": "east", "stars": "4"}}, {"stay": {"area": "north"}},
                       [Act("Inform", "stay", "name", "the mill"), Act("Goodbye")]),
            {"stay": {"area": ("east", "eastern")}})


def test_a_change_ranks_where_all_its_slots_have_accepted_values():
    changes = [{}, {"stay": {"area": "east"}}, {"stay": {"area": "Eastern", "stars": "4"}}]

    assert rank_of_change(changes, GOLD) == 2
    assert rank_of_change(changes[:2], GOLD) is None


def test_acts_rank_by_all_their_values():
    acts = [Act("Goodbye"), Act("Inform", "stay", "name", "The  Mill")]

    assert rank_of_acts([acts[:1], acts], GOLD) == 1
    assert rank_of_acts([acts[:1]], GOLD) is None


def test_coverage_counts_turns_and_resamples_dialogues():
    found = coverage([("a", 0), ("a", 3), ("b", None), ("b", 7)], (1, 4, 8))

    assert [found[k].value for k in (1, 4, 8)] == [0.25, 0.5, 0.75]
    assert (found[4].low, found[4].high) == (0.0, 1.0)  # only b, or only a


def test_no_turns_have_no_coverage():
    assert coverage([])[1].value is None
