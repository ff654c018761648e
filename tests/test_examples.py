"""Label files: whole or not at all, and damage is seen."""

from __future__ import annotations

import gzip
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nc_latent_tod.corpus.label_files import read_examples, write_examples
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, CorpusError, DamagedError, RetryableError
from nc_latent_tod.labels import Act, Candidate, Example, Label, TaskLabel


def example(turn_id: int = 0, text: str = "a room", dialogue_id: str = "d") -> Example:
    state = {"stay": {"area": "east"}}
    candidate = Candidate('find(area="east")', {"direct": -1.5, "channel": -0.1}, -1.6, 3)
    broken = Candidate(text, {"direct": float("-inf")}, error="unknown_slot")
    task = TaskLabel((candidate, broken), 0, retrieved=(("run/d/0", 0.5),))
    label = Label(state, state, (Act("Offer", "stay", "name", "Lindsay's"),), "[value_name]?", {"dst": task}, {"job": "1"})
    return Example(Turn(dialogue_id, turn_id, "", text, "Lindsay's?"), {}, label, "run")


@pytest.mark.parametrize("name", ["labels.jsonl", "labels.jsonl.gz", "new folder/labels.jsonl"])
def test_examples_come_back_equal_and_the_sha256_is_of_the_file(tmp_path, name):
    examples = [example(), example(1, "line\nbreak \u2028 \x00 \U0001f3e8")]
    sha256 = write_examples(tmp_path / name, examples)
    assert sha256 == hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    assert read_examples(tmp_path / name, sha256) == examples


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_survives(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "labels.jsonl"
    write_examples(path, [example(0, text)])
    assert read_examples(path) == [example(0, text)]


def test_equal_examples_give_equal_bytes(tmp_path):
    a, b = (write_examples(tmp_path / name, [example(), example(1)]) for name in ("a.jsonl.gz", "b.jsonl.gz"))
    assert a == b
    assert (tmp_path / "a.jsonl.gz").read_bytes()[4:8] == bytes(4)  # no time stamp in the gzip header


def test_a_url_of_another_file_system_works():
    sha256 = write_examples("memory://labels/x.jsonl", [example()])
    assert read_examples("memory://labels/x.jsonl", sha256) == [example()]


def test_one_changed_byte_is_seen(tmp_path):
    path = tmp_path / "labels.jsonl"
    sha256 = write_examples(path, [example()])
    path.write_bytes(path.read_bytes().replace(b"east", b"west"))
    with pytest.raises(DamagedError, match=f"labels.jsonl is damaged: .*{sha256}"):
        read_examples(path, sha256)


@pytest.mark.parametrize(("cut", "message"), [(-1, "breaks off in line 2"), (-100, "breaks off in line 2")])
def test_a_torn_file_is_refused_without_a_sha256_too(tmp_path, cut, message):
    path = tmp_path / "labels.jsonl"
    write_examples(path, [example(), example(1)])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DamagedError, match=message):
        read_examples(path)


def test_a_torn_gzip_a_missing_file_and_a_strange_row_are_damage(tmp_path):
    write_examples(tmp_path / "a.jsonl.gz", [example()] * 9)
    (tmp_path / "a.jsonl.gz").write_bytes((tmp_path / "a.jsonl.gz").read_bytes()[:-20])
    (tmp_path / "b.jsonl").write_text('{"turn": {}}\n')
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b"{}\n"))
    for name, message in (("a.jsonl.gz", "is damaged"), ("b.jsonl", r"b.jsonl:1: not a labelled turn"),
                          ("c.jsonl.gz", "not a labelled turn"), ("none.jsonl", "is missing")):
        with pytest.raises(DamagedError, match=message):
            read_examples(tmp_path / name)


def test_a_failed_write_leaves_nothing_behind(tmp_path):
    def broken():
        yield example()
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        write_examples(tmp_path / "labels.jsonl", broken())
    (tmp_path / "taken.jsonl").mkdir()
    with pytest.raises(RetryableError, match="Cannot write"):
        write_examples(tmp_path / "taken.jsonl", [example()])
    assert [path.name for path in tmp_path.iterdir()] == ["taken.jsonl"]


def test_an_unknown_file_system_is_a_configuration_error():
    with pytest.raises(ConfigError, match="nosuch"):
        write_examples("nosuch://bucket/x.jsonl", [example()])


def test_a_label_file_is_a_corpus_of_its_turns_alone(tmp_path):
    write_examples(tmp_path / "labels.jsonl", [example(0, "hi"), example(1, "bye"), example(0, "yo", "e")])
    d, e = load_dialogues(tmp_path / "labels.jsonl")
    assert d.turns == (example(0, "hi").turn, example(1, "bye").turn)
    assert e.turns == (example(0, "yo", "e").turn,)
    write_examples(tmp_path / "labels.jsonl", [example(1)])
    with pytest.raises(CorpusError, match="lacks turns"):
        load_dialogues(tmp_path / "labels.jsonl")
