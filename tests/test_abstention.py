"""Publishing only what is sure enough: what is null, what is counted, and what the options may be."""

from __future__ import annotations

from dataclasses import replace

import datasets
import pytest
from test_publish import LABELLED, SCHEMA, manifest_of, partition, turn_of

from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Act, Candidate, Example, TaskLabel
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.publishing.abstention import Abstention, read_temperatures
from nc_latent_tod.publishing.publish import publish
from nc_latent_tod.publishing.rows import rows

UNSURE = TaskLabel((Candidate("[]", score=0.1), Candidate("[ ]", score=0.0)), 0)


def turn(turn_id: int, prior: dict, change: dict, *acts: Act, dst: TaskLabel, act_tag: TaskLabel = LABELLED) -> Example:
    made = turn_of("d", turn_id, prior, change, *acts, dst=dst)
    return replace(made, label=replace(made.label, tasks={"dst": dst, "act_tag": act_tag}))


@pytest.fixture
def dialogue() -> list[Example]:
    area, both = {"stay": {"area": "east"}}, {"stay": {"area": "east", "day": "friday"}}
    return [turn(0, {}, area, Act("Offer", "eat", "food", "thai"), dst=LABELLED, act_tag=UNSURE),
            turn(1, area, {"stay": {"day": "friday"}}, Act("Goodbye"), dst=UNSURE),
            turn(2, both, {"stay": {"area": "west"}}, dst=LABELLED)]


def test_an_unsure_change_is_null_and_so_are_the_states_from_there_on(dialogue):
    made = rows(dialogue, SCHEMA, Abstention(0.7))
    assert [row["abstained"] for row in made] == [["act_tag"], ["dst", "state"], ["state"]]
    assert [row["turn_slot_values"] is None for row in made] == [False, True, False]
    assert [row["slot_values"] is None for row in made] == [False, True, True]
    assert made[2]["last_slot_values"]["stay"] == {"area": "east", "day": "friday"}  # what the sure change was read against
    assert made[2]["turn_slot_values"]["stay"] == {"area": "west", "day": None}


def test_unsure_acts_are_null_with_the_delexicalised_response_and_for_the_next_turn(dialogue):
    first, second, _ = rows(dialogue, SCHEMA, Abstention(0.7))
    assert (first["system_response_acts"], first["delexicalised_response"]) == (None, None)
    assert second["last_system_response_acts"] is None
    assert second["system_response_acts"][0]["act"] == "Goodbye"
    assert first["domains"] == ["stay"]  # `eat` is in the unsure act alone


def test_without_a_minimum_nothing_is_left_out_and_confidences_are_there_all_the_same(dialogue):
    made = rows(dialogue, SCHEMA, Abstention())
    assert all(row["abstained"] == [] and row["slot_values"] and row["system_response_acts"] is not None for row in made)
    assert made[0]["confidence_dst"] == pytest.approx(0.75)
    assert made[0]["margin_dst"] == pytest.approx(0.5)
    assert made[2]["confidence_state"] == pytest.approx(0.75 * made[1]["confidence_dst"] * 0.75)
    assert made[0]["confidence_slots"]["stay"] == {"area": pytest.approx(0.75), "day": None}
    assert rows(dialogue, SCHEMA, Abstention(None, {"dst": 1e9}))[0]["confidence_dst"] == pytest.approx(0.5)


def test_a_published_dataset_counts_what_it_leaves_out_and_has_a_name_of_its_own(tmp_path):
    manifest = manifest_of(tmp_path, partition(tmp_path, "train_0_10", [f"d{i}" for i in range(10)]))  # turn 1 fails
    whole = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out")
    sure = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out", min_confidence=0.7, temperatures={"dst": 1.5})
    assert (whole.abstained, sure.abstained) == ({}, {"dst": 20, "state": 20})  # 3^(2/3) : 1 is 0.675
    assert sure.name != whole.name


def test_nulls_survive_the_way_to_disk_and_the_card_says_how_many(tmp_path):
    manifest = manifest_of(tmp_path, partition(tmp_path, "train_0_10", [f"d{i}" for i in range(10)]))
    sure = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out", min_confidence=0.7)
    stored = datasets.load_from_disk(sure.path)["train"]
    assert sure.abstained == {"dst": 10, "state": 10}  # the failed turns
    assert {row["turn_id"] for row in stored if row["slot_values"] is None} == {1}
    card = (sure.path / "README.md").read_text()
    assert "confidence below 0.7" in card
    assert "| turn_slot_values | 10 of 20 |" in card


def test_readings_without_rivals_are_warned_of(tmp_path, caplog):
    alone = TaskLabel((Candidate("[]", score=-1.0),), 0)
    examples = [turn(0, {}, {}, dst=alone, act_tag=alone)]
    url = str(tmp_path / "labels.jsonl")
    entry = ManifestEntry("g", "r", 1, url, "train", url, write_examples(url, examples), 1, 0)
    manifest = LocalManifest(tmp_path / "manifest")
    manifest.add(entry)
    publish(manifest, "g", schema=SCHEMA, to=tmp_path / "out", min_confidence=0.9)
    assert "every turn has one reading only" in caplog.text


@pytest.mark.parametrize(("minimum", "temperatures", "message"), [
    (0.0, {}, "above 0 and at most 1, not 0"), (1.5, {}, "not 1.5"), (float("nan"), {}, "not nan"),
    (0.5, {"dts": 1.0}, "no task 'dts'.*Did you mean 'dst'"), (0.5, {"dst": 0}, "above 0, not 0"),
    (0.5, {"dst": "hot"}, "not 'hot'"),
])
def test_impossible_options_are_refused(minimum, temperatures, message):
    with pytest.raises(ConfigError, match=message):
        Abstention(minimum, temperatures)


def test_temperatures_come_from_a_number_or_a_file(tmp_path):
    file = tmp_path / "t.json"
    file.write_text('{"temperature": {"dst": 2.5}, "turns": 3}')
    assert read_temperatures("1.5") == {"dst": 1.5, "act_tag": 1.5}
    assert read_temperatures(str(file)) == {"dst": 2.5}


@pytest.mark.parametrize(("text", "message"), [
    (None, "cannot be read: No such file"), ("{", "not JSON"), ("[]", 'no "temperature"')])
def test_a_file_without_temperatures_says_what_it_should_be(tmp_path, text, message):
    file = tmp_path / "t.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_temperatures(str(file))
