"""Every text of a turn's grammar is one that the parser reads, and every label that can be said there is in it."""

import random
from importlib import resources
from pathlib import Path

import llguidance.hf
import llguidance.numpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llguidance import LLMatcher
from transformers import AutoTokenizer

from nc_latent_tod.corpus.entities import load_entities
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.notation.grammar import ActsGrammar, ChangeGrammar
from nc_latent_tod.notation.parsing import parse_acts, parse_change

CLINIC = Path(__file__).parent / "data" / "clinic"
SCHEMA = load_schema(CLINIC / "schema.json")
ENTITIES = load_entities(CLINIC / "entities.json", SCHEMA)
STATE = {"Clinic_1": {"speciality": "dentistry", "visit_day": "friday"}}
TURN = Turn("d", 0, "Jonas Lindqvist is free.", "then the 14th at 2 pm, for 3 of us",
            "You see Amara Okafor at 10:30, it is 250.")
CHANGES, ACTS = ChangeGrammar(SCHEMA, ENTITIES), ActsGrammar(SCHEMA, ENTITIES)

tiny = AutoTokenizer.from_pretrained(str(resources.files("nc_latent_tod") / "data" / "tiny-starcoder"))
TOKENS = llguidance.hf.from_tokenizer(tiny)


def matcher(grammar: str) -> LLMatcher:
    made = LLMatcher(TOKENS, LLMatcher.grammar_from_lark(grammar))
    assert not made.get_error()
    return made


def accepts(grammar: str, text: str) -> bool:
    tokens = TOKENS.tokenize_str(text + ",\n")
    return matcher(grammar).try_consume_tokens(tokens) == len(tokens)


def random_text(grammar: str, rng: random.Random, most_tokens: int = 400) -> str:
    """A text drawn token by token among those that are allowed; "" where it grew too long."""
    walk, mask, drawn = matcher(grammar), llguidance.numpy.allocate_token_bitmask(1, TOKENS.vocab_size), []
    while not walk.is_stopped() and len(drawn) < most_tokens:
        llguidance.numpy.fill_next_token_bitmask(walk, mask)
        allowed = np.flatnonzero(np.unpackbits(mask.view(np.uint8), bitorder="little")[: TOKENS.vocab_size])
        drawn.append(int(rng.choice(allowed)))
        walk.consume_token(drawn[-1])
        if TOKENS.decode_str(drawn).endswith("\n"):
            return TOKENS.decode_str(drawn).strip()
    return ""


said = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=40) | st.sampled_from(
    ['say "hi"', "back\\slash", "a\nb\tc", "  ", "", "½ price, 1e5", "don't – no", "{}[]()%&/", "日本 語"])


@settings(max_examples=40, deadline=None)
@given(said, said, st.integers(0, 10**6))
def test_whatever_is_said_every_drawn_label_parses(asked, answered, seed):
    turn = Turn("d", 0, answered, asked, answered)

    change = random_text(CHANGES.of(turn, STATE), random.Random(seed))
    acts = random_text(ACTS.of(turn, STATE), random.Random(seed))

    if change:
        parse_change(change, SCHEMA, STATE)
    if acts:
        parse_acts(acts, SCHEMA)


@pytest.mark.parametrize("text", [
    "agent.no_change()]", 'agent.book_appointment(visit_day="thursday", visit_time="2 pm")]',
    "agent.book_appointment(visit_day=None)]",
    'agent.book_appointment(visit_time="2 pm", number_of_patients=3)]', 'agent.find_doctor(doctor_name="Jonas Lindqvist")]',
    'agent.find_doctor(speciality=agent.state.clinic_1.speciality)]', 'agent.find_doctor(speciality="dontcare")]'])
def test_what_the_turn_can_mean_is_in_the_grammar(text):
    parse_change(text, SCHEMA, STATE)

    assert accepts(CHANGES.of(TURN, STATE), text)


@pytest.mark.parametrize("text", [
    'agent.find_doctor(doctor_name="Marie Curie")]', 'agent.find_doctor(speciality="wizardry")]', "agent.find_unicorn()]",
    'agent.book_appointment(visit_time="")]', 'agent.book_appointment(visit_time=None)]',
    "agent.no_change(), agent.no_change()]",
    'agent.find_doctor(doctor_name="as Lind")]', 'agent.find_doctor(speciality="dentistry", speciality="cardiology")]'])
def test_what_nobody_said_and_what_cannot_parse_is_not(text):
    assert not accepts(CHANGES.of(TURN, STATE), text)


@pytest.mark.parametrize("text", [
    "]", "Goodbye()]", 'Offer(entity=Clinic1(doctor_name="Amara Okafor", visit_time="10:30"))]',
    'Request(service=Clinic1, slots=["visit_day", "visit_time"]), ThankYou()]'])
def test_acts_are_of_what_the_response_says(text):
    text = text.replace("Clinic1", SCHEMA.services[0].identifier)
    parse_acts(text, SCHEMA)

    assert accepts(ACTS.of(TURN, STATE), text)
    assert not accepts(ACTS.of(Turn("d", 0, "", "", "Hello."), STATE), text) or "Amara" not in text
