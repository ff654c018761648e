"""The agent's database: what matches a state, and what acts and responses are filled with."""

import pytest

from nc_latent_tod.agent.grounding import Focus, ground, reference
from nc_latent_tod.agent.lexicalise import lexicalise
from nc_latent_tod.agent.linking import linked
from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act
from nc_latent_tod.tasks.database import Database

INNS = [{"name": "rose inn", "area": "north", "price": "cheap", "parking": "yes", "phone": "111"},
        {"name": "the mill", "area": "north", "price": "cheap", "parking": "no", "phone": "222"},
        {"name": "sea view", "area": "south", "price": "cheap", "stars": "4"}]
TRAINS = [{"number": "tr1", "origin": "farrow", "leave": "09:00"}, {"number": "tr2", "origin": "farrow", "leave": "11:30"}]
TOWN = Database(packaged_schema(), {"hotel": INNS, "train": TRAINS, "taxi": [{"car": "red van", "phone": "333"}]})
NORTH = {"hotel": {"area": "north"}}
NAMED = Act("Offer", "hotel", "name", "[value_name]")


def names(constraints, service="hotel", database=TOWN):
    return [row.get("name") or row["number"] for row in database.matching(service, constraints)]


@pytest.mark.parametrize(("constraints", "found"), [
    ({}, ["rose inn", "the mill", "sea view"]), ({"area": "North"}, ["rose inn", "the mill"]),
    ({"area": "dontcare", "price": "cheap"}, ["rose inn", "the mill", "sea view"]), ({"area": "east"}, []),
    ({"stars": "2"}, ["rose inn", "the mill"]), ({"nights": "3"}, ["rose inn", "the mill", "sea view"]),
    ({"name": "Mill"}, ["the mill"]),
    ({"name": "rose"}, ["rose inn"]), ({"name": "old rose inn"}, ["rose inn"]), ({"name": "sea veiw"}, ["sea view"]),
    ({"name": "ritz"}, [])])
def test_rows_match_whatever_the_spelling_and_unknown_values_exclude_nothing(constraints, found):
    assert names(constraints) == found


def test_times_are_equal_unless_they_are_said_to_be_bounds():
    bounded = Database(TOWN.schema, TOWN.entities, not_before=["leave"])

    assert names({"leave": "10:00"}, "train") == []
    assert names({"leave": "10:00"}, "train", bounded) == ["tr2"]
    assert names({"leave": "soon"}, "train", bounded) == []


def test_counts_are_of_the_services_in_the_state_that_have_a_table():
    assert TOWN.counts({**NORTH, "taxi": {"time": "10:00"}, "restaurant": {"area": "north"}}) == {"hotel": 2, "taxi": 1}


def test_entities_are_named_by_the_open_slot_that_a_search_takes():
    found = Database(packaged_schema(), packaged_entities())

    assert [found.name_slot(s) for s in ("hotel", "restaurant", "train", "attraction", "taxi")] == [
        "name", "name", "number", "name", ""]
    assert [s for s in ("name", "day", "phone", "code") if found.is_reference("hotel", s)] == ["code"]


def offered(acts, state=NORTH, focus=None):
    grounded = ground(acts, state, focus or Focus(), TOWN, "d")
    return grounded, [act.value for act in grounded.acts if act.slot == "name"]


def test_the_same_search_offers_another_entity_until_there_is_none():
    first, one = offered([NAMED])
    second, two = offered([NAMED], focus=first.focus)
    _, three = offered([NAMED], focus=second.focus)

    assert (one, two, three) == (["rose inn"], ["the mill"], ["the mill"])


def test_a_new_search_keeps_the_entity_that_still_matches():
    second, _ = offered([NAMED], focus=offered([NAMED])[0].focus)
    _, kept = offered([NAMED], {"hotel": {"area": "north", "price": "cheap"}}, second.focus)

    assert kept == ["the mill"]


def test_what_the_agent_tells_is_the_entitys_and_what_it_reads_back_the_users():
    acts = [Act("Inform", "hotel", "phone", "[value_phone]"), Act("Confirm", "hotel", "area", "[value_area]")]

    grounded, _ = offered(acts)

    assert {act.value for act in grounded.acts} == {"111", "north"}


def test_yes_becomes_no_where_the_entity_says_no():
    acts = [Act("Affirm"), Act("Inform", "hotel", "parking", "yes"), Act("Inform", "hotel", "name", "[value_name]")]

    grounded, _ = offered(acts, {"hotel": {"name": "the mill"}})

    assert Act("Negate") in grounded.acts
    assert Act("Inform", "hotel", "parking", "no") in grounded.acts


def test_an_offer_of_nothing_becomes_a_failure_of_the_search():
    grounded, _ = offered([NAMED], {"hotel": {"area": "east", "nights": "3"}})

    assert grounded.acts == (Act("NotifyFailure", "hotel", "area", "east"),)


def test_a_value_that_is_nowhere_is_left_out_and_said():
    grounded, _ = offered([NAMED, Act("Inform", "hotel", "phone", "[value_phone]")], {"hotel": {"area": "south"}})

    assert grounded.missing == ("hotel.phone",)
    assert [act.slot for act in grounded.acts] == ["name"]


def test_a_booking_has_one_reference_and_it_is_told_again():
    booked, _ = offered([Act("NotifySuccess", "hotel", "code", "[value_code]")])
    asked, _ = offered([Act("Inform", "hotel", "code", "[value_code]")], focus=booked.focus)
    unbooked, _ = offered([Act("Inform", "hotel", "code", "[value_code]")])

    assert [act.value for act in booked.acts] == [act.value for act in asked.acts] == [reference("d", "hotel")]
    assert (unbooked.acts, unbooked.missing) == ((), ("hotel.code",))


@pytest.mark.parametrize(("read", "user", "system", "name"), [
    ("rose inn", "yes", "", "rose inn"), ("old barn", "yes", "how about the mill?", "the mill"),
    ("old barn", "yes", "how about it?", "sea view"), ("old barn", "i want the old barn!", "how about the mill?", "old barn")])
def test_a_name_that_nobody_has_and_the_user_did_not_say_is_that_of_the_entity_talked_of(read, user, system, name):
    change = {"hotel": {"name": read, "day": "monday", "stars": None}}

    found = linked(change, Turn("d", 1, system, user, ""), Focus(rows={"hotel": INNS[2]}), TOWN)

    assert found == {"hotel": {"name": name, "day": "monday", "stars": None}}


def test_without_an_entity_to_talk_of_a_name_stays_as_it_was_read():
    assert linked({"hotel": {"name": "x"}, "taxi": {"time": "10:00"}}, Turn("d", 0, "", "y", ""), Focus(), TOWN) == {
        "hotel": {"name": "x"}, "taxi": {"time": "10:00"}}


@pytest.mark.parametrize(("response", "text", "missing"), [
    ("[value_name], [hotel_name] or [name]?", "rose inn, rose inn or rose inn?", ()),
    ("call [value_phone]", "call 111", ()), ("in the [value_area]", "in the north", ()),
    ("[value_stars] stars", "(no stars) stars", ("stars",)), ("[sic] [value_] [] [/bold]", "[sic] [value_] [] [/bold]", ())])
def test_responses_are_filled_and_what_cannot_be_is_said(response, text, missing):
    acts = [Act("Offer", "hotel", "name", "rose inn")]

    filled = lexicalise(response, acts, NORTH, Focus(rows={"hotel": INNS[0]}), ("name", "phone", "area", "stars"))

    assert (filled.text, filled.missing) == (text, missing)


def test_several_values_of_a_slot_fill_its_placeholders_in_order():
    acts = [Act("Inform", "hotel", "name", "a"), Act("Inform", "hotel", "name", "b")]

    assert lexicalise("[value_name] and [value_name], [value_name]", acts, {}, Focus(), ("name",)).text == "a and b, b"


def test_a_placeholder_that_names_its_service_is_filled_from_that_service():
    acts = [Act("Inform", "hotel", "name", "rose inn"), Act("Inform", "restaurant", "name", "the oak")]
    state = {"hotel": {"area": "north"}, "restaurant": {"area": "south"}}

    filled = lexicalise("[restaurant_name] ([restaurant_area]) is near [hotel_name]", acts, state, Focus(), ("name", "area"))

    assert filled.text == "the oak (south) is near rose inn"
