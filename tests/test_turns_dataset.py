"""Turn-level datasets saved on disk, and schema files."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest

from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, CorpusError

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
ROWS = [
    {"dialogue_id": "a", "turn_id": 0, "system_utterances": ["none"], "user_utterances": ["hi"], "system_response": "yes?"},
    {"dialogue_id": "a", "turn_id": 1, "system_utterances": ["none", "yes?"], "user_utterances": ["hi", "a room"],
     "system_response": "none"},
    {"dialogue_id": "b", "turn_id": 0, "system_utterances": [], "user_utterances": ["yo"], "system_response": None},
]
A = (Turn("a", 0, "", "hi", "yes?"), Turn("a", 1, "yes?", "a room", "none"))


def saved(path: Path, rows: list[dict], **columns: list) -> Path:
    dataset = datasets.Dataset.from_list(rows)
    for name, values in columns.items():
        dataset = dataset.add_column(name, values)
    datasets.DatasetDict({"train": dataset, "train_0_1": dataset.select(range(2))}).save_to_disk(path)
    return path


def test_a_saved_dataset_of_turns_becomes_dialogues(tmp_path):
    a, b = load_dialogues(saved(tmp_path / "d", ROWS), "train")
    assert a.turns == A
    assert b.turns == (Turn("b", 0, "", "yo", ""),)


def test_a_native_split_comes_before_a_range_of_the_same_name(tmp_path):
    path = saved(tmp_path / "d", ROWS)
    assert [d.dialogue_id for d in load_dialogues(path, "train_0_1")] == ["a"]
    assert [d.dialogue_id for d in load_dialogues(path, "train_1_2")] == ["b"]


def test_gold_columns_change_nothing(tmp_path):
    plain = load_dialogues(saved(tmp_path / "a", ROWS), "train")
    gold = saved(tmp_path / "b", ROWS, slot_values=[{"secret": "x"}] * 3, system_response_acts=[["Offer"]] * 3)
    assert load_dialogues(gold, "train") == plain


def test_rows_in_the_wrong_order_are_put_right_and_numbered_from_0(tmp_path):
    rows = [{**ROWS[1], "turn_id": 4}, {**ROWS[0], "turn_id": 2}]
    assert load_dialogues(saved(tmp_path / "d", rows), "train")[0].turns == A


@pytest.mark.parametrize(("rows", "message"), [
    ([{k: v for k, v in row.items() if k != "system_response"} for row in ROWS], "no column system_response; there are"),
    ([ROWS[0], ROWS[0]], "turn_id 0 twice"),
    ([ROWS[0], ROWS[2], ROWS[1]], "'a' comes twice"),
    ([{**ROWS[0], "user_utterances": []}, ROWS[1]], "'user_utterances' is empty"),
    ([{**ROWS[0], "dialogue_id": None}, ROWS[1]], "no 'dialogue_id'"),
    ([{**row, "user_utterances": "a room"} for row in ROWS[:2]], "'user_utterances' has to list .* found 'a room'"),
])
def test_a_dataset_that_lacks_something_is_refused(tmp_path, rows, message):
    with pytest.raises(CorpusError, match=message):
        load_dialogues(saved(tmp_path / "d", rows), "train")


def test_a_damaged_saved_dataset_is_refused(tmp_path):
    path = saved(tmp_path / "d", ROWS)
    next((path / "train").glob("*.arrow")).write_bytes(b"torn")
    with pytest.raises(CorpusError, match="not a readable saved dataset"):
        load_dialogues(path, "train")


def test_schemas_load_from_a_file_a_folder_and_the_package(tmp_path):
    services = [{"service_name": "stay", "slots": [{"name": "area"}], "intents": []}]
    (tmp_path / "schema.json").write_text(json.dumps(services))
    assert load_schema(tmp_path) == load_schema(tmp_path / "schema.json")
    assert load_schema(tmp_path).services[0].slots[0].name == "area"
    assert load_schema("packaged:schema").services


@pytest.mark.parametrize(("text", "message"), [
    (None, "No schema at .*schema.json"), ("{", "is not JSON"), ("{}", r"schema.json: A schema is a JSON list"),
    ('[{"slots": []}]', r"schema.json: In the schema, a service has no 'service_name'"), ("[" * 99_999, "is not JSON"),
])
def test_a_wrong_schema_file_is_named(tmp_path, text, message):
    if text is not None:
        (tmp_path / "schema.json").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_schema(tmp_path)


def test_an_unknown_packaged_name_is_refused():
    with pytest.raises(ConfigError, match="packaged:schema"):
        load_schema("packaged:scheme")
    with pytest.raises(CorpusError, match="no packaged corpus 'none'"):
        load_dialogues("packaged:none")


@pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the real schemas in {DATA}")
@pytest.mark.parametrize(("folder", "services"), [("multiwoz", 8), ("sgd/dev", 17), ("sgd/train", 26)])
def test_the_real_schemas_load(folder, services):
    assert len(load_schema(DATA / folder).services) == services
