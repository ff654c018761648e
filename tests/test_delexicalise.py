"""Values are taken out of responses as whole words, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_latent_tod.labels import Act
from nc_latent_tod.notation.delexicalise import delexicalise, without_values


def said(**values):
    return [Act("Inform", "stay", slot, value) for slot, value in values.items()]


@pytest.mark.parametrize(("response", "values", "expected"), [
    ("Lindsay's is in the EAST.", {"name": "Lindsay's", "area": "east"}, "[value_name] is in the [value_area]."),
    ("It leaves at 14:30, in 30 minutes.", {"wait": "30"}, "It leaves at 14:30, in [value_wait] minutes."),
    ("It is 4.50 for 4, 14 in all", {"people": "4"}, "It is 4.50 for [value_people], 14 in all"),
    ("The eastern East Hotel", {"area": "east", "name": "east hotel"}, "The eastern [value_name]"),
    ("Call the Old  Mill\nInn", {"name": "old mill inn"}, "Call the [value_name]"),
    ("C++ (a.b) costs $20.", {"name": "C++", "code": "(a.b)", "price": "$20"},
     "[value_name] [value_code] costs [value_price]."),
    ("فندق النور و🏨", {"name": "النور"}, "فندق [value_name] و🏨"),
    ("İstanbul, STRASSE", {"to": "İstanbul", "road": "straße"}, "[value_to], STRASSE"),
    ("[value_name] and name", {"name": "name"}, "[value_name] and [value_name]"),
    ("Nothing here", {"name": ""}, "Nothing here"),
    ("No, Rose has no garage.", {"name": "Rose", "garage": "no"}, "No, [value_name] has no garage."),
    ("", {"name": "a"}, ""),
])
def test_values_are_replaced_by_the_names_of_their_slots(response, values, expected):
    assert delexicalise(response, said(**values)) == expected


def test_without_values_the_response_stays_as_it_is():
    response = "Which area? \n 🏨"
    assert delexicalise(response, [Act("Request", "stay", "area"), Act("Goodbye")]) == response


def test_a_value_of_two_slots_takes_the_same_one_whatever_the_order_of_the_acts():
    acts = [Act("Offer", "stay", "name", "Rose"), Act("Inform", "ride", "colour", "Rose")]
    assert delexicalise("A rose.", acts) == delexicalise("A rose.", acts[::-1]) == "A [value_colour]."


def test_acts_without_values_name_their_slots_and_keep_yes_and_no():
    acts = without_values([*said(name="Rose", garage="no"), Act("Request", "stay", "area"), Act("Goodbye")])

    assert acts == (Act("Goodbye"), Act("Inform", "stay", "garage", "no"), Act("Inform", "stay", "name", "[value_name]"),
                    Act("Request", "stay", "area"))


@given(st.text(), st.lists(st.text(max_size=5), max_size=4))
def test_any_response_and_values_are_taken(response, values):
    acts = [Act("Inform", "stay", f"s{i}", value) for i, value in enumerate(values)]
    assert "value_unknown" not in delexicalise(response, acts)
