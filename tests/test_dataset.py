"""Datasets as folders: turn for turn the same after import, and every fault found in one pass."""

import csv
import json
import shutil
import sqlite3
from pathlib import Path
from uuid import uuid4

import pytest
from labelled_group import label
from test_cli import call

from nc_latent_tod.api.dataset import export_corpus, export_group, import_dataset
from nc_latent_tod.api.groups import labels_of, runs_of
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.corpus.packaged import packaged_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.repository.check import check_dataset
from nc_latent_tod.repository.splits import read_splits


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> str:
    """Twenty dialogues that rules labelled, as the group `g`."""
    return label(tmp_path_factory.mktemp("group"), "train_0_20", entities=True)


@pytest.fixture(scope="module")
def exported(manifest, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("datasets") / "chats"
    export_group("g", out=folder, manifest=manifest)
    return folder


@pytest.fixture
def chats(exported, tmp_path) -> Path:
    """A dataset of one's own to spoil."""
    return Path(shutil.copytree(exported, tmp_path / "chats"))


def meaning(examples):
    """What of labelled turns a dataset keeps: all but the candidates that were weighed."""
    return {e.turn.key: (e.turn, e.prior_state, e.label.state, e.label.change, e.label.acts, e.label.delexicalised_response,
                         e.label.failures, e.run_id) for e in examples}


@pytest.mark.parametrize("format", ["csv", "db"])
def test_labels_are_the_same_after_export_and_import(manifest, tmp_path, format):
    labels = labels_of(runs_of(manifest, "g"))

    done = export_group("g", out=tmp_path / "chats", manifest=manifest, format=format)
    corpus = import_dataset(tmp_path / "chats", out=tmp_path / "corpus")

    assert done.dialogues == corpus.dialogues == 20
    assert load_dialogues(corpus.corpus) == load_dialogues("packaged:simulated", "train_0_20")
    assert meaning(read_examples(corpus.labels)) == meaning(labels)
    assert set(load_gold(corpus.labels)) == {example.turn.key for example in labels}
    assert json.loads(corpus.schema.read_text()) == packaged_schema().to_json()


@pytest.mark.parametrize("format", ["csv", "db"])
def test_text_of_any_kind_is_the_same_after_export_and_import(tmp_path, format):
    odd = ['a "quoted", text', "two\nlines\r\nand three", "", "שלום \N{THUMBS UP SIGN} \0 tab\t", "-0", "null", " spaces "]
    rows = [{"dialogue_id": f"d,{i}", "turns": [{"speaker": speaker, "utterance": said} for speaker, said in (
        ("system", text), ("user", text), ("system", text), ("user", "x"))]} for i, text in enumerate(odd)]
    (tmp_path / "logs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    export_corpus(str(tmp_path / "logs.jsonl"), schema="packaged:schema", out=tmp_path / "raw", format=format)
    corpus = import_dataset(tmp_path / "raw", out=tmp_path / "corpus")

    assert load_dialogues(corpus.corpus) == load_dialogues(tmp_path / "logs.jsonl")
    assert corpus.labels is None


def test_the_same_labels_give_the_same_bytes(exported, manifest, tmp_path):
    export_group("g", out=tmp_path / "chats", manifest=manifest)

    assert (tmp_path / "chats" / "examples.csv").read_bytes() == (exported / "examples.csv").read_bytes()


def test_what_was_exported_has_no_fault(exported):
    checked = check_dataset(exported, name="chats")

    assert checked.faults == ()
    assert len(checked.rows) == len({(row["dialogue_id"], row["turn_id"]) for row in checked.rows}) > 50


def rewrite(folder: Path, change) -> None:
    """Read the CSV, let `change` spoil its rows (the first is the header), write it again."""
    with open(folder / "examples.csv", newline="") as file:
        rows = list(csv.reader(file))
    change(rows)
    with open(folder / "examples.csv", "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def cell(row: int, column: str, value) -> "object":
    """A change of one cell; `value` may be made from the old one."""
    def change(rows):
        at = rows[0].index(column)
        rows[row][at] = value(rows[row][at]) if callable(value) else value
    return lambda folder: rewrite(folder, change)


def schema(change):
    def spoil(folder):
        data = json.loads((folder / "schema.json").read_text())
        change(data)
        (folder / "schema.json").write_text(json.dumps(data))
    return spoil


def split(**sets: str):
    def spoil(folder):
        at = folder / "splits" / "experience_0" / "partition_0"
        at.mkdir(parents=True)
        for name, text in {"training": "0\n1\n", "test": "2\n3\n", **sets}.items():
            (at / f"{name}.txt").write_text(text)
    return spoil


def both(folder):
    sqlite3.connect(folder / "examples.db").execute("CREATE TABLE examples (id TEXT)").connection.close()


def put(name: str, text: str = "x"):
    def spoil(folder):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return spoil


def header(old: str, new: str):
    return lambda folder: rewrite(folder, lambda rows: rows[0].__setitem__(rows[0].index(old), new))


STATE = '{"zoo": {"animal": "owl"}}'  # no service of the schema

FAULTS = {
    "both csv and db": (both, "has both examples.csv and examples.db"),
    "neither": (lambda f: (f / "examples.csv").unlink(), "has neither examples.csv nor examples.db"),
    "no schema": (lambda f: (f / "schema.json").unlink(), "schema.json: missing"),
    "schema is not json": (put("schema.json", "{"), "schema.json: not JSON"),
    "unknown key of the schema": (schema(lambda d: d.update(colour="red")), "schema.json: colour: Extra inputs"),
    "unknown type": (schema(lambda d: d["inputs"][0].update(type="tensor")), "schema.json: inputs.0.type"),
    "element twice": (schema(lambda d: d["metadata"].append(d["inputs"][0])), "dialogue_id come twice"),
    "another name": (schema(lambda d: d.update(name="talks")), "is called 'talks' there, and 'chats' here"),
    "unknown column": (lambda f: rewrite(f, lambda rows: [row.append("x") for row in rows]), "columns: 'x' is no element"),
    "missing column": (header("user_utterance", "user_uterance"), "columns: 'user_utterance' is missing"),
    "id is not first": (lambda f: rewrite(f, lambda rows: [row.append(row.pop(0)) for row in rows]), "'id' has to be the"),
    "wrong type": (cell(3, "turn_id", "second"), "turn_id: 'second' is not of type integer"),
    "null": (cell(3, "service_schema", ""), "service_schema: null, and the element is not nullable"),
    "short row": (lambda f: rewrite(f, lambda rows: rows[4].pop()), "has 12 fields: service_schema is not there"),
    "malformed id": (cell(5, "id", "17"), "the id '17' is no UUID4"),
    "id of another version": (cell(7, "id", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "is no UUID4"),
    "repeated id": (lambda f: rewrite(f, lambda rows: rows[9].__setitem__(0, rows[8][0])), "comes twice, first at"),
    "file missing": (cell(2, "service_schema", "other.json"), "files/other.json is missing"),
    "file elsewhere": (cell(2, "service_schema", "../../secret"), "leads out of files/"),
    "file unreferenced": (put("files/photo.png"), "files/photo.png: no example refers to it"),
    "unknown part": (put("example.csv"), "example.csv: no part of a dataset. Did you mean 'examples.csv'?"),
    "index out of range": (split(test="2\n99999\n"), "test.txt, index 2: 99999 is out of range"),
    "overlap of train and test": (split(test="1\n2\n"), "training and test overlap in 1 rows, such as 1"),
    "index is no number": (split(training="0\n-1\n"), "training.txt, index 2: '-1' is no index"),
    "set of no kind": (split(dev="0\n"), "expected training.txt, test.txt, validation.txt"),
    "turn repeated": (cell(2, "turn_id", "0"), "turn 0 of dialogue"),
    "unknown service": (cell(1, "state", STATE), "the service 'zoo' is not in the schema"),
    "unknown act": (cell(1, "acts", '[{"act": "Sing", "service": "", "slot": "", "value": ""}]'), "is no act"),
    "state is not json": (cell(3, "state", "{area: north}"), "is not JSON of the form"),
    "text does not follow": (cell(-1, "last_system_utterance", "Eh?"), "is not the system_response of"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_seeded_fault_is_found(chats, name):
    spoil, told = FAULTS[name]
    spoil(chats)

    faults = [str(fault) for fault in check_dataset(chats, name="chats").faults]

    assert any(told in fault for fault in faults), faults


def test_an_unknown_slot_and_an_unknown_value_are_found(chats):
    service = next(s for s in packaged_schema().services if any(slot.is_categorical for slot in s.slots))
    slot = next(slot for slot in service.slots if slot.is_categorical)
    cell(1, "state", json.dumps({service.name: {slot.name: "no such value", "wings": "2"}}))(chats)
    cell(1, "change", json.dumps({service.name: {slot.name: "no such value", "wings": "2"}}))(chats)

    told = " ".join(map(str, check_dataset(chats).faults))

    assert f"'no such value' is no value of {service.name}.{slot.name}" in told
    assert f"{service.name} has no slot 'wings'" in told


def test_faults_of_25_kinds_at_once_are_all_told_in_one_pass(chats):
    alone = {"both csv and db", "neither", "no schema", "schema is not json", "missing column", "id is not first",
             "unknown type", "element twice", "unknown key of the schema", "index out of range", "overlap of train and test",
             "set of no kind", "index is no number", "file elsewhere", "short row"}
    together = [name for name in FAULTS if name not in alone]
    for name in together:
        FAULTS[name][0](chats)
    split(test="1\n99999\nx\n", dev="0\n", validation="0\n0\n")(chats)
    cell(8, "service_schema", "../../secret")(chats)
    rewrite(chats, lambda rows: rows[10].pop() and rows[10].pop())
    cell(11, "change", "[1]")(chats)
    cell(12, "failures", "7")(chats)
    schema(lambda data: data["metadata"].append({"name": "price", "type": "float", "required": True, "nullable": True}))(chats)

    faults = " ".join(map(str, check_dataset(chats, name="chats").faults))

    expected = [*(FAULTS[name][1] for name in together), "index 2: 99999 is out of range", "index 3: 'x' is no index",
                "training and test overlap", "training and validation overlap", "row 0 comes twice", "expected training.txt",
                "leads out of files/", "fields: ", "change: '[1]' is not JSON", "failures: '7' is not JSON",
                "columns: 'price' is missing"]
    assert len(expected) >= 25
    assert [told for told in expected if told not in faults] == []


def test_predefined_splits_are_read(chats):
    split(validation="4\n")(chats)

    splits, faults = read_splits(chats, 10)

    assert (splits, faults) == ({(0, 0): {"training": (0, 1), "test": (2, 3), "validation": (4,)}}, [])


def test_a_dataset_of_another_kind_is_checked_by_its_own_schema(tmp_path):
    elements = [{"name": "seen", "type": "datetime"}, {"name": "tags", "type": "text", "multi_value": "ordered"}]
    (tmp_path / "schema.json").write_text(json.dumps({"name": "other", "description": "", "inputs": elements,
                                                      "outputs": [{"name": "ok", "type": "boolean"}], "metadata": []}))
    good = f'{uuid4()},2026-01-31T12:00:00,"[""a"", ""b""]",true\n'
    (tmp_path / "examples.csv").write_text(f"id,seen,tags,ok\n{good}{uuid4()},yesterday,a,maybe\n")

    told = [str(fault) for fault in check_dataset(tmp_path).faults]

    assert [fault.split(": ")[0] for fault in told] == [f"examples.csv:3, {name}" for name in ("seen", "tags", "ok")]
    assert import_is_refused(tmp_path)


def import_is_refused(folder: Path) -> bool:
    done = call("dataset", "import", folder, "--out", folder / "corpus")
    return done.exit_code == 2 and "3 faults in this dataset" in done.stderr and not (folder / "corpus").exists()


def test_nothing_is_written_over(exported, manifest):
    with pytest.raises(ConfigError, match="nothing is written over"):
        export_group("g", out=exported, manifest=manifest)


def test_the_commands_check_and_say_what_to_do(chats, tmp_path):
    done = call("dataset", "check", chats)
    assert (done.exit_code, done.stdout.splitlines()[-1].endswith("no faults.")) == (0, True)

    (chats / "schema.json").unlink()
    done = call("dataset", "check", chats)
    assert (done.exit_code, done.stdout.splitlines()[0]) == (2, "schema.json: missing")
    assert call("dataset", "check", tmp_path / "nothing").exit_code == 2
    assert "one of them" in call("dataset", "export", "--out", tmp_path / "x").stderr
