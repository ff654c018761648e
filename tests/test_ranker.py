"""Weights of proposals: learnt from shares, applied to other dialogues, the same for the same labels."""

import json
import math
from pathlib import Path

import pytest

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labelling.rules import read_ranker
from nc_latent_tod.labels import Act
from nc_latent_tod.proposals.ranker import FOLDS, Ranker, features, fold, learn


def named(number: int, place: int) -> str:
    """The `number`-th dialogue id of a fold."""
    return [name for name in (f"d{i}" for i in range(500)) if fold(name) == place][number]


def turns(count: int, place: int):  # type: ignore[no-untyped-def]
    """Turns in which the reading with `good` has nine tenths of the share."""
    return [(named(i, place), [(0.9, {"good"}), (0.1, {"bad"})]) for i in range(count)]


def test_dialogues_are_ranked_by_what_others_taught() -> None:
    ranker = learn(turns(20, 0))

    taught, own = ranker.weights[1], ranker.weights[0]
    assert taught["good"] > 0 > taught["bad"] and own == {}
    assert ranker.rescored(named(30, 0), [(-1.0, {"good"}), (-1.0, {"bad"})]) == [-0.6931, -0.6931]
    good, bad = ranker.rescored(named(30, 1), [(-1.0, {"good"}), (-1.0, {"bad"})])
    assert good > bad and math.exp(good) + math.exp(bad) == pytest.approx(1, abs=1e-3)


def test_shares_are_what_weights_come_to() -> None:
    rows = [row for place in range(FOLDS) for row in turns(60, place)]

    good, bad = learn(rows).rescored("new", [(0.0, {"good"}), (0.0, {"bad"})])

    assert math.exp(good) == pytest.approx(0.9, abs=0.05)
    assert learn(rows) == learn(rows)


def test_what_is_rare_and_what_has_no_rival_teaches_nothing() -> None:
    rare = [(named(0, 0), [(0.9, {"once"}), (0.1, {"never"})])]
    alone = [(named(i, 0), [(1.0, {"alone"})]) for i in range(20)]

    assert learn([*rare, *alone]) == Ranker([{}, {}])


def test_a_change_is_seen_beside_words_and_acts() -> None:
    turn = Turn("d", 1, "Which part of town?", "the east side, and a pool", "The Mill is in the east.")
    response, before = [Act("Offer", "stay", "name", "The Mill")], [Act("Request", "stay", "area")]

    found = features({"stay": {"area": "east"}}, {}, turn, response, before)
    nothing = features({}, {}, turn, response, before)

    assert {"stay.area|> side", "stay.area|< the", "stay.area|w pool", "stay.area|L Request stay area", "answered",
            "stay.area|R Offer stay", "new service"} <= found
    assert "not answered" in features({"Rides_2": {"from": "east"}}, {}, turn, response, before)
    assert "stay.area|unsaid" in features({"stay": {"area": "north"}}, {}, turn, response, before)
    assert all(f.startswith("nothing|") for f in nothing)


def test_a_file_that_holds_no_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps({"weights": [{"a": 1.0}, {}]}))
    (tmp_path / "other.json").write_text("[]")

    assert read_ranker(str(tmp_path / "w.json")).weights[0] == {"a": 1.0}
    for name in ("other.json", "missing.json"):
        with pytest.raises(ConfigError, match="holds no weights"):
            read_ranker(str(tmp_path / name))
