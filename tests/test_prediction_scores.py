"""Inform, Success, BLEU and richness of dialogues worked out by hand."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from toy_benchmark import BOOKED, GOALS, HOTEL, HOTELS, PREDICTIONS, TAXI, TRAIN, write_benchmark, write_json

from nc_latent_tod.evaluation.responses.active_domains import domains_from_states
from nc_latent_tod.evaluation.responses.benchmark import load_benchmark
from nc_latent_tod.evaluation.responses.multiwoz import SEARCHED
from nc_latent_tod.evaluation.responses.placeholders import normalised_response
from nc_latent_tod.evaluation.responses.predictions import load_predictions
from nc_latent_tod.evaluation.responses.references import load_references
from nc_latent_tod.evaluation.responses.richness import richness
from nc_latent_tod.evaluation.responses.scores import PredictionScores, score_predictions
from nc_latent_tod.evaluation.responses.values import normalised_value
from nc_latent_tod.evaluation.responses.venues import Venues, is_alike


def scored(tmp_path: Path, predictions: dict, **options) -> PredictionScores:
    folder = write_benchmark(tmp_path / "data", goals=options.pop("goals", GOALS), booked=options.pop("booked", BOOKED))
    file = write_json(tmp_path / "predictions.json", predictions)
    return score_predictions(load_predictions(file), load_benchmark(folder), **{"resamples": 0, **options})


def changed(dialogue: str, turn: int, **fields: object) -> dict:
    predictions = copy.deepcopy(PREDICTIONS)
    predictions[dialogue][turn].update(fields)
    return predictions


def rates(scores: PredictionScores, domain: str) -> tuple[float | None, float | None]:
    return scores.inform[domain].value, scores.success[domain].value


def test_dialogues_that_do_all_that_was_asked_score_100(tmp_path):
    scores = scored(tmp_path, PREDICTIONS)

    assert {domain: rates(scores, domain) for domain in scores.inform} == dict.fromkeys(
        ("total", "hotel", "taxi", "train"), (100.0, 100.0))
    assert (scores.dialogues, scores.turns, scores.bleu, scores.combined) == (2, 4, None, None)


def test_an_offer_that_may_be_an_entity_outside_the_goal_does_not_inform_nor_succeed(tmp_path):
    # in the east are a hotel of 4 stars and one of 3: the goal wants 4
    scores = scored(tmp_path, changed("sng0001", 0, state={"hotel": {"area": "east"}}))

    assert rates(scores, "hotel") == (0.0, 0.0)
    assert rates(scores, "total") == (50.0, 50.0)
    assert rates(scores, "taxi") == (100.0, 100.0)


@pytest.mark.parametrize(("states", "informed"), [
    ([{"area": "west"}, {"area": "east", "stars": "4"}], 100.0),  # the last mention is right
    ([{"area": "east", "stars": "4"}, {"area": "west"}], 0.0),  # the last mention is wrong
    ([{"area": "east", "stars": "4"}, {"area": "east"}], 100.0),  # the wider search still has the one that was offered
    ([{"area": "north"}, {"area": "north"}], 0.0),  # nothing found is nothing offered
])
def test_the_last_mention_of_an_entity_counts_unless_it_only_finds_more(tmp_path, states, informed):
    turns = [{"response": "[value_name] ?", "state": {"hotel": state}} for state in states]

    assert rates(scored(tmp_path, {**PREDICTIONS, "sng0001": turns}), "hotel")[0] == informed


def test_a_reference_counts_only_once_the_booking_has_succeeded(tmp_path):
    early = scored(tmp_path / "early", {**PREDICTIONS, "sng0001": [
        {"response": "[value_name] , [value_phone] , [value_reference]", "state": HOTEL}, {"response": "bye", "state": HOTEL}]})
    never = scored(tmp_path / "never", PREDICTIONS, booked={**BOOKED, "sng0001": [[], []]})

    assert rates(early, "hotel") == (100.0, 0.0)
    assert rates(never, "hotel") == (100.0, 0.0)


def test_a_requested_slot_must_be_told_of_the_domain_it_was_asked_of(tmp_path):
    # the phone number comes while the train is spoken of
    scores = scored(tmp_path, changed("mul0002", 1, state=TRAIN))

    assert rates(scores, "taxi") == (100.0, 0.0)


def test_a_train_needs_no_offer_where_its_number_is_not_asked_for(tmp_path):
    silent = changed("mul0002", 0, response="it leaves at [value_leave] .")
    asked = copy.deepcopy(GOALS)
    asked["mul0002"]["train"]["requestable"] = ["trainid"]

    assert rates(scored(tmp_path / "not asked", silent), "train") == (100.0, 100.0)
    assert rates(scored(tmp_path / "asked", silent, goals=asked), "train")[0] == 0.0


def test_times_bound_departures_from_below_and_arrivals_from_above(tmp_path):
    # TR1 leaves at 09:00, before the user's 10:00
    scores = scored(tmp_path, changed("mul0002", 0, state={"train": {"departure": "ely", "arrive by": "9:30 am"}}))

    assert rates(scores, "train")[0] == 0.0


def test_an_entity_that_the_user_named_needs_no_offer(tmp_path):
    named = copy.deepcopy(GOALS)
    named["sng0001"]["hotel"]["informable"] = {"name": "cedar inn"}

    assert rates(scored(tmp_path, changed("sng0001", 0, response="on [value_phone]"), goals=named), "hotel") == (100.0, 100.0)


def test_given_active_domains_replace_the_estimate(tmp_path):
    given = {dialogue: [{**turn, "active_domains": ["train"]} for turn in turns] for dialogue, turns in PREDICTIONS.items()}

    scores = scored(tmp_path, given)

    assert scores.domains_from == "given"
    assert rates(scores, "hotel")[0] == 0.0  # nothing was ever said of the hotel
    assert scored(tmp_path / "other", given, domains="states").inform["hotel"].value == 100.0


def test_placeholders_with_a_domain_can_say_which_domain_is_active(tmp_path):
    # nothing of the hotel is in the state
    named = changed("mul0002", 1, response="a [taxi_type] , call [taxi_phone] .", state=TRAIN)

    assert rates(scored(tmp_path / "a", named), "taxi")[1] == 0.0
    assert rates(scored(tmp_path / "b", named, domains="placeholders"), "taxi")[1] == 100.0


def test_the_domain_whose_state_changed_last_is_active():
    both = {"hotel": {"area": "east"}, "train": {"day": "friday", "people": "2"}}

    assert domains_from_states([{}, HOTEL, HOTEL, {**HOTEL, **TAXI}]) == [(), ("hotel",), ("hotel",), ("train",)]
    assert domains_from_states([both, both, both]) == [("train",), ("hotel",), ("hotel",)]  # the other one has its turn


def test_a_database_is_searched_by_exact_values_near_names_and_wildcards():
    venues = Venues(HOTELS, SEARCHED["hotel"])

    assert venues.search({"area": "east"}) == 0b011
    assert venues.search({"area": "east", "stars": "4"}) == 0b001
    assert venues.search({"internet": "no"}) == 0b100  # cedar inn has "?"
    assert venues.search({"name": "the birch lodge hotel"}) == 0b010
    assert venues.search({"area": "dontcare", "people": "3", "price": "50"}) == 0b111
    assert len(venues._masks) == 4


def test_a_near_spelling_is_90_percent_of_the_shorter_text():
    assert is_alike("alder house", "alder hose")  # 2 * 10 / (10 + 11) of "alder hous": above 0.9
    assert not is_alike("alder house", "elder haus")
    assert is_alike("", "") and not is_alike("alder house", "")


@pytest.mark.parametrize(("slot", "value", "expected"), [
    ("leave", "9:15", "09:15"), ("leave", "19 :45", "19:45"), ("arrive", "2030", "20:30"), ("arrive", "by 5 pm", "17:00"),
    ("arrive", "12:30 pm", "12:30"), ("leave", "10", "10:00"), ("leave", "afternoon", "13:00"), ("arrive", "10:am", "10:am"),
    ("leave", "saturday", "saturday"), ("name", "cafe uno", "caffe uno"), ("name", "saint john 's & co", "saint john's and co"),
    ("food", "Portugese", "portuguese"), ("parking", "free", "yes"), ("type", "guest house", "guesthouse"),
    ("area", "Centre", "Centre")])
def test_values_are_brought_to_one_spelling(slot, value, expected):
    assert normalised_value(slot, value) == expected


@pytest.mark.parametrize("text", ["The [hotel_name]s cost [value_price] .", "the [name]s cost [price].",
                                  "the [Value_Name]-s cost [hotel_pricerange] ."])
def test_all_notations_of_placeholders_are_one(text):
    assert normalised_response(text).text == "the NAME cost PRICE."
    assert normalised_response(text).placeholders == {"NAME", "PRICE"}


def test_the_id_of_a_venue_is_no_train_number():
    assert normalised_response("[train_id] [hotel_id] [id]").placeholders == {"TRAINID", "ID"}


def test_bleu_compares_with_references_in_any_notation(tmp_path):
    same = {"sng0001": ["there is [hotel_name] , on [phone] .", "booked ! your number is [reference] ."],
            "mul0002": [{"response": "[train_id] leaves at [time] ."}, {"response": "a [car] , call [phone] ."}]}
    common = {dialogue: [normalised_response(turn["response"]).text for turn in turns]
              for dialogue, turns in PREDICTIONS.items()}
    for i, references in enumerate((same, common)):
        found = load_references(write_json(tmp_path / f"{i}.json", references))
        scores = scored(tmp_path / str(i), PREDICTIONS, references=found)
        assert (scores.bleu, scores.combined) == (pytest.approx(100), pytest.approx(200))


def test_references_of_an_annotated_folder_are_delexicalised_and_stand_in_for_states(tmp_path):
    folder = annotated(tmp_path / "multiwoz" / "dev", spans=[["Hotel-Inform", "name", "Alder House", 9, 20]])
    references = load_references(folder)

    assert references.responses == {("sng0001", 0): "there is NAME, on 01.", ("sng0001", 1): "done."}
    assert references.source == "spans"
    assert references.states["sng0001", 1] == HOTEL
    stateless = {"sng0001": [{"response": turn["response"]} for turn in PREDICTIONS["sng0001"]]}
    scores = scored(tmp_path, stateless, references=references, allow_missing=True)
    assert (scores.states_from, rates(scores, "hotel")) == ("references", (100.0, 100.0))


def test_references_without_spans_are_delexicalised_by_the_values_of_their_acts(tmp_path):
    references = load_references(annotated(tmp_path / "multiwoz" / "dev", spans=None))

    assert references.responses["sng0001", 0] == "there is NAME, on PHONE."
    assert references.source == "values of acts"


def annotated(folder: Path, spans: list | None) -> Path:
    """One dialogue in the MultiWOZ 2.2 layout."""
    folder.mkdir(parents=True)
    frame = {"service": "hotel", "state": {"slot_values": {"hotel-area": ["east"], "hotel-stars": ["4"],
                                                           "hotel-type": ["dontcare"]}}}
    turns = [{"speaker": "USER", "utterance": "a room", "frames": [frame]},
             {"speaker": "SYSTEM", "utterance": "There is Alder House, on 01.", "frames": []},
             {"speaker": "USER", "utterance": "book it", "frames": [frame]},
             {"speaker": "SYSTEM", "utterance": "Done.", "frames": []}]
    write_json(folder / "dialogues_001.json", [{"dialogue_id": "SNG0001.json", "turns": turns}])
    acts = {"dialog_act": {"Hotel-Inform": [["Name", "alder house"], ["Phone", "01"]]}}
    said = {"1": {**acts, **({} if spans is None else {"span_info": spans})}, "3": {"dialog_act": {}}}
    write_json(folder.parent / "dialog_acts.json", {"SNG0001.json": said})
    return folder


def test_richness_of_two_responses_is_as_counted_by_hand():
    found = richness(["NAME is nice.", "NAME is NAME!"])

    assert (found.mean_tokens, found.distinct_unigrams, found.distinct_bigrams, found.distinct_trigrams) == (3.0, 3, 3, 2)
    # name 3 of 6, is 2, nice 1
    assert found.entropy == pytest.approx(0.5 * 1 + (1 / 3) * 1.584963 + (1 / 6) * 2.584963)
    # "name is" twice: 2/6 log(2/3); "is nice" and "is name": 1/6 log(1/2) each
    assert found.conditional_entropy == pytest.approx((1 / 3) * 0.584963 + 2 * (1 / 6))
    assert found.msttr_50 is None


def test_intervals_span_resamples_of_dialogues_and_are_repeatable(tmp_path):
    wrong = changed("sng0001", 0, state={"hotel": {"area": "east"}})

    scores = scored(tmp_path / "a", wrong, resamples=200, seed=3)

    assert (scores.inform["total"].low, scores.inform["total"].high) == (0.0, 100.0)  # either dialogue may be drawn twice
    assert scored(tmp_path / "b", wrong, resamples=200, seed=3).inform == scores.inform
    assert json.loads(json.dumps(scores.to_json()))["inform"]["total"]["value"] == 50.0
