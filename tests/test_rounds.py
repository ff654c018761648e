"""Rounds and corrections as files: whole, immutable, and refused with every fault named."""

import json
from dataclasses import replace

import pytest

from nc_latent_tod.annotation.corrections import Correction, from_json, read_corrections, to_json, write_corrections
from nc_latent_tod.annotation.rounds import Round, Selected, read_round, text_sha256, write_round
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, CorpusError
from nc_latent_tod.labels import Act

TURN = Turn("d1", 0, "", "a cheap hotel \ud83d", "Which area?")  # with half an emoji
MADE = Round(0, "g", "manifest", "random", 1, 1, "turn", "ab" * 32, (), "schema.json",
             (Selected("d1", 0, text_sha256(TURN), {"uncertainty": 0.5}),))
RIGHT = Correction("d1", 0, text_sha256(TURN), "fixed", {"hotel": {"price": "cheap", "area": None}},
                   (Act("Request", "hotel", "area"),), "ann", "2026-01-31T12:00:00+00:00", 7.5, "<b>&", 0, MADE.sha256)


def test_a_round_is_read_as_it_was_written(tmp_path):
    path = write_round(MADE, tmp_path)

    assert path.endswith("round-0.json")
    assert read_round(path) == MADE
    assert read_round(path).sha256 == MADE.sha256


def test_a_round_is_never_replaced(tmp_path):
    path = write_round(MADE, tmp_path)
    assert write_round(MADE, tmp_path) == path

    with pytest.raises(ConfigError, match="is there already and is another round"):
        write_round(replace(MADE, seed=2), tmp_path)

    assert read_round(path) == MADE


def test_corrections_are_read_as_they_were_written(tmp_path):
    write_corrections(tmp_path / "corrections-0.json", MADE, [RIGHT])

    assert read_corrections(tmp_path / "corrections-0.json", MADE) == [RIGHT]


@pytest.mark.parametrize(("changed", "told"), [
    ({"dialogue_id": "d2"}, "turn 0 of dialogue 'd2' is not in the round"),
    ({"turn_id": "0"}, "a text and a whole number"),
    ({"text_sha256": "0" * 64}, "was corrected on another text"),
    ({"verdict": None}, "verdict is None"),
    ({"change": {"hotel": "cheap"}}, "{service: {slot: value or null}}"),
    ({"change": {"hotel": {"price": 3}}}, "change of hotel.price is 3"),
    ({"acts": [{"act": "Shout"}]}, "no act 'Shout'"),
    ({"acts": [{"act": "Inform", "value": 3}]}, "is not {act, service, slot, value}"),
    ({"seconds": -1}, "seconds is -1"),
    ({"time": "yesterday"}, "time is 'yesterday'"),
    ({"annotator": 3}, "annotator is 3"),
])
def test_a_wrong_row_is_named(changed, told):
    data = json.loads(json.dumps(to_json(MADE, [RIGHT])))
    data["corrections"][0] |= changed

    with pytest.raises(CorpusError) as raised:
        from_json(data, MADE, "x.json")

    assert told in str(raised.value)


def test_all_faults_are_told_at_once():
    data = json.loads(json.dumps(to_json(MADE, [RIGHT, RIGHT])))
    data["corrections"][0] |= {"verdict": "", "seconds": "3"}
    data["corrections"][1] = []

    with pytest.raises(CorpusError) as raised:
        from_json(data, MADE, "x.json")

    assert str(raised.value).count("\n- ") == 3


def test_corrections_of_another_round_are_refused():
    with pytest.raises(CorpusError, match="not of this round 0"):
        from_json(to_json(replace(MADE, seed=2), [RIGHT]), MADE, "x.json")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "nc-latent-tod round 1"}', "\x00"])
def test_a_file_that_is_no_round_is_refused(tmp_path, text):
    (tmp_path / "round-0.json").write_text(text)

    with pytest.raises(CorpusError, match="annotate select"):
        read_round(tmp_path / "round-0.json")
