"""Schemas from decoded JSON: what is accepted, and one clear error for what is not."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Act
from nc_latent_tod.notation.parsing import parse_acts, parse_change
from nc_latent_tod.notation.printing import print_acts, print_change
from nc_latent_tod.schema import Schema


def service(**keys) -> list:
    return [{"service_name": "stay", **keys}]


def slot(**keys) -> list:
    return service(slots=[{"name": "area", **keys}])


def intent(**keys) -> list:
    return service(slots=[{"name": "area"}], intents=[{"name": "find", **keys}])


@pytest.mark.parametrize(("data", "words"), [
    ({"a": 1}, "a JSON list of services"), ([], "a JSON list of services"), ("abc", "a JSON list of services"),
    ([1], "a JSON list of services"), ([{}], "a service has no 'service_name'"),
    (service(description=5), "'description' of service 'stay' must be text, not '5'"),
    (service(slots="xyz"), "'slots' of service 'stay' must be a list of objects, not 'xyz'"),
    (service(slots=[1]), "'slots' of service 'stay'"), (service(slots={"area": 1}), "'slots' of service 'stay'"),
    (service(intents=5), "'intents' of service 'stay'"), (service(intents=["find"]), "'intents' of service 'stay'"),
    (slot(name=5), "a slot of service 'stay' has no 'name'"), (slot(name=" "), "a slot of service 'stay' has no 'name'"),
    (slot(description=5), "'description' of slot 'area' of service 'stay' must be text"),
    (slot(possible_values=5), "'possible_values' of slot 'area' of service 'stay' must be a list of texts"),
    (slot(possible_values="east"), "must be a list of texts, not 'east'"),
    (slot(possible_values=[["east"]]), "must be a list of texts"),
    (slot(is_categorical="no"), "'is_categorical' of slot 'area' of service 'stay' must be true or false, not 'no'"),
    (intent(name=None), "an intent of service 'stay' has no 'name'"),
    (intent(required_slots=5), "'required_slots' of intent 'find' of service 'stay' must be a list of slot names"),
    (intent(optional_slots=[["area"]]), "'optional_slots' of intent 'find'"),
    (intent(is_transactional="yes"), "'is_transactional' of intent 'find'"),
    (intent(required_slots=["aera"]), "Did you mean 'area'"),
    (service() + service(), "two services called 'stay'"),
    (service(slots=[{"name": "stay-area"}, {"name": "area"}]), "two slots called 'area'"),
    (slot(possible_values=["\ud83d"]), "not valid Unicode"),
])
def test_what_is_no_schema_is_one_error_that_names_the_place(data, words):
    with pytest.raises(ConfigError) as caught:
        Schema.from_json(data)

    assert words in str(caught.value)


def test_null_and_absence_mean_the_same():
    full = [{"service_name": "stay", "description": None, "slots": None, "intents": None}]
    [bare] = Schema.from_json(service()).services

    assert Schema.from_json(full).services == (bare,)
    assert [intent.name for intent in bare.intents] == ["stay"]
    assert Schema.from_json(slot(possible_values=None, is_categorical=None)) == Schema.from_json(slot())


def test_optional_slots_may_come_with_defaults_and_values_as_numbers():
    data = service(slots=[{"name": "stars", "possible_values": [4, 5]}],
                   intents=[{"name": "Find", "optional_slots": {"stars": "dontcare"}}])

    [stay] = Schema.from_json(data).services

    assert stay.slots_by_name["stars"].possible_values == ("4", "5")
    assert stay.intents[0].slots == ("stars",)


def test_the_error_names_the_file(tmp_path):
    (tmp_path / "schema.json").write_text(json.dumps(slot(possible_values=5)))

    with pytest.raises(ConfigError, match="schema.json: In the schema"):
        load_schema(tmp_path)


@pytest.mark.parametrize(("data", "words"), [
    (b"name,surface\nElm Park,clay\n", "is not JSON .*`nc-latent-tod schema draft TABLE` drafts one from a CSV"),
    (b'[{"service_name": "caf\xe9"}]', "is not UTF-8 .*Convert the file"),
    (b'{"openapi": "3.0.0"}', "found {'openapi': '3.0.0'}.*`nc-latent-tod schema draft TABLE` shows its form"),
])
def test_a_file_that_is_no_schema_is_told_how_to_get_one(tmp_path, data, words):
    (tmp_path / "schema.json").write_bytes(data)

    with pytest.raises(ConfigError, match=words):
        load_schema(tmp_path)


@settings(max_examples=60, deadline=None)
@given(name=st.text(min_size=1, max_size=8).filter(str.strip))
@example("m²")
@example("½")
@example("µg")
@example("ﬁrst")
@example("class")
@example("None")
@example("no_change")
def test_whatever_slots_services_and_intents_are_called_their_labels_are_read_back(name):
    try:
        schema = Schema.from_json([{"service_name": name, "slots": [{"name": name}, {"name": "other"}],
                                    "intents": [{"name": name, "required_slots": [name, "other"]}]}])
    except ConfigError:  # half an emoji
        return
    [service] = schema.services
    slot = service.slots[0].name
    change, acts = {service.name: {slot: "east", "other": "west"}}, (Act("Offer", service.name, slot, "east"),)

    assert parse_change(print_change(change, schema), schema, {}) == change
    assert parse_acts(print_acts(acts, schema), schema) == acts
