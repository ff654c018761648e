"""Prompts of policy and response, letter by letter, and what a model's answers are read as."""

from dataclasses import replace

import pytest
from test_prompts import EXAMPLE, TURN, words
from toy_schema import SCHEMA

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ParseError, TurnError
from nc_latent_tod.labels import Act
from nc_latent_tod.tasks.fitting import fit_prompt
from nc_latent_tod.tasks.policy import Policy
from nc_latent_tod.tasks.response import Responding

OFFER = Act("Offer", "stay", "name", "Lindsay's")
KNOWN = replace(EXAMPLE, label=replace(EXAMPLE.label, delexicalised_response="[value_name] it is."))
CONTEXT = '''
    belief_state=BeliefState(stay=Stay(area="east", stars=4)),
    database=Database(stay=2),
    last_system_utterance="The \\"Mill\\"?",
'''


def two_rooms(state):
    return {"stay": 2} if "stay" in state else {}


POLICY, RESPONSE = Policy(SCHEMA, two_rooms, "none"), Responding(SCHEMA, two_rooms, "none")


def test_the_policy_sees_the_state_after_the_turn_and_what_the_database_holds_for_it():
    assert POLICY.example(KNOWN, "direct") == (
        f'agent.decide({CONTEXT}    user_utterance="Yes, for 4\\nstars",\n'
        '    system_acts=[Offer(entity=Stay(name="[value_name]"))],\n)\n\n')


def test_the_response_sees_the_acts_too():
    assert RESPONSE.example(KNOWN, "direct") == (
        f'agent.say({CONTEXT}    user_utterance="Yes, for 4\\nstars",\n'
        '    system_acts=[Offer(entity=Stay(name="[value_name]"))],\n    system_response=["[value_name] it is."],\n)\n\n')


@pytest.mark.parametrize("order", ["direct", "channel"])
def test_an_agent_asks_what_labels_are_trained_on(order):
    state = KNOWN.label.state

    assert POLICY.example(KNOWN, order).startswith(POLICY.question(TURN, state, order))
    assert RESPONSE.example(KNOWN, order).startswith(RESPONSE.question(TURN, state, order, (OFFER,)))


def test_a_long_utterance_is_cut_and_the_acts_of_the_turn_stay():
    turn = replace(TURN, last_system_utterance="so " * 100 + "yes?")

    prompt = fit_prompt(RESPONSE, "direct", turn, {}, [KNOWN], budget=30, count_tokens=words, given=(OFFER,))

    assert prompt.truncated
    assert "yes?" in prompt.body
    assert "Offer(" in prompt.body


def test_no_prompt_reads_the_response_that_is_to_be_given():
    turn = replace(TURN, system_response="SECRET")

    assert "SECRET" not in POLICY.question(turn, {}, "direct") + RESPONSE.question(turn, {}, "direct")
    with pytest.raises(TurnError, match="no user utterance"):
        POLICY.observed(Turn("d", 0, "", " ", "Hello"))


def test_acts_lose_the_values_that_a_model_makes_up():
    assert POLICY.parse('Offer(entity=Stay(name="The Ritz", garage="yes"))]', {}) == (
        Act("Offer", "stay", "garage", "yes"), Act("Offer", "stay", "name", "[value_name]"))


@pytest.mark.parametrize("text", ['"Hello  there."]', '["Hello there."]', '"Hello there."', '"Hello there."],'])
def test_a_response_is_one_text_in_a_list(text):
    assert RESPONSE.parse(text, {}) == "Hello there."


@pytest.mark.parametrize(("text", "reason"), [
    ("", "not_a_text"), ('" "]', "empty"), ('"a", "b"]', "not_a_text"), ("3]", "syntax"), ('"open', "syntax"),
    ("[" * 3_000, "syntax"), ("x" * 5_000, "too_long"), ('"\\ud83d"]', "invalid_text"), ('__import__("os")]', "syntax")])
def test_another_text_is_refused_with_a_reason(text, reason):
    with pytest.raises(ParseError) as refusal:
        RESPONSE.parse(text, {})

    assert refusal.value.reason == reason
