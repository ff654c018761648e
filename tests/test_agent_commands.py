"""`chat` takes whatever people type, `evaluate-agent` writes what is scored, and simulated goals are met by their gold."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nc_latent_tod.cli import app
from nc_latent_tod.evaluation.responses.benchmark import load_benchmark
from nc_latent_tod.evaluation.responses.predictions import load_predictions
from nc_latent_tod.evaluation.responses.references import load_references
from nc_latent_tod.evaluation.responses.scores import score_predictions


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "agent.json"
    path.write_text(json.dumps({"schema_path": "packaged:schema", "database": {"entities_path": "packaged:entities"},
                                "model": {"model_type": "scripted"}, "dst": {"retriever": {"type": "none",
                                                                                           "use_retriever": False}}}))
    return path


def run(*command: str | Path, typed: bytes = b""):
    return CliRunner().invoke(app, [str(part) for part in command], input=typed)


def said(config: Path, typed: bytes) -> list[dict]:
    result = run("chat", "--config", config, "--json", typed=typed)
    assert result.exit_code == 0, result.output
    decoder, rows, rest = json.JSONDecoder(), [], result.stdout.strip()
    while rest:
        row, end = decoder.raw_decode(rest)
        rows.append(row)
        rest = rest[end:].strip()
    return rows


def test_every_line_is_a_turn_until_quit_and_empty_ones_are_none(config):
    rows = said(config, b"hello\n\n   \nthanks\n/quit\nnever\n")

    assert [row["user"] for row in rows] == ["hello", "thanks"]


def test_a_reset_begins_a_new_dialogue_and_the_last_line_needs_no_end(config):
    rows = said(config, b"hello\n/reset\n/state\nhi")

    assert [row.get("user") for row in rows] == ["hello", None, "hi"]
    assert rows[1] == {"state": {}, "bookings": {}}


@pytest.mark.parametrize(("typed", "read"), [
    (b"[bold red]hi[/] [/] [value_name]", "[bold red]hi[/] [/] [value_name]"), (b"\x1b[31mred\x07", "[31mred"),
    (b"\xff\xfe\xed\xa0\xbd", "\ufffd" * 5), ("\u202eabc \U0001f3e8".encode(), "abc \U0001f3e8"),
    (b'")], system("rm")', '")], system("rm")'), (b"x" * 50_000, "x" * 2_000)])
def test_hostile_text_is_text(config, typed, read):
    [row] = said(config, typed)
    shown = run("chat", "--config", config, typed=typed)

    assert row["user"] == read
    assert shown.exit_code == 0
    assert "\x1b" not in shown.stdout
    assert "agent > Okay." in shown.stdout


def test_people_see_state_query_acts_and_words(config):
    shown = run("chat", "--config", config, typed=b"hello\n/state\n/what\n").stdout

    for part in ("understood", "database", "acts", "words", "nothing yet", "There is no command /what", "/reset"):
        assert part in shown


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "town"
    assert run("simulate", "--dialogues", "40", "--seed", "5", "--out", folder, "--with-goals").exit_code == 0
    return folder


def scores(predictions: Path, data: Path):
    benchmark = load_benchmark(data)
    return score_predictions(load_predictions(predictions), benchmark, resamples=0,
                             references=load_references(data / "references.json", benchmark.names))


def test_simulated_gold_informs_and_succeeds_always(simulated):
    gold = scores(simulated / "data" / "references.json", simulated / "data")

    assert (gold.inform["total"].value, gold.success["total"].value, round(gold.bleu)) == (100, 100, 100)
    assert {"hotel", "train"} <= set(gold.inform)


def test_wrong_states_or_silent_responses_miss_simulated_goals(simulated, tmp_path):
    gold = json.loads((simulated / "data" / "references.json").read_text())
    silent = {name: [{**turn, "response": "okay."} for turn in turns] for name, turns in gold.items()}
    stateless = {name: [{**turn, "state": {}} for turn in turns] for name, turns in gold.items()}
    for name, predictions, most in (("silent", silent, 20), ("stateless", stateless, 30)):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(predictions))
        assert scores(path, simulated / "data").success["total"].value < most


def test_a_corpus_is_answered_written_and_scored(simulated, config, tmp_path):
    out = tmp_path / "predictions.json"

    result = run("evaluate-agent", "--config", config, "--corpus", simulated / "logs.jsonl", "--out", out, "--data",
                 simulated / "data", "--references", simulated / "data" / "references.json", "--json")

    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["dialogues"], summary["scores"]["dialogues"], summary["failures"]) == (40, 40, {})
    again = run("score-predictions", out, "--data", simulated / "data", "--json")
    assert json.loads(again.stdout)["inform"] == summary["scores"]["inform"]


@pytest.mark.parametrize(("options", "message"), [
    (["--split", "logs_0_5"], "not in the corpus"), (["--goals", "dev"], "goals_dev.json"), (["--config", "gone.json"], "gone"),
    (["--config", "packaged:other"], "packaged:agent"), (["--out", "no/folder/p.json"], "no folder")])
def test_what_does_not_fit_is_said_before_a_model_is_loaded(simulated, config, tmp_path, options, message):
    asked = ["evaluate-agent", "--config", config, "--corpus", simulated / "logs.jsonl", "--out", tmp_path / "p.json", "--data",
             simulated / "data", *options]

    result = run(*asked)

    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "p.json").exists()


def test_what_is_scored_against_goals_needs_their_folder(config, tmp_path):
    result = run("evaluate-agent", "--config", config, "--corpus", "packaged:simulated", "--out", tmp_path / "p.json",
                 "--references", tmp_path)

    assert result.exit_code == 2 and "with --data too" in result.stderr
    assert not (tmp_path / "p.json").exists()
