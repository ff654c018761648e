"""Changes that a turn may ask for, read off the schema, an entity table and the turn alone."""

from pathlib import Path
from time import process_time

import pytest

from nc_latent_tod.corpus.entities import load_entities
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import apply_change
from nc_latent_tod.proposals.proposer import SOURCES, Proposer
from nc_latent_tod.proposals.typed import clock, typed_values
from nc_latent_tod.proposals.words import root, stem, tokens_of

CLINIC = Path(__file__).parent / "data" / "clinic"
SCHEMA = load_schema(CLINIC)
ENTITIES = load_entities(CLINIC / "entities.json", SCHEMA)
PROPOSER = Proposer(SCHEMA, ENTITIES)


def turn(user: str, system: str = "") -> Turn:
    return Turn("d", 0, system, user, "")


def best(user: str, system: str = "", prior=None, **settings) -> dict:
    proposer = Proposer(SCHEMA, ENTITIES, **settings) if settings else PROPOSER
    return proposer.changes(turn(user, system), prior or {})[0].change


@pytest.mark.parametrize(("user", "system", "change"), [
    ("A cardiology doctor, please.", "", {"Clinic_1": {"speciality": "cardiology"}}),
    ("Do you have dermatologists? I need dermatology.", "", {"Clinic_1": {"speciality": "dermatology"}}),
    ("I want an appointment with jonas lindqvist.", "", {"Clinic_1": {"doctor_name": "Jonas Lindqvist"}}),
    ("I want an appointment with Jonas Linqvist.", "", {"Clinic_1": {"doctor_name": "Jonas Lindqvist"}}),
    ("Order hay fever tablets at the Old Mill.", "", {"Pharmacy_1": {"medicine": "hay fever tablets",
                                                                     "pickup_branch": "old mill"}}),
    ("3 pm, for two patients.", "When is the appointment?", {"Clinic_1": {"visit_time": "3 pm", "number_of_patients": "2"}}),
    ("The doctor's room needs wheelchair access.", "", {"Clinic_1": {"wheelchair_access": "True"}}),
    ("An appointment in a room without wheelchair access is fine.", "", {"Clinic_1": {"wheelchair_access": "False"}}),
    ("No.", "Do you want home delivery of the medicine?", {"Pharmacy_1": {"home_delivery": "False"}}),
    ("The day doesn't matter.", "When will you collect the prescription?", {"Pharmacy_1": {"pickup_day": "dontcare"}}),
    ("Not in dentistry, in cardiology.", "Which field of medicine?", {"Clinic_1": {"speciality": "cardiology"}}),
    ("Sounds good, book it.", "There is Amara Okafor.", {"Clinic_1": {"doctor_name": "Amara Okafor"}}),
    ("Thanks, goodbye!", "Your appointment is booked.", {}),
])
def test_the_likeliest_reading_of_a_turn_in_a_schema_never_seen(user, system, change):
    assert best(user, system) == change


def test_what_the_system_asked_for_decides_whose_day_it_is():
    question = {"Clinic_1": "On which day shall I make the appointment with the doctor?",
                "Pharmacy_1": "On which day will you collect the prescription from the pharmacy?"}

    readings = {service: best("Monday.", asked) for service, asked in question.items()}

    assert readings["Clinic_1"] == {"Clinic_1": {"visit_day": "monday"}}
    assert readings["Pharmacy_1"] == {"Pharmacy_1": {"pickup_day": "monday"}}


def test_an_ambiguous_turn_has_every_reading_among_its_candidates():
    changes = [proposal.change for proposal in PROPOSER.changes(turn("Monday."), {})]

    assert {"Clinic_1": {"visit_day": "monday"}} in changes
    assert {"Pharmacy_1": {"pickup_day": "monday"}} in changes
    assert {} in changes
    assert len(changes) == len({str(change) for change in changes})


def test_the_same_day_is_the_day_of_the_other_service():
    prior = {"Clinic_1": {"visit_day": "friday", "number_of_patients": "2"}}

    change = best("Order ibuprofen from the pharmacy, I will collect it the same day.", prior=prior)

    assert change == {"Pharmacy_1": {"medicine": "ibuprofen", "pickup_day": "friday"}}


def test_earlier_turns_decide_where_this_one_is_silent():
    earlier = [turn("I want to order medicine from the pharmacy."), turn("Hm, let me see.")]

    with_history = PROPOSER.changes(turn("Tuesday"), {}, earlier=earlier)[0].change

    assert with_history == {"Pharmacy_1": {"pickup_day": "tuesday"}}


def test_a_restated_value_changes_nothing():
    assert best("As I said, on Monday.", "Which day?", {"Clinic_1": {"visit_day": "monday"}}) == {}


def test_slots_that_no_intent_takes_are_never_proposed():
    changes = PROPOSER.changes(turn("My confirmation code is KX4410, the price was 5 dollars."), {}, n=50)

    proposed = {slot for proposal in changes for slots in proposal.change.values() for slot in slots}
    assert not proposed & {"confirmation_code", "price"}


@pytest.mark.parametrize(("source", "user", "system"), [
    ("possible_values", "Collected at the old mill pharmacy.", ""), ("entities", "I will see Priya Raman.", ""),
    ("fuzzy", "A cardiollogy doctor.", ""), ("typed", "An appointment at 10:30.", ""),
    ("booleans", "The doctor's room needs wheelchair access.", ""),
    ("dontcare", "Any day.", "On which day is the appointment?"),
    ("offers", "Yes, book it.", "There is Amara Okafor."), ("places", "I will take Flurazol", "Which medicine do you want?"),
])
def test_each_source_can_be_switched_off(source, user, system):
    assert best(user, system) != {}
    assert best(user, system, sources=[name for name in SOURCES if name not in (source, "places")]) == {}


def test_scores_fall_and_are_logs_of_shares():
    scores = [proposal.score for proposal in PROPOSER.changes(turn("Monday at 10:30 for 2 patients."), {}, n=8)]

    assert scores == sorted(scores, reverse=True)
    assert scores[0] <= 0.0


def test_a_hostile_turn_is_read_in_bounded_time():
    text = "Monday at 10:30 for 2 patients in Harbour " * 200

    assert len(Proposer(SCHEMA, ENTITIES).changes(turn(text, text), {}, 8)) == 8


@pytest.mark.parametrize("text", ["x" * 40_000, "i would like a room " * 2_000], ids=["one word", "one sentence"])
def test_the_time_that_a_turn_takes_grows_with_its_length_and_no_faster(text):
    began = process_time()

    PROPOSER.changes(turn(text, text), {})
    PROPOSER.acts(Turn("d", 0, "", text, text), {})

    assert process_time() - began < 10  # seconds; in the square of the length it is minutes


@pytest.mark.parametrize(("text", "value"), [
    ("5:15 pm", "17:15"), ("half past 11 in the morning", "11:30"), ("quarter to 5", "04:45"), ("noon", "12:00"),
    ("12:30 am", "00:30"), ("nine in the evening", "21:00"), ("18:45", "18:45"), ("midnight", "00:00")])
def test_a_time_on_the_clock(text, value):
    assert clock(text) == value


@pytest.mark.parametrize(("text", "kind", "value"), [
    ("see you at half past 11 in the morning", "time", "half past 11 in the morning"), ("at 2 pm.", "time", "2 pm"),
    ("on the 11th of March", "date", "11th of March"), ("the 13th works", "date", "the 13th"),
    ("next Friday", "date", "next Friday"), ("it costs $1,530", "money", "$1,530"), ("train TR2289", "code", "TR2289"),
    ("for seven", "count", "seven")])
def test_a_value_is_known_by_its_form(text, kind, value):
    found = typed_values(text, tokens_of(text))

    assert [(typed.kind, typed.text) for typed in found] == [(kind, value)]


def test_words_of_one_kind_meet():
    assert stem("theatres") == stem("theater")
    assert root("leaving") == root("leaves") == "leav"
    assert root("moderately") == root("moderate")
    assert stem("bus") == stem("buses")


def labelled() -> dict:
    states = {}
    for dialogue in load_dialogues(CLINIC / "dialogues.jsonl"):
        state: dict = {}
        for now in dialogue.turns:
            state = apply_change(state, PROPOSER.changes(now, state, earlier=dialogue.turns[: now.turn_id])[0].change)
        states[dialogue.dialogue_id] = state
    return states


def test_a_clinic_s_dialogues_end_in_the_states_that_a_person_would_write():
    states = labelled()

    assert states["clinic-0"] == {"Clinic_1": {"speciality": "cardiology", "visit_day": "wednesday", "visit_time": "10:30",
                                               "doctor_name": "Amara Okafor"}}
    assert states["clinic-1"]["Clinic_1"] == {"doctor_name": "Jonas Lindqvist", "visit_day": "thursday", "visit_time": "2 pm",
                                              "number_of_patients": "2"}
    assert states["clinic-2"]["Pharmacy_1"] == {"medicine": "ibuprofen", "pickup_branch": "old mill", "home_delivery": "False"}
    assert states["clinic-3"] == {"Pharmacy_1": {"medicine": "amoxicillin", "pickup_branch": "riverside",
                                                 "pickup_day": "dontcare"}}
    assert states["clinic-9"]["Clinic_1"]["visit_day"] == "wednesday"
