"""A first schema from an entity table: what is told, what is asked, and that it labels."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nc_latent_tod.cli import app
from nc_latent_tod.corpus.entities import load_entities, read_tables
from nc_latent_tod.corpus.schema_draft import draft_schema, open_questions
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.schema import Schema

COURTS = "court_name,surface,price,phone\nElm Park,clay,12,0551-1\nOld Mill,grass,20,0551-2\n\"Hill, East\",clay,12,0551-3\n" \
         "Sea View,grass,20,0551-4\n"


@pytest.fixture
def courts(tmp_path) -> Path:
    table = tmp_path / "tennis court.csv"
    table.write_text(COURTS)
    return table


def test_columns_that_repeat_become_possible_values_and_codes_are_only_told(courts):
    [service] = Schema.from_json(draft_schema(read_tables(courts))).services

    assert service.name == "tennis court"
    assert {slot.name: slot.possible_values for slot in service.slots} == {
        "court_name": (), "surface": ("clay", "grass"), "price": ("12", "20"), "phone": ()}
    assert service.intents[0].slots == ("court_name", "surface", "price")


def test_what_a_person_must_decide_is_asked_where_it_stands(courts):
    questions = open_questions(draft_schema(read_tables(courts)))

    asked = {where: question for question, places in questions.items() for where in places}
    assert set(asked) == {"tennis court", "tennis court.price", "tennis court.phone"}
    assert "may users ask for others" in asked["tennis court.price"]


def test_nested_and_empty_columns_are_left_out_by_name():
    [service] = draft_schema({"court": [{"name": "a", "place": [1, 2], "fax": ""}, {"name": "b", "place": [3, 4], "fax": "?"}]})

    assert [slot["name"] for slot in service["slots"]] == ["name"]
    assert any("place, fax" in comment for comment in service["comment"])


def test_a_draft_and_its_table_label_logs_as_they_stand(courts, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = {"dialogue_id": "d1", "turns": [{"speaker": "user", "utterance": "is there a tennis court with clay?"},
                                          {"speaker": "system", "utterance": "elm park has one, it costs 12."}]}
    (tmp_path / "logs.jsonl").write_text(json.dumps(log) + "\n")
    run = CliRunner()

    drafted = run.invoke(app, ["schema", "draft", str(courts)])
    labelled = run.invoke(app, ["quickstart", "--logs", "logs.jsonl", "--schema", "schema.json", "--entities", str(courts)])

    assert drafted.exit_code == 0, drafted.output
    assert labelled.exit_code == 0, labelled.output
    assert "tennis court.surface" in labelled.stdout and "clay" in labelled.stdout
    assert load_entities(courts, load_schema("schema.json"))["tennis court"][2]["court_name"] == "Hill, East"


def test_a_schema_that_is_there_is_never_overwritten(courts, tmp_path):
    (tmp_path / "mine.json").write_text("[]")

    done = CliRunner().invoke(app, ["schema", "draft", str(courts), "--out", str(tmp_path / "mine.json")])

    assert done.exit_code == 2 and "is there already" in done.stderr
    assert (tmp_path / "mine.json").read_text() == "[]"


@pytest.mark.parametrize(("content", "message"), [
    ("name,phone\na,1,2\n", "row 1 has not the 2 fields"), ("name,phone\n\"a,1\n", "not CSV"), ("", "no column with values")])
def test_a_table_that_cannot_be_read_is_named(tmp_path, content, message):
    table = tmp_path / "courts.csv"
    table.write_text(content)

    done = CliRunner().invoke(app, ["schema", "draft", str(table), "--out", str(tmp_path / "s.json")])

    assert done.exit_code == 2 and message in done.stderr and "courts.csv" in done.stderr
    assert not (tmp_path / "s.json").exists()
