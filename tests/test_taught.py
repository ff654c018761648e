"""What some corrections teach: a convention that rules cannot know, and no more than that."""

import json

import numpy as np
import pytest

from nc_latent_tod.annotation.lessons import change_lesson
from nc_latent_tod.annotation.menus import Menus
from nc_latent_tod.annotation.relabel import Taught, learnt, relabelled
from nc_latent_tod.annotation.selection import Strategy, select
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.evaluation.labels.scores import pair, score
from nc_latent_tod.labels import Example, Gold, Label, apply_change, gold_label
from nc_latent_tod.proposals.proposer import Proposer
from nc_latent_tod.proposals.taught import SCORE, Lesson, Vocabulary, teach
from nc_latent_tod.schema import Schema

NAMES = ("Acorn House", "Bridge Inn", "Cedar Lodge", "Dovecote", "Elm Court", "Ferry Rooms")
SCHEMA = Schema.from_json([{
    "service_name": "hotel", "description": "places to stay", "slots": [
        {"name": "hotel-name", "description": "name of the hotel"},
        {"name": "hotel-area", "description": "part", "is_categorical": True, "possible_values": ["north", "south"]}],
    "intents": [{"name": "find_hotel", "optional_slots": {"hotel-name": "", "hotel-area": ""}}]}])
ENTITIES = {"hotel": [{"name": name, "area": "north"} for name in NAMES]}
THANKS = ("Great, what is its address?", "Sounds good, thank you!", "Perfect. Is it expensive?", "Yes please, that one.")


def dialogues(count: int) -> tuple[list[list[Example]], dict[tuple[str, int], Gold]]:
    """Two turns each. By this corpus's convention a name that the user takes is not written down, which rules do."""
    labelled, gold = [], {}
    for i in range(count):
        offer = f"I recommend {NAMES[i % 6]}."
        turns = [Turn(f"d{i}", 0, "", f"I need a hotel in the {('north', 'south')[i % 2]}.", offer),
                 Turn(f"d{i}", 1, offer, THANKS[i % 4], "Anything else?")]
        state = {"hotel": {"area": ("north", "south")[i % 2]}}
        gold |= {turn.key: Gold(gold_label(state, {} if not turn.turn_id else state, ())) for turn in turns}
        labelled.append([Example(turn, {}, Label({}, {}, (), "")) for turn in turns])
    return labelled, gold


@pytest.fixture
def menus() -> Menus:
    return Menus(Proposer(SCHEMA, ENTITIES), SCHEMA)


def accuracy(labels: list[list[Example]], gold: dict[tuple[str, int], Gold]) -> float:
    return score(pair([e for turns in labels for e in turns], gold), resamples=0).overall["joint_goal_accuracy"].value or 0.0


def corrected(example: Example, gold: Gold) -> Example:
    return Example(example.turn, example.prior_state, gold.label)


def test_round_1_beats_round_0_on_dialogues_that_nothing_was_selected_from(menus):
    labelled, gold = dialogues(60)
    round_0 = relabelled(menus, labelled, Taught(), {})
    train, validation = round_0[:30], round_0[30:]
    pool = [e for turns in train for e in turns]

    picked = [one.example for one in select(pool, 20, Strategy("uncertainty"), seed=0)]
    taught = learnt(menus, train, {e.turn.key: corrected(e, gold[e.turn.key]) for e in picked})
    round_1 = relabelled(menus, validation, taught, {})

    assert accuracy(validation, gold) == pytest.approx(0.5)  # all first turns are right, and no second one
    assert accuracy(round_1, gold) > 0.9


def test_the_first_turns_of_dialogues_are_read_as_before(menus):
    labelled, gold = dialogues(40)
    round_0 = relabelled(menus, labelled, Taught(), {})
    second = {turns[1].turn.key: corrected(turns[1], gold[turns[1].turn.key]) for turns in round_0[:20]}

    round_1 = relabelled(menus, round_0, learnt(menus, round_0, second), {})

    assert [turns[0].label.change for turns in round_1] == [turns[0].label.change for turns in round_0]


def test_nothing_taught_ranks_as_the_proposals_do(menus):
    labelled, _ = dialogues(4)
    proposer = Proposer(SCHEMA, ENTITIES)

    round_0 = relabelled(menus, labelled, Taught(), {})

    for turns in round_0:
        state, earlier = {}, []
        for example in turns:
            change = proposer.changes(example.turn, state, 8, earlier)[0].change
            assert example.label.change == change
            state, earlier = apply_change(state, change), [*earlier, example.turn]


def test_a_state_after_a_correction_is_what_the_next_turn_is_read_against(menus):
    labelled, _ = dialogues(2)
    person = {("d0", 0): Example(labelled[0][0].turn, {}, gold_label({"hotel": {"area": "south"}}, {}, ()))}

    [first, second] = relabelled(menus, labelled[:1], Taught(), person)[0]

    assert first.label.state == {"hotel": {"area": "north"}}  # the machine's own reading stays beside the correction
    assert second.prior_state == {"hotel": {"area": "south"}}


def test_equal_corrections_in_another_order_teach_equal_weights(menus):
    labelled, gold = dialogues(12)
    round_0 = relabelled(menus, labelled, Taught(), {})
    person = {turns[1].turn.key: corrected(turns[1], gold[turns[1].turn.key]) for turns in round_0}

    one = learnt(menus, round_0, person)
    other = learnt(menus, round_0, dict(reversed(person.items())))

    assert json.dumps(dict(one.changes)) == json.dumps(dict(other.changes))


def test_a_value_that_is_found_late_is_neither_right_nor_wrong(menus):
    earlier = [Turn("d", 0, "", "I need a hotel in the north.", "Which one?")]
    turn = Turn("d", 1, "Which one?", "In the north, Acorn House please.", "")
    menu = menus.of_change(turn, {}, earlier)
    wanted = {"hotel": {"name": "Acorn House"}}

    missed = change_lesson(menu, wanted, {}, earlier)  # the state lacks the area of turn 0
    fresh = change_lesson(menu, wanted, {}, [])

    assert missed is not None and fresh is not None
    both = [value.get("hotel", {}).keys() == {"name", "area"} for value in menu.values]
    assert any(both)
    assert [right for right, is_both in zip(missed.right, both, strict=True) if is_both] == [True] * sum(both)
    assert not any(right for right, is_both in zip(fresh.right, both, strict=True) if is_both)


def test_weights_are_those_of_the_closed_form_of_one_feature():
    """Two readings, one with feature f: p = sigmoid(w), and the gradient (1 - p) - strength * w is 0 at the optimum."""
    vocabulary = Vocabulary()
    rows = [vocabulary.row({"f": 1.0}), vocabulary.row({"g": 0.0})]

    weight = teach([Lesson(rows, [True, False])], vocabulary, strength=2.0)["f"]

    assert 1 / (1 + np.exp(weight)) == pytest.approx(2.0 * weight, abs=1e-4)


def test_without_lessons_only_the_score_counts():
    assert teach([], Vocabulary(), strength=1.0) == {SCORE: 1.0}


def test_menus_are_looked_up_and_read_anew_where_the_state_differs(menus):
    [turns] = dialogues(1)[0]
    first = menus.of_change(turns[1].turn, {}, [turns[0].turn])

    assert menus.of_change(turns[1].turn, {}, [turns[0].turn]) is first
    assert menus.of_change(turns[1].turn, {"hotel": {"area": "north"}}, [turns[0].turn]) is not first

