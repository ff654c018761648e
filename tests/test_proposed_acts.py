"""Dialogue acts read off a system response, in a schema never seen."""

from pathlib import Path

import pytest

from nc_latent_tod.corpus.entities import load_entities
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act
from nc_latent_tod.proposals.proposer import Proposer
from nc_latent_tod.proposals.sentences import kinds_of, split

CLINIC = Path(__file__).parent / "data" / "clinic"
SCHEMA = load_schema(CLINIC)
ENTITIES = load_entities(CLINIC / "entities.json", SCHEMA)
PROPOSER = Proposer(SCHEMA, ENTITIES)
C, P = "Clinic_1", "Pharmacy_1"


def best(response: str, user: str = "I need an appointment with a doctor.") -> set[Act]:
    return set(PROPOSER.acts(Turn("d", 0, "", user, response), {})[0].acts)


@pytest.mark.parametrize(("response", "acts"), [
    ("On which day would you like to come?", {Act("Request", C, "visit_day")}),
    ("At what time, and for how many patients?", {Act("Request", C, "visit_time"), Act("Request", C, "number_of_patients")}),
    ("You want to see Amara Okafor at 10:30, is that correct?",
     {Act("Confirm", C, "doctor_name", "Amara Okafor"), Act("Confirm", C, "visit_time", "10:30")}),
    ("Your appointment is booked.", {Act("NotifySuccess", C)}),
    ("It is booked, code PP9921.", {Act("NotifySuccess", C, "confirmation_code", "PP9921")}),
    ("I could not book 11:15. How about 12:00?",
     {Act("NotifyFailure", C, "visit_time", "11:15"), Act("Offer", C, "visit_time", "12:00")}),
    ("I recommend Priya Raman.", {Act("Offer", C, "doctor_name", "Priya Raman")}),
    ("Tomasz Zielinski has wheelchair access. Shall I book it?",
     {Act("Inform", C, "doctor_name", "Tomasz Zielinski"), Act("Inform", C, "wheelchair_access", "True"), Act("Offer", C)}),
    ("Nothing is free. Would you like to try something else?", {Act("RequestAlternatives", C)}),
    ("You are welcome. Goodbye!", {Act("ThankYou"), Act("Goodbye")}),
    ("Can I help you with anything else?", set()),
    ("Have a great day.", {Act("Goodbye")}),
    ("", set()),
])
def test_the_likeliest_acts_of_a_response(response, acts):
    assert best(response) == acts


def test_a_slot_that_no_user_sets_is_informed_of():
    assert best("It costs 9.80 dollars.", "How much is the medicine?") == {Act("Inform", P, "price", "9.80 dollars")}


def test_an_inform_may_as_well_be_an_offer():
    turn = Turn("d", 0, "", "A doctor, please.", "There is Priya Raman.")
    readings = [proposal.acts for proposal in Proposer(SCHEMA, ENTITIES).acts(turn, {}, 8)]

    assert (Act("Inform", C, "doctor_name", "Priya Raman"),) in readings
    assert (Act("Offer", C, "doctor_name", "Priya Raman"),) in readings
    assert len(readings) == len(set(readings)) <= 8


def test_a_point_inside_of_a_number_ends_no_sentence():
    assert [text for _, _, text in split("It is 9.80 dollars. Anything else?")] == ["It is 9.80 dollars.", " Anything else?"]


@pytest.mark.parametrize(("sentence", "kind"), [
    ("Is there anything else?", "more"), ("So you want two seats?", "confirm"), ("Sorry, there is no such thing.", "failure"),
    ("I have booked it.", "success"), ("Enjoy your evening!", "goodbye"), ("What about this one?", "offer"),
    ("There are 5 of them.", "count"), ("Hello there.", "greeting")])
def test_what_a_sentence_does(sentence, kind):
    assert kind in kinds_of(sentence)


def test_having_something_is_no_farewell():
    assert "goodbye" not in kinds_of("I have the doctor here, do you have a time in mind?")


def test_a_hostile_response_is_read_in_bounded_time():
    acts = PROPOSER.acts(Turn("d", 0, "", "", "I have booked Monday at 10:30, is that correct? " * 150), {})

    assert len(acts) <= 8
