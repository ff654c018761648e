"""Dialogues and gold of the layout that MultiWOZ 2.0, 2.1, 2.3 and 2.4 share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from woz_layout import converted, log, schema_file, state, write

from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.corpus.load import load_dialogues, split_names
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, CorpusError
from nc_latent_tod.evaluation.responses.references import load_references
from nc_latent_tod.labels import Act

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "multiwoz"
ONE = {"A.json": log(state())}


@pytest.mark.parametrize("suffix", [".txt", ".json", ""])
def test_list_files_cut_data_json_into_splits(tmp_path, suffix):
    dialogues = {f"{name}.json": log(state(), state()) for name in "ABCDE"}
    folder = write(tmp_path, dialogues, dev=("D.json",), test=("B.json", "E.json"), suffix=suffix)

    found = {split: [d.dialogue_id for d in load_dialogues(folder, split)] for split in split_names(folder)}

    assert found == {"train": ["A.json", "C.json"], "dev": ["D.json"], "test": ["B.json", "E.json"]}
    assert [d.dialogue_id for d in load_dialogues(folder / "data.json", "train_1_2")] == ["C.json"]


def test_user_and_system_take_turns_in_the_log(tmp_path):
    [dialogue] = load_dialogues(write(tmp_path, {"A.json": log(state(), state())}), "train")

    assert dialogue.turns == (Turn("A.json", 0, "", "user 0", "system 0"), Turn("A.json", 1, "system 0", "user 1", "system 1"))


def test_files_of_one_split_each_are_splits(tmp_path):
    schema_file(tmp_path)
    for name, split in (("A", "train"), ("B", "dev"), ("C", "test")):
        (tmp_path / f"{split}_dials.json").write_text(json.dumps({name: log(state(eat={"food": "Thai"}))}))

    assert {split: load_dialogues(tmp_path, split)[0].dialogue_id for split in split_names(tmp_path)} == {
        "train": "A", "dev": "B", "test": "C"}
    assert load_dialogues(tmp_path / "dev_dials.json")[0].dialogue_id == "B"
    assert load_gold(tmp_path).keys() == {("A", 0), ("B", 0), ("C", 0)}
    assert load_gold(tmp_path / "dev_dials.json").keys() == {("B", 0)}


def test_annotations_of_data_json_reach_no_turn(tmp_path):
    annotated = log(state(eat={"food": "thai"}), state(), acts=[{"Eat-Inform": [["Food", "x"]]}, {}])
    bare = write(tmp_path / "bare", {"A.json": {"log": [{"text": said["text"]} for said in annotated["log"]]}})
    full = write(tmp_path / "full", {"A.json": annotated})

    assert load_dialogues(bare, "train") == load_dialogues(full, "train")


@pytest.mark.parametrize(("dialogues", "lists", "split", "message"), [
    (ONE, {}, "dev", "Split 'dev' of .* is empty"),
    (ONE, {}, "deev", "has no split 'deev'. Did you mean 'dev'"),
    (ONE, {"dev": ("B.json",)}, "train", r"valListFile.txt: 1 of its 1 dialogues are not in .*data.json, the first is 'B'"),
    (ONE, {"dev": ("A.json",), "test": ("A",)}, "dev", "the dialogue 'A' is in both list files"),
    (ONE, {"dev": ('["A.json"]',)}, "dev", "valListFile.txt: looks like a JSON list"),
    ({"A.json": {"log": log(state())["log"][:1]}}, {}, "train", r"data.json\[A.json\]: 1 utterances, an odd number"),
    ({"A.json": {"log": [{"said": "hi"}] * 2}}, {}, "train", r"\[A.json\], utterance 0: no 'text'; found the keys \['said'\]"),
    ({"A.json": {"turns": []}}, {}, "train", r"\[A.json\]: a dialogue needs 'log'.*found the keys \['turns'\]"),
    ({"A.json": {"log": []}}, {}, "train", r"\[A.json\]: the dialogue has no user utterance"),
    ([{"dialogue_idx": "A.json"}], {}, "train", "data.json: a list, not .* lack each dialogue's last response")])
def test_what_is_wrong_with_the_layout_is_said(tmp_path, dialogues, lists, split, message):
    with pytest.raises(CorpusError, match=message):
        load_dialogues(write(tmp_path, dialogues, **lists), split)


def test_a_missing_list_file_is_named(tmp_path):
    write(tmp_path, ONE)
    (tmp_path / "testListFile.txt").unlink()
    for name in (tmp_path, tmp_path / "data.json"):
        with pytest.raises(CorpusError, match="no testListFile.txt or testListFile.json beside it, so its splits are unknown"):
            load_dialogues(name, "train")


def test_logs_that_are_called_data_json_are_read_as_logs(tmp_path):
    said = [{"speaker": "user", "utterance": "hello"}, {"speaker": "system", "utterance": "hi"}]
    (tmp_path / "data.json").write_text(json.dumps([{"dialogue_id": "mine", "turns": said}]))

    assert [d.dialogue_id for d in load_dialogues(tmp_path / "data.json")] == ["mine"]


def test_an_entity_table_that_is_called_data_json_lets_the_logs_beside_it_be_read(tmp_path):
    (tmp_path / "data.json").write_text(json.dumps({"hotel": [{"name": "acorn"}]}))
    said = [{"speaker": "user", "utterance": "hello"}, {"speaker": "system", "utterance": "hi"}]
    (tmp_path / "may.jsonl").write_text(json.dumps({"dialogue_id": "mine", "turns": said}))

    assert [d.dialogue_id for d in load_dialogues(tmp_path, "may")] == ["mine"]


def test_a_data_json_of_another_name_is_told_its_name(tmp_path):
    (tmp_path / "mwz.json").write_text(json.dumps(ONE))
    with pytest.raises(CorpusError, match="call what came as MultiWOZ's data.json by that name"):
        load_dialogues(tmp_path / "mwz.json")


def test_states_are_whole_and_named_as_the_schema_names_slots(tmp_path):
    schema_file(write(tmp_path, {"A.json": log(
        state(stay={"area": "East", "leaveAt": "10:00", "type": "not mentioned", "book_day": "monday"}, eat={"food": ""}),
        state(stay={"area": "none", "leaveAt": "10:00", "book_day": "", "book_booked": [{"name": "x"}]}, guard={"name": "Bob"}),
        state(stay={"area": "do n't care", "book_ticket": "2"}, bus={"day": "friday"}), {})}).joinpath("."))

    gold = load_gold(tmp_path)

    assert [g.label.state for g in gold.values()] == [
        {"stay": {"area": "east", "leaveAt": "10:00", "bookday": "monday"}},
        {"stay": {"leaveAt": "10:00"}, "guard": {"name": "bob"}}, {"stay": {"area": "dontcare"}}, {}]
    assert gold["A.json", 1].label.change == {"stay": {"area": None, "bookday": None}, "guard": {"name": "bob"}}
    assert not any(g.has_acts for g in gold.values())


@pytest.mark.parametrize(("value", "accepted"), [
    ("cheap|moderate", ("cheap", "moderate")), ("cheap>Moderate", ("cheap", "moderate")), ("a < b|a", ("a", "b")),
    (["a", "b"], ("a", "b")), ("none|b", ("b",)), ("dont care|b", ("dontcare", "b")), ("a", None), (4, None)])
def test_alternatives_are_accepted(tmp_path, value, accepted):
    schema_file(write(tmp_path, {"A.json": log(state(stay={"type": value}))}))

    gold = load_gold(tmp_path)["A.json", 0]

    assert gold.alternatives.get("stay", {}).get("type") == (accepted if accepted and len(accepted) > 1 else None)
    assert gold.label.state == {"stay": {"type": accepted[0] if accepted else str(value)}}


def test_acts_come_from_the_log(tmp_path):
    acts = [{"Stay-Inform": [["Area", "East"]]}, {"Booking-Book": [["none", "none"]]}, {}]
    schema_file(write(tmp_path, {"A.json": log(*[state()] * 3, acts=acts), "B.json": log(state(), acts=[{}])}))

    gold = load_gold(tmp_path)

    assert [g.label.acts for g in gold.values()] == [
        (Act("Inform", "stay", "area", "east"),), (Act("NotifySuccess", "stay"),), (), ()]
    assert [g.has_acts for g in gold.values()] == [True, True, True, False]


@pytest.mark.parametrize("name", ["dialogue_acts.json", "system_acts.json"])
def test_acts_of_a_file_are_numbered_by_system_utterance(tmp_path, name):
    schema_file(write(tmp_path, {"A.json": log(*[state()] * 3)}))
    (tmp_path / name).write_text(json.dumps({"A": {"1": {"Stay-Request": [["Area", "?"]]}, "2": "No Annotation",
                                                   "3": {"general-bye": [["none", "none"]]}}}))

    gold = load_gold(tmp_path)

    assert [g.label.acts for g in gold.values()] == [(Act("Request", "stay", "area"),), (), (Act("Goodbye"),)]
    assert [g.has_acts for g in gold.values()] == [True, False, True]


@pytest.mark.parametrize(("dialogue", "message"), [
    ({"log": [{"text": "u"}, {"text": "s"}]}, r"\[A.json\], utterance 1: no 'metadata'"),
    ({"log": [{"text": "s", "metadata": state()}, {"text": "u", "metadata": {}}]}, "Does the log begin with the system"),
    (log(state(stay={"area": {"a": 1}})), "utterance 1, slot 'area': expected values as text"),
    (log(state(), acts=[{"Stay-Inform": ["area"]}]), r"\[A.json\]: the acts of dialogue 'A.json' are not in the layout"),
    (log(state(planet={"moon": "io"})), r"the schema has none of the slots that are annotated, such as planet-moon")])
def test_what_is_wrong_with_the_gold_is_said(tmp_path, dialogue, message):
    schema_file(write(tmp_path, {"A.json": dialogue}))
    with pytest.raises(CorpusError, match=message):
        load_gold(tmp_path)


def test_gold_of_data_json_needs_a_schema(tmp_path):
    write(tmp_path / "woz", {"A.json": log(state(eat={"food": "thai"}))})
    with pytest.raises(ConfigError, match="no schema.json with it: name the schema that the labels follow with --schema"):
        load_gold(tmp_path / "woz")
    (tmp_path / "elsewhere").mkdir()
    given = load_gold(tmp_path / "woz", schema=load_schema(schema_file(tmp_path / "elsewhere")))
    schema_file(tmp_path)  # in the folder above
    assert given == load_gold(tmp_path / "woz") and given["A.json", 0].label.state == {"eat": {"food": "thai"}}


def test_references_are_not_read_from_data_json(tmp_path):
    schema_file(write(tmp_path, ONE))
    with pytest.raises(CorpusError, match="References are read from a folder of one split in the layout of MultiWOZ 2.2"):
        load_references(tmp_path)


def test_the_real_dialogues_are_the_same_after_a_round_trip(tmp_path):
    if not DATA.is_dir():
        pytest.skip(f"needs the MultiWOZ 2.2 dialogues in {DATA}")
    schema = load_schema(DATA)
    requested = {"address", "phone", "postcode", "ref", "price", "duration", "openhours", "entrancefee", "trainid"}
    tracked = {service.name: [slot for slot in service.slots_by_name if slot not in requested] for service in schema.services}
    known = [row for file in sorted((DATA / "dev").iterdir()) for row in json.loads(file.read_text())][::5]  # to save time
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "dialogues_001.json").write_text(json.dumps(known))
    (tmp_path / "dialog_acts.json").symlink_to(DATA / "dialog_acts.json")
    (tmp_path / "schema.json").symlink_to(DATA / "schema.json")
    dialogues = converted(tmp_path / "dev", json.loads((DATA / "dialog_acts.json").read_text()), tracked)

    folder = write(tmp_path / "older", dialogues, dev=tuple(dialogues))

    assert len(known) == 200 and load_dialogues(folder, "dev") == load_dialogues(tmp_path, "dev")
    assert load_gold(folder, schema=schema) == load_gold(tmp_path / "dev")
