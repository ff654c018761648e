"""Dialogues in, whatever they come in."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import pytest

from nc_latent_tod.corpus.load import load_dialogues, partitions
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, CorpusError

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
real_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"needs the real dialogues in {DATA}")


def dialogue(dialogue_id: object, *utterances: tuple[object, object]) -> dict:
    return {"dialogue_id": dialogue_id, "turns": [{"speaker": s, "utterance": u} for s, u in utterances]}


def jsonl(path: Path, *rows: object) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def many(n: int) -> list[dict]:
    return [dialogue(f"d{i}", ("user", f"hello {i}"), ("system", "hi")) for i in range(n)]


def test_own_logs_become_turns_numbered_from_0(tmp_path):
    logs = jsonl(tmp_path / "logs.jsonl",
                 dialogue("a", ("USER", "hi"), ("Agent", "hello"), ("customer", "a taxi"), ("bot", "done")))
    (loaded,) = load_dialogues(logs)
    assert loaded.turns == (Turn("a", 0, "", "hi", "hello"), Turn("a", 1, "hello", "a taxi", "done"))


def test_a_system_that_speaks_first_is_the_last_utterance_of_turn_0(tmp_path):
    logs = jsonl(tmp_path / "logs.jsonl", dialogue("a", ("system", "welcome"), ("user", "hi")))
    assert load_dialogues(logs)[0].turns == (Turn("a", 0, "welcome", "hi", ""),)


def test_utterances_of_one_speaker_in_a_row_are_joined_with_a_newline(tmp_path):
    logs = jsonl(tmp_path / "logs.jsonl",
                 dialogue("a", ("user", "hi"), ("user", ""), ("user", "a room"), ("system", "yes"), ("system", "which?")))
    assert load_dialogues(logs)[0].turns == (Turn("a", 0, "", "hi\na room", "yes\nwhich?"),)


def test_an_empty_user_utterance_keeps_its_turn(tmp_path):
    logs = jsonl(tmp_path / "logs.jsonl", dialogue("a", ("user", ""), ("system", "hello?"), ("user", "hi")))
    assert [turn.user_utterance for turn in load_dialogues(logs)[0].turns] == ["", "hi"]


@pytest.mark.parametrize("utterance", [
    "\U0001f469\u200d\U0001f4bb book \U0001f3e8", "\u0623\u0631\u064a\u062f \u200f\u0641\u0646\u062f\u0642\u064b\u0627",
    "tab\tnull\x00bell\x07esc\x1b", "line\u2028separator\x85\r\nend",
    "  spaces kept  ", "x" * 200_000, '"], agent.delete() #', "", "none",
], ids=range(9))
@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "csv", "json"])
def test_text_arrives_exactly_as_it_was_written(tmp_path, utterance, kind):
    path = tmp_path / f"logs.{kind}"
    row = dialogue("a", ("user", utterance), ("system", utterance))
    if kind == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("dialogue_id", "speaker", "utterance"),
                                        ("a", "user", utterance), ("a", "system", utterance)])
    else:
        text = json.dumps([row] if kind == "json" else row, ensure_ascii=False)
        path.write_bytes(gzip.compress(text.encode()) if kind.endswith("gz") else text.encode())
    assert load_dialogues(path)[0].turns == (Turn("a", 0, "", utterance, utterance),)


def test_a_dialogue_of_200_turns_keeps_them_all(tmp_path):
    utterances = [(speaker, f"{speaker} {i}") for i in range(200) for speaker in ("user", "system")]
    turns = load_dialogues(jsonl(tmp_path / "logs.jsonl", dialogue("a", *utterances)))[0].turns
    assert len(turns) == 200
    assert turns[199] == Turn("a", 199, "system 198", "user 199", "system 199")


@pytest.mark.parametrize(("rows", "message"), [
    ([dialogue("a", ("robot", "hi"))], r"logs.jsonl:1, utterance 0: unknown speaker 'robot'. Known .*customer"),
    ([dialogue("a", (None, "hi"))], r"unknown speaker None"),
    ([dialogue("a", ("system", "hi"))], r"logs.jsonl:1: the dialogue has no user utterance"),
    ([dialogue("a")], r"no user utterance"),
    ([dialogue("a", ("user", "x")), dialogue("a", ("user", "y"))], r"logs.jsonl:2: .*'a' comes twice, .*logs.jsonl:1"),
    ([dialogue("", ("user", "x"))], r"logs.jsonl:1: the dialogue has no 'dialogue_id'"),
    ([{"turns": []}], r"logs.jsonl:1: the dialogue has no 'dialogue_id'"),
    ([{"dialogue_id": "a"}], r"a dialogue needs 'turns'"),
    ([{"dialogue_id": "a", "turns": [{"speaker": "user"}]}], r"utterance 0: no 'utterance'"),
    ([dialogue("a", ("user", None))], r"utterance 0: expected text, found None"),
    ([dialogue("a", ("user", "half \ud83d"))], r"utterance 0: not valid Unicode at character 5"),
    ([[1, 2]], r"logs.jsonl:1: expected a JSON object.*If the file is one JSON list, name it .json"),
    ([{"messages": [{"role": "user", "content": "hi"}]}], r"Rename 'messages' to 'turns', .*\(role, content\) speaker"),
    ([{"speaker": "user", "utterance": "hi"}], r"A line is a whole dialogue.*CSV file: dialogue_id, speaker, utterance"),
    ([], r"is empty"),
])
def test_what_cannot_be_a_dialogue_is_refused_by_file_and_line(tmp_path, rows, message):
    with pytest.raises(CorpusError, match=message):
        load_dialogues(jsonl(tmp_path / "logs.jsonl", *rows))


@pytest.mark.parametrize(("data", "message"), [
    (b'{"dialogue_id": "a", "tu', r"logs.jsonl:1: not JSON.*one JSON object a line"),
    (b'[\n{"dialogue_id": "a"}\n]', r"logs.jsonl:1: not JSON.*If the file is one JSON list, name it .json"),
    (b"\n\n{}", r"logs.jsonl:3: the dialogue has no|logs.jsonl:3: a dialogue needs 'turns'"),
    (b'{"dialogue_id": "\xff"}', r"not UTF-8"),
    (b"[" * 100_000, r"nested too deeply|not JSON"),
])
def test_damaged_lines_are_named(tmp_path, data, message):
    (tmp_path / "logs.jsonl").write_bytes(data)
    with pytest.raises(CorpusError, match=message):
        load_dialogues(tmp_path / "logs.jsonl")


def test_a_torn_gzip_is_refused(tmp_path):
    whole = gzip.compress("".join(json.dumps(row) + "\n" for row in many(100)).encode())
    (tmp_path / "logs.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorpusError, match="damaged gzip"):
        load_dialogues(tmp_path / "logs.jsonl.gz")


def test_csv_rows_are_ordered_by_turn_id(tmp_path):
    path = tmp_path / "logs.csv"
    path.write_text("turn_id,dialogue_id,speaker,utterance,mood\n"
                    "1,a,user,bye,x\n0,b,user,yo,x\n0,a,user,hi,x\n0,a,agent,hello,x\n")
    a, b = load_dialogues(path)
    assert a.turns == (Turn("a", 0, "", "hi", "hello"), Turn("a", 1, "hello", "bye", ""))
    assert b.turns == (Turn("b", 0, "", "yo", ""),)


@pytest.mark.parametrize(("text", "message"), [
    ("dialogue_id,speaker\na,user\n", "no column utterance; there are dialogue_id, speaker. Rename the columns"),
    ("", "no column dialogue_id, speaker, utterance; there are none"),
    ("dialogue_id,speaker,utterance\na,user,hi, there\n", "logs.csv:2: expected 3 fields"),
    ("dialogue_id,speaker,utterance\na,user\n", "logs.csv:2: expected 3 fields"),
    ("dialogue_id,speaker,utterance\na,user,hi\nb,user,yo\na,user,again\n", "logs.csv:4: .*'a' comes twice, .*csv:2"),
    ("dialogue_id,speaker,utterance,turn_id\na,user,hi\n", "logs.csv:2: expected 4 fields"),
    ("dialogue_id,speaker,utterance,speaker\na,user,hi,x\n", "the column 'speaker' comes twice"),
    ("dialogue_id;speaker;utterance\na;user;hi\n", "no column dialogue_id.*Separate the columns with commas"),
    ("dialogue_id,speaker,utterance\na,user,\"hi\n", "not CSV .* A quote is opened and never closed"),
    (f"{'x' * 5000}\n", "no column dialogue_id, speaker, utterance; there are x{120}\\.$"),
    ("dialogue_id,speaker,utterance,turn_id\na,user,hi,first\n", "logs.csv:2: 'turn_id' must be a whole number"),
    ("dialogue_id,speaker,utterance,turn_id\na,user,hi,0\na,user,yo,0\n", "logs.csv:3: .*turn_id 0 of 'user' twice"),
    ('dialogue_id,speaker,utterance\na,user,"hi\n', "not CSV"),
])
def test_csv_that_is_wrong_is_refused_by_line(tmp_path, text, message):
    (tmp_path / "logs.csv").write_text(text)
    with pytest.raises(CorpusError, match=message):
        load_dialogues(tmp_path / "logs.csv")


def test_a_file_of_lines_with_another_name_is_read_as_its_format_says(tmp_path):
    logs = jsonl(tmp_path / "export.txt", *many(2))

    assert len(load_dialogues(logs, format="jsonl")) == 2
    with pytest.raises(CorpusError, match="export.json: not JSON .* name it .jsonl"):
        load_dialogues(logs.rename(tmp_path / "export.json"))


def test_a_range_is_whole_dialogues_in_corpus_order(tmp_path):
    logs = jsonl(tmp_path / "logs.jsonl", *many(120))
    ids = [d.dialogue_id for d in load_dialogues(logs, "train_50_100")]
    assert ids == [f"d{i}" for i in range(50, 100)]
    assert len(load_dialogues(logs, "train_100_150")) == 20
    assert load_dialogues(logs, "logs_0_2") == load_dialogues(logs)[:2]


def test_a_split_is_cut_up_even_where_its_name_looks_like_a_range(tmp_path):
    for month in ("05", "06"):
        jsonl(tmp_path / f"logs_2024_{month}.jsonl", *many(5))

    parts = partitions(tmp_path, "logs_2024_05", 5, 3)

    assert parts == ["logs_2024_05_0_3", "logs_2024_05_3_5"]
    assert [[d.dialogue_id for d in load_dialogues(tmp_path, part)] for part in parts] == [["d0", "d1", "d2"], ["d3", "d4"]]
    assert partitions(tmp_path, "logs_2024_05_1_4", 3, 2) == ["logs_2024_05_1_3", "logs_2024_05_3_4"]


def test_folders_of_dialogue_files_are_splits(tmp_path):
    for split, rows in (("train", many(4)), ("dev", many(2))):
        (tmp_path / split).mkdir()
        half = len(rows) // 2
        for number, part in ((1, rows[:half]), (2, rows[half:])):
            (tmp_path / split / f"dialogues_00{number}.json").write_text(json.dumps(part))
    assert [d.dialogue_id for d in load_dialogues(tmp_path, "train")] == ["d0", "d1", "d2", "d3"]
    assert [d.dialogue_id for d in load_dialogues(tmp_path, "dev_1_3")] == ["d1"]
    with pytest.raises(CorpusError, match=r"no split 'tran'. Did you mean 'train'\? There are: dev, train"):
        load_dialogues(tmp_path, "tran")
    with pytest.raises(CorpusError, match="several splits: name one. There are: dev, train"):
        load_dialogues(tmp_path)


@pytest.mark.parametrize(("split", "message"), [
    ("train_200_250", "'train_200_250' .* is empty: the corpus has 10 dialogues"),
    ("train_5_5", "an empty range"),
    ("test", "no split 'test'"),
    ("test_0_5", "no split 'test_0_5'"),
])
def test_a_split_that_does_not_exist_is_refused(tmp_path, split, message):
    with pytest.raises(CorpusError, match=message):
        load_dialogues(jsonl(tmp_path / "logs.jsonl", *many(10)), split)


def test_paths_without_dialogues_say_what_was_expected(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for path, message in ((tmp_path, "no dialogues here.*found notes.txt"), (tmp_path / "gone.jsonl", "no such file"),
                          (tmp_path / "notes.txt", "unknown kind of file")):
        with pytest.raises(CorpusError, match=message):
            load_dialogues(path)
    with pytest.raises(ConfigError, match=r"No corpus format 'cvs'. Did you mean 'csv'\?"):
        load_dialogues(tmp_path, format="cvs")


def test_changing_the_annotations_changes_no_dialogue(tmp_path):
    row = dialogue("a", ("user", "hi"), ("system", "hello"))
    plain = load_dialogues(jsonl(tmp_path / "a.jsonl", row))
    row["turns"][0]["frames"] = [{"service": "secret", "state": {"slot_values": {"secret": ["value"]}}}]
    row["services"] = ["secret"]
    assert load_dialogues(jsonl(tmp_path / "b.jsonl", row)) == plain


@real_data
def test_the_real_multiwoz_dialogues_load():
    loaded = load_dialogues(DATA / "multiwoz", "dev")
    assert (len(loaded), sum(len(d.turns) for d in loaded)) == (999, 7365)
    raw = json.loads((DATA / "multiwoz" / "dev" / "dialogues_001.json").read_text())[0]
    assert loaded[0].turns[1].last_system_utterance == raw["turns"][1]["utterance"]
    assert loaded[0].turns[1].user_utterance == raw["turns"][2]["utterance"]


@real_data
def test_the_real_sgd_dialogues_load():
    loaded = load_dialogues(DATA / "sgd" / "dev")
    assert len(loaded) == 2098
    assert all(re.fullmatch(r"\d+_\d+", d.dialogue_id) for d in loaded)
    assert load_dialogues(DATA / "sgd", "dev_2050_2100") == loaded[2050:]


def test_an_unused_csv_column_may_be_left_empty(tmp_path):
    (tmp_path / "logs.csv").write_text("dialogue_id,speaker,utterance,note\na,user,hi\n")

    assert load_dialogues(tmp_path / "logs.csv")[0].turns[0].user_utterance == "hi"


def test_a_file_is_no_dataset_of_turns(tmp_path):
    (tmp_path / "logs.jsonl").write_text('{"dialogue_id": "a", "turns": [{"speaker": "user", "utterance": "hi"}]}')

    with pytest.raises(CorpusError, match="is a file, but the format 'turns' means"):
        load_dialogues(tmp_path / "logs.jsonl", format="turns")
