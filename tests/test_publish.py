"""From a manifest group to one dataset: whole, checked, and byte for byte the same again."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import datasets
import pyarrow
import pytest
from datasets import Dataset, DatasetDict

from nc_latent_tod.corpus.label_files import read_examples, write_examples
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, DamagedError
from nc_latent_tod.labels import Act, Candidate, Example, Label, TaskLabel, apply_change
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.publishing import merge
from nc_latent_tod.publishing.card import histogram, tenths
from nc_latent_tod.publishing.folder import differing_file, save_whole
from nc_latent_tod.publishing.publish import dataset_name, publish
from nc_latent_tod.publishing.rows import DELETED
from nc_latent_tod.ranking.confidence import TASKS
from nc_latent_tod.schema import Schema

SCHEMA = Schema.from_json([
    {"service_name": "stay", "slots": [{"name": "stay-area"}, {"name": "day"}], "intents": []},
    {"service_name": "eat", "slots": [{"name": "food"}], "intents": []}, {"service_name": "chat", "slots": [], "intents": []}])
FAILED = TaskLabel((), None, "no_candidate_parsed")
LABELLED = TaskLabel((Candidate("[]", score=math.log(3)), Candidate("[ ]", score=0.0), Candidate("x", error="syntax")), 0)


def turn_of(dialogue_id: str, turn_id: int, prior: dict, change: dict, *acts: Act, dst: TaskLabel = LABELLED) -> Example:
    label = Label(apply_change(prior, change), change, acts, "[value_food]", {"dst": dst, "act_tag": LABELLED}, {"job": "j1"})
    said = f"s{turn_id - 1}" if turn_id else ""
    return Example(Turn(dialogue_id, turn_id, said, f"u{turn_id}", f"s{turn_id}"), prior, label, "run")


def dialogue(dialogue_id: str) -> list[Example]:
    area = {"stay": {"area": "east"}}
    return [turn_of(dialogue_id, 0, {}, area, Act("Offer", "eat", "food", "thai")),
            turn_of(dialogue_id, 1, area, {"stay": {"area": None, "day": "friday"}}, Act("Goodbye"), dst=FAILED)]


def partition(folder: Path, split: str, ids: list[str], run_id: str | None = None, suffix: str = ".gz") -> ManifestEntry:
    examples = [example for i in ids for example in dialogue(i)]
    url = str(folder / f"{run_id or split}.jsonl{suffix}")
    return ManifestEntry("a group", run_id or f"run_{split}", len(examples), url, split, url, write_examples(url, examples),
                         len(ids), len(ids), seed_run_ids=(), finished_at="2024-11-12T00:00:00+00:00")


def manifest_of(folder: Path, *entries: ManifestEntry) -> LocalManifest:
    manifest = LocalManifest(folder / "manifest")
    for entry in entries:
        assert manifest.add(entry)
    return manifest


class Backwards(LocalManifest):
    def entries(self, group_id: str) -> list[ManifestEntry]:
        return super().entries(group_id)[::-1]


def ids(start: int, end: int) -> list[str]:
    return [f"d{i:03}" for i in range(start, end)]


@pytest.fixture
def two(tmp_path: Path) -> list[ManifestEntry]:
    return [partition(tmp_path, "train_0_10", ids(0, 10)[::-1]), partition(tmp_path, "train_10_20", ids(10, 20)[::-1])]


def test_a_group_becomes_a_dataset_with_the_published_columns(tmp_path, two):
    published = publish(manifest_of(tmp_path, *two), "a group", schema=SCHEMA, to=tmp_path / "out", license="mit")
    assert (published.dialogues, published.turns, published.failed_turns) == (20, 40, 20)
    assert published.splits == {"train": 18, "validation": 2}
    assert published.name.startswith("manifest_self_labelled_a-group_20_")
    dataset = datasets.load_from_disk(published.path)
    rows = {row["dialogue_id"]: row for row in dataset["train"] if row["turn_id"] == 1}
    row = rows[min(rows)]
    assert row["slot_values"] == {"stay": {"area": None, "day": "friday"}, "eat": {"food": None}}
    assert row["turn_slot_values"] == {"stay": {"area": DELETED, "day": "friday"}, "eat": {"food": None}}
    assert row["last_slot_values"] == {"stay": {"area": "east", "day": None}, "eat": {"food": None}}
    assert (row["system_utterances"], row["user_utterances"], row["system_response"]) == (["", "s0"], ["u0", "u1"], "s1")
    assert row["system_response_acts"] == [{"act": "Goodbye", "service": "", "slot": "", "value": ""}]
    assert row["last_system_response_acts"] == [{"act": "Offer", "service": "eat", "slot": "food", "value": "thai"}]
    assert row["domains"] == ["eat", "stay"]
    assert (row["confidence_dst"], row["confidence_act_tag"]) == (None, 0.75)
    assert (row["failures"], row["run_id"], row["job_fingerprint"]) == (["dst: no_candidate_parsed"], "run", "j1")


def test_splits_that_are_called_after_months_are_no_ranges_with_gaps(tmp_path):
    months = [partition(tmp_path, "logs_2024_05", ids(0, 3)), partition(tmp_path, "logs_2024_06", ids(3, 7))]

    published = publish(manifest_of(tmp_path, *months), "a group", schema=SCHEMA, to=tmp_path / "out")

    assert (published.dialogues, published.left_out) == (7, ())


def test_rows_are_ordered_and_no_dialogue_is_in_both_splits(tmp_path, two):
    published = publish(manifest_of(tmp_path, *two), "a group", schema=SCHEMA, to=tmp_path / "out", validation_dialogues=5)
    dataset = datasets.load_from_disk(published.path)
    keys = {split: list(zip(data["dialogue_id"], data["turn_id"], strict=True)) for split, data in dataset.items()}
    assert all(k == sorted(k) for k in keys.values())
    assert {d for d, _ in keys["train"]} | {d for d, _ in keys["validation"]} == set(ids(0, 20))
    assert (len(keys["train"]), len(keys["validation"])) == (30, 10)


def test_a_published_dataset_is_a_corpus_of_the_same_dialogues(tmp_path, two):
    published = publish(manifest_of(tmp_path, *two), "a group", schema=SCHEMA, to=tmp_path / "out", validation_dialogues=0)
    loaded = load_dialogues(published.path, "train")
    labelled = [e.turn for entry in two for e in read_examples(entry.labels_url)]
    assert [turn for d in loaded for turn in d.turns] == sorted(labelled, key=lambda turn: turn.key)


def test_equal_entries_give_equal_bytes_whatever_their_order_place_and_time(tmp_path, two):
    moved = [replace(entry, labels_url=str(tmp_path / f"copy-{i}.jsonl.gz"), finished_at="2025") for i, entry in enumerate(two)]
    for old, new in zip(two, moved, strict=True):
        Path(new.labels_url).write_bytes(Path(old.labels_url).read_bytes())
    a = publish(manifest_of(tmp_path, *two), "a group", schema=SCHEMA, to=tmp_path / "a")
    b = publish(Backwards(manifest_of(tmp_path / "other", *moved).path), "a group", schema=SCHEMA, to=tmp_path / "b")
    assert a.name == b.name
    assert differing_file(a.path, b.path) is None
    program = ("import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); from test_publish import *; "
               "publish(LocalManifest(sys.argv[2]), 'a group', schema=SCHEMA, to=Path(sys.argv[3]))")
    subprocess.run([sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path / "manifest"), str(tmp_path / "c")],
                   check=True, capture_output=True)
    assert differing_file(a.path, tmp_path / "c" / a.name) is None


def test_the_rows_are_the_same_however_few_are_merged_at_a_time(tmp_path, two, monkeypatch):
    manifest = manifest_of(tmp_path, *two)
    at_once = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "a")
    for name, count in (("_APPENDED_TURNS", 3), ("_WRITTEN_TURNS", 5), ("_OPEN_BATCHES", 1)):
        monkeypatch.setattr(merge, name, count)
    bit_by_bit = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "b")

    a, b = (datasets.load_from_disk(published.path) for published in (at_once, bit_by_bit))
    assert {split: list(rows) for split, rows in a.items()} == {split: list(rows) for split, rows in b.items()}
    assert (at_once.path / "README.md").read_bytes() == (bit_by_bit.path / "README.md").read_bytes()


def test_no_row_is_in_memory_once_its_run_is_merged(tmp_path):
    turns = [{"said": "x" * 10_000, "dialogue_id": f"d{i}"} for i in range(100)]
    names = ("failures", "abstained"), ("job_fingerprint", "model_fingerprint", "code_version")
    text = datasets.Value("string")
    columns = datasets.Features({"said": text, "dialogue_id": text, **{name: [text] for name in names[0]},
                                 **dict.fromkeys(names[1], text),
                                 **{f"{m}_{t}": datasets.Value("float32") for m in ("confidence", "entropy") for t in TASKS}})
    merged = merge.Merge(tmp_path, columns)
    before = pyarrow.total_allocated_bytes()
    for run in range(20):
        merged.add(partition(tmp_path, f"s{run}", []), [[{**turn, "failures": [], "abstained": [],
                                                          "dialogue_id": f"{run}-{turn['dialogue_id']}"}] for turn in turns])
    merged.end()
    data = merged.dataset("train", merged.dialogues)

    assert data.num_rows == 2_000 and data.data.nbytes > 20_000_000
    assert pyarrow.total_allocated_bytes() - before < 2_000_000


def test_an_identical_folder_is_reused_and_a_different_one_is_left_alone(tmp_path, two):
    manifest = manifest_of(tmp_path, *two)
    first = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out")
    again = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out")
    assert (first.reused, again.reused) == (False, True)
    with pytest.raises(ConfigError, match="is there already and differs"):
        publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out", validation_dialogues=7)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [first.name]
    assert datasets.load_from_disk(first.path)["validation"].num_rows == 4


def test_missing_partitions_are_named_and_left_out_on_request(tmp_path):
    manifest = manifest_of(tmp_path, partition(tmp_path, "train_10_20", ids(10, 20)),
                           partition(tmp_path, "train_40_45", ids(40, 45)))
    with pytest.raises(DamagedError) as caught:
        publish(manifest_of(tmp_path / "x", partition(tmp_path, "train_10_20", ids(10, 20)),
                            partition(tmp_path, "train_40_50", ids(40, 50))), "a group", schema=SCHEMA, to=tmp_path)
    assert [name for name in ("train_0_10", "train_20_30", "train_30_40") if repr(name) in str(caught.value)] == [
        "train_0_10", "train_20_30", "train_30_40"]
    published = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out", allow_missing=True)
    assert published.dialogues == 15
    assert "partition 'train_0_" in (published.path / "README.md").read_text()


@pytest.mark.parametrize(("damage", "message"), [
    ("unlink", "is missing"), ("byte", "is damaged: its sha256"), ("count", "has 20 turns, the manifest says 19"),
    ("dialogues", "has 10 dialogues, the manifest says 9"), ("failures", "has 10 failed turns, the manifest says 0"),
    ("no url", "names no label file"),
])
def test_a_damaged_partition_is_named_and_left_out_on_request(tmp_path, two, damage, message):
    file, good = Path(two[1].labels_url), two[1]
    if damage == "unlink":
        file.unlink()
    elif damage == "byte":
        data = file.read_bytes()
        file.write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])
    else:
        change = {"count": {"num_logs": 19}, "dialogues": {"num_dialogues": 9}, "failures": {"num_failures": 0},
                  "no url": {"labels_url": ""}}[damage]
        good = replace(good, **change)
    manifest = manifest_of(tmp_path, two[0], good)
    with pytest.raises(DamagedError, match=f"(?s)run 'run_train_10_20' .*{message}.* remove their runs from the manifest"):
        publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out")
    assert not (tmp_path / "out").exists()
    published = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out", allow_missing=True)
    assert published.dialogues == 10
    assert published.left_out == ("run 'run_train_10_20' (split 'train_10_20')",)
    assert str(tmp_path) not in (published.path / "README.md").read_text()


def test_a_partition_that_lacks_turns_or_dialogues_is_named(tmp_path, two):
    url = str(tmp_path / "torn.jsonl")
    sha256 = write_examples(url, dialogue("d0")[1:])
    torn = replace(two[0], labels_url=url, sha256=sha256, num_logs=1, num_dialogues=1, num_failures=1)
    with pytest.raises(DamagedError, match="lacks turns of dialogue 'd0'.*") as caught:
        publish(manifest_of(tmp_path, torn, two[1]), "a group", schema=SCHEMA, to=tmp_path / "out")
    assert "1 of 10 dialogues, and it is not the last partition" in str(caught.value)


def test_two_runs_over_the_same_split_are_refused_even_with_allow_missing(tmp_path, two):
    manifest = manifest_of(tmp_path, *two, partition(tmp_path, "train_10_20", ids(10, 20), "again"))
    with pytest.raises(DamagedError, match="run 'again' .* and run 'run_train_10_20' .*: 10 dialogues .* once, 'd010'"):
        publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out", allow_missing=True)


def test_runs_of_several_schemas_are_named_and_merged_on_request_alone(tmp_path, two, caplog):
    def of(schema, entry):
        return replace(entry, schema_path="schema.json", schema_sha256=schema * 64)

    unknown = partition(tmp_path, "train_20_30", ids(20, 30))  # of an earlier version
    mixed = manifest_of(tmp_path, of("a", two[0]), of("b", two[1]), unknown)
    with pytest.raises(DamagedError) as caught:
        publish(mixed, "a group", schema=SCHEMA, to=tmp_path / "out", allow_missing=True)
    said = str(caught.value)
    assert ("schema.json of sha256 aaaaaaaaaaaa: 1 (run_train_0_10); schema.json of sha256 bbbbbbbbbbbb: 1 (run_train_10_20)."
            in said and "(--allow-mixed-schemas)" in said and "--allow-missing" not in said)

    published = publish(mixed, "a group", schema=SCHEMA, to=tmp_path / "out", allow_mixed_schemas=True)

    assert published.dialogues == 30 and "published although: The schema changed" in caplog.text
    card = (published.path / "README.md").read_text()
    assert "| schema sha256 |" in card and f"| {'b' * 16} |" in card and "| not recorded |" in card
    assert "taken over" not in card
    same = manifest_of(tmp_path / "x", of("a", two[0]), of("a", two[1]), unknown)
    alike = publish(same, "a group", schema=SCHEMA, to=tmp_path / "alike")
    assert "schema sha256" not in (alike.path / "README.md").read_text()


@pytest.mark.parametrize(("modes", "words"), [
    (("direct", "pmi"), "ranked by `direct` or by `pmi`;"),
    (("noisy_channel_joint", "direct"), "by a noisy channel (King & Flanigan, EMNLP 2024, arXiv 2404.15219) or by `direct`;"),
    (None, "ranked by a noisy channel (King & Flanigan, EMNLP 2024, arXiv 2404.15219);")])
def test_the_card_names_the_ranking_that_was_used(tmp_path, two, modes, words):
    made_by = modes and json.dumps({"job": {
        task: {"model": {"model_type": "scripted"}, "generation_cfg": {"generation_mode": mode}}
        for task, mode in zip(("dst", "act_tag"), modes, strict=True)}})
    manifest = manifest_of(tmp_path, *(replace(entry, made_by=made_by or "") for entry in two))

    published = publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out")

    assert words in (published.path / "README.md").read_text()


def test_every_problem_is_named_at_once(tmp_path, two):
    Path(two[0].labels_url).unlink()
    Path(two[1].labels_url).write_bytes(b"")
    manifest = manifest_of(tmp_path, *two, partition(tmp_path, "train_30_40", ids(30, 40)))
    with pytest.raises(DamagedError) as caught:
        publish(manifest, "a group", schema=SCHEMA, to=tmp_path / "out")
    assert all(name in str(caught.value) for name in ("run_train_0_10", "run_train_10_20", "'train_20_30' is missing"))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"group_id": "another"}, "no finished run of group 'another'"),
    ({"to": None}, "Say where to publish"),
    ({"validation_dialogues": 20}, "20 validation dialogues of 20"),
    ({"schema": Schema.from_json([{"service_name": "stay", "slots": [{"name": "areas"}]}])},
     "'area' of 'stay', which the schema lacks. Did you mean 'areas'"),
])
def test_what_cannot_be_published_is_one_clear_error(tmp_path, two, arguments, message):
    wanted = {"group_id": "a group", "schema": SCHEMA, "to": tmp_path / "out", **arguments}
    with pytest.raises(ConfigError, match=message):
        publish(manifest_of(tmp_path, *two), wanted.pop("group_id"), **wanted)


def test_without_a_token_nothing_is_uploaded(tmp_path, two, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ConfigError, match="No Hugging Face token to upload me/manifest_self_labelled_a-group_20"):
        publish(manifest_of(tmp_path, *two), "a group", schema=SCHEMA, hf_username="me")


def test_a_corpus_of_640_dialogues_has_64_for_validation(tmp_path):
    entry = partition(tmp_path, "train", [f"d{i}" for i in range(700)])
    published = publish(manifest_of(tmp_path, entry), "a group", schema=SCHEMA, to=tmp_path / "out")
    assert published.splits == {"train": 636, "validation": 64}


def test_the_card_counts_by_tenths_and_names_hold_to_the_hub_s_rules(two):
    lines = histogram(tenths([0.05, 0.95, 1.0, None])).splitlines()
    assert [lines[1].split()[1], lines[10].split()[1], lines[11].split()[1]] == ["1", "2", "1"]
    assert len(dataset_name("x/../y z" * 30, two, 20)) <= 96
    assert "/" not in dataset_name("x/../y", two, 20)
    assert ".." not in dataset_name("x/../y", two, 20)


def test_every_file_is_on_the_disk_before_the_dataset_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a power cut leaves empty files under the right name, which a second publish refuses."""
    flushed: set[str] = set()
    fsync, rename, missing = os.fsync, os.rename, list[str]()

    def note(handle: int) -> None:
        flushed.add(os.readlink(f"/proc/self/fd/{handle}"))
        fsync(handle)

    def check(source: Path, target: Path) -> None:
        if Path(source).is_dir():
            missing.extend(str(path) for path in [source, *Path(source).rglob("*")] if str(path.resolve()) not in flushed)
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(os, "rename", check)
    dataset = DatasetDict({"train": Dataset.from_dict({"a": [1, 2]})})

    path, was_there = save_whole(dataset, "card", tmp_path / "d")

    assert not was_there and missing == [] and len(list(path.rglob("*"))) > 3
    assert [place.name for place in tmp_path.iterdir()] == ["d"]
