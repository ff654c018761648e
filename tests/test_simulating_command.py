"""`nc-latent-tod simulate` with one's own schema, entities and wording, and what can be wrong with them."""

import json
from pathlib import Path

import pytest
from processes import in_child
from typer.testing import CliRunner

from nc_latent_tod.api.simulate import world, write_corpus
from nc_latent_tod.cli import app
from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema, packaged_wording
from nc_latent_tod.simulation import Wording, simulate

OWN = [{"service_name": "clinic", "slots": [{"name": "day", "is_categorical": True, "possible_values": ["monday", "friday"]}]}]


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A working folder with a schema of one service."""
    monkeypatch.chdir(tmp_path)
    Path("schema.json").write_text(json.dumps(OWN))
    return tmp_path


def call(*arguments: str):
    return CliRunner().invoke(app, ["simulate", "--out", "out", "--dialogues", "3", *arguments])


def test_what_is_packaged_goes_with_the_packaged_schema_alone(own):
    packaged = (packaged_schema(), packaged_entities(), Wording.from_json(packaged_wording()))

    assert world("packaged:schema", None, None) == packaged
    assert world("schema.json", None, None)[1:] == ({}, Wording())


def test_an_own_schema_needs_nothing_else(own):
    result = call("--schema", "schema.json")

    assert result.exit_code == 0, result.output
    assert len(Path("out/logs.jsonl").read_text().splitlines()) == 3


def test_entities_are_read_as_in_labelling(own):
    slots = [{"name": name, "is_categorical": False, "possible_values": []} for name in ("name", "area", "kind")]
    find = {"name": "find", "is_transactional": False, "required_slots": ["name"], "optional_slots": {"area": "", "kind": ""}}
    Path("schema.json").write_text(json.dumps([{"service_name": "hotel", "slots": slots, "intents": [find]}]))
    Path("hotel.csv").write_text("name,area,Kind,owner\nAlpha,east,,me\nBeta,west,inn,you\n")

    _, entities, _ = world("schema.json", "hotel.csv", None)

    assert entities == {"hotel": [{"name": "Alpha", "area": "east"}, {"name": "Beta", "area": "west", "kind": "inn"}]}
    assert call("--schema", "schema.json", "--entities", "hotel.csv").exit_code == 0


@pytest.mark.parametrize(("option", "data", "words"), [
    ("--entities", {"clinc": [{"day": "monday"}]}, "file.json: no section is a service of the schema"),
    ("--entities", {"clinic": {"day": "monday"}}, "expected a list of entities"), ("--entities", [], "no section is a service"),
    ("--entities", {"clinic": []}, "file.json: there is no entity of clinic in it"),
    ("--wording", [], "a wording is"), ("--wording", {"services": 5}, "a wording is"),
    ("--wording", {"slots": {"clinic.day": ["on"]}}, "the words for 'clinic.day' are"),
    ("--wording", {"slots": {"clinic.day": {"phrases": 5}}}, "the words for 'clinic.day' are"),
    ("--wording", {"slots": {"clinic.day": {"phrases": ["on {day}"]}}}, "{other}, {service}, {value} and no other"),
    ("--wording", {"slots": {"clinic.day": {"phrases": ["on {value"]}}}, "no other braces"),
    ("--wording", {"slots": {"clinic.day": {"phrase": ["on {value}"]}}}, "Did you mean 'phrases'"),
    ("--schema", {"a": 1}, "file.json: A schema is a JSON list"),
])
def test_what_cannot_be_simulated_from_is_one_clear_error(own, option, data, words):
    Path("file.json").write_text(json.dumps(data))

    result = call("--schema", "schema.json", option, "file.json")

    assert result.exit_code == 2 and words in result.stderr
    assert not Path("out").exists()


def test_a_full_disk_leaves_no_half_corpus(own):
    told = list(simulate(packaged_schema(), packaged_entities(), packaged_wording(), n=5, seed=0, templates="train"))

    answer = in_child(lambda: write_corpus(told, Path("out")), file_limit=4096)

    assert answer.startswith("RetryableError('Cannot write out/logs.jsonl")
    assert write_corpus(told, Path("out"))["dialogues"] == 5
