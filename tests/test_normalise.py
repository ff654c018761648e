"""Values become the schema's own, or stay, or are refused; never another value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_schema import SCHEMA

from nc_latent_tod.errors import ParseError
from nc_latent_tod.notation.normalise import DONTCARE, normalise_value
from nc_latent_tod.schema import Slot


def categorical(*values):
    return Slot("size", "", True, values, "size")


OPEN = Slot("name", "", False, (), "name")


@pytest.mark.parametrize(("value", "possible", "expected"), [
    ("East", ("east", "west"), "east"), (" east ", ("east", "west"), "east"), ("esat", ("east", "north"), None),
    ("Town Center", ("town centre", "north"), "town centre"), ("town-centre", ("town centre",), "town centre"),
    ("bed_and_breakfast", ("bed and breakfast",), "bed and breakfast"), ("guesthuose", ("guesthouse", "hotel"), "guesthouse"),
    ("four", ("3", "4"), "4"), ("4", ("three", "four"), "four"), ("Twelve", ("12", "2"), "12"),
    ("True", ("yes", "no"), "yes"), ("False", ("yes", "no"), "no"), ("no", ("True", "False"), "False"),
    ("YES", ("True",), "True"),
    ("one", ("1", "one"), "one"), ("1", ("one", "1"), "1"),
])
def test_a_value_means_the_possible_value_that_a_person_would_read(value, possible, expected):
    if expected is None:
        with pytest.raises(ParseError, match="not a possible value of 'size'"):
            normalise_value(value, categorical(*possible), strict=True)
    else:
        assert normalise_value(value, categorical(*possible), strict=True) == expected


@pytest.mark.parametrize(("value", "possible"), [
    ("4", ("room 5",)), ("4", ("room 4",)), ("room 4", ("room 5",)), ("platform 11", ("platform 1",)), ("14:30", ("14:35",)),
    ("inexpensive", ("expensive", "cheap")), ("unavailable", ("available",)), ("north", ("south",)), ("tuesday", ("thursday",)),
    ("", ("a",)),
])
def test_a_value_never_becomes_one_that_it_does_not_mean(value, possible):
    with pytest.raises(ParseError) as caught:
        normalise_value(value, categorical(*possible), strict=True)
    assert caught.value.reason == "value_not_in_schema"
    assert normalise_value(value, categorical(*possible), strict=False) == value


@pytest.mark.parametrize("value", ["dontcare", "don't care", "Don’t care", "dont care", "do not care", "ANY", "doesn't matter"])
@pytest.mark.parametrize("slot", [OPEN, categorical("a", "b")])
def test_indifference_has_one_name_in_every_slot(value, slot):
    assert normalise_value(value, slot, strict=True) == DONTCARE


def test_what_the_schema_itself_calls_any_stays():
    assert normalise_value("any", categorical("Any", "some"), strict=True) == "Any"


def test_an_open_slot_keeps_what_was_said_with_single_spaces():
    assert normalise_value("  The  4 Horses\t", OPEN, strict=True) == "The 4 Horses"
    assert normalise_value("True", OPEN, strict=True) == "True"


@given(st.sampled_from([slot for service in SCHEMA.services for slot in service.slots]), st.text())
def test_to_normalise_twice_changes_nothing_more(slot, value):
    once = normalise_value(value, slot, strict=False)
    assert normalise_value(once, slot, strict=False) == once
