"""A round as a labelling project and back: configuration, predictions, both exports, and what is refused. No server."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_http import ScriptedServer
from toy_round import EXAMPLES, example, round_of
from toy_round import ROUND as GROUP_ROUND
from toy_schema import SCHEMA
from typer.testing import CliRunner

from nc_latent_tod.annotation.form import forms
from nc_latent_tod.annotation.label_studio.controls import act_line, controls, read_act, storable, text_of, value_of
from nc_latent_tod.annotation.label_studio.project import Project, check_tasks, project, read_config
from nc_latent_tod.annotation.label_studio.pull import from_export
from nc_latent_tod.annotation.label_studio.push import write_folder
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.cli import app
from nc_latent_tod.errors import ConfigError, CorpusError, ParseError
from nc_latent_tod.labels import Act, Example
from nc_latent_tod.schema import Schema

VALUES = ("plain", "dontcare", None, "O'Neill's", "12:30", "Grüße aus Köln", "<&\">", "$20", "= 4", "(delete)", "a\nb")
ROUND = round_of(*EXAMPLES[:3])


def project_of(made: Round = ROUND, examples: list[Example] = EXAMPLES, schema: Schema = SCHEMA) -> Project:
    return project(made, forms(made, examples, schema), schema)


def pull(source: str, *more: str):
    return CliRunner().invoke(app, ["annotate", "pull", "annotations/round-0.json", "--from", source, *more])


def annotated(made: Project, *verdicts: str | None, **more) -> list[dict]:
    """The `JSON` export after somebody submitted each prediction with a verdict; None: no verdict, "": nobody has."""
    rows = []
    for number, (task, verdict) in enumerate(zip(made.tasks, verdicts, strict=True), start=1):
        result = [*task["predictions"][0]["result"]]
        if verdict:
            result.append({"from_name": "verdict", "to_name": "dialogue", "type": "choices", "value": {"choices": [verdict]}})
        one = {"id": number, "completed_by": 1, "result": result, "was_cancelled": False, "lead_time": 2.5,
               "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-02T00:00:00Z", **more}
        rows.append({"id": number, "annotations": [] if verdict == "" else [one], "data": task["data"]})
    return rows


def minimal(rows: list[dict]) -> list[dict]:
    """The `JSON_MIN` export of the same, as version 1.23.2 writes it."""
    found = []
    for row in rows:
        for one in [a for a in row["annotations"] if not a["was_cancelled"]] or [None]:
            flat: dict = {**row["data"], "id": row["id"], "annotation_id": one and one["id"],
                          "annotator": one and one["completed_by"], "updated_at": one and one["updated_at"],
                          "lead_time": one and one["lead_time"]}
            for result in one["result"] if one else ():
                texts = result["value"].get("choices") or result["value"]["text"]
                flat[result["from_name"]] = texts[0] if len(texts) == 1 else {"text": texts}
            found.append(flat)
    return found


def read(rows: list[dict], made: Round = ROUND, examples: list[Example] = EXAMPLES, schema: Schema = SCHEMA) -> list:
    return from_export(rows, made, {e.turn.key: e for e in examples}, schema, "export.json")


@pytest.mark.parametrize("value", VALUES)
def test_every_value_is_read_back_from_its_text(value):
    assert value_of(text_of(value)) == value
    assert not text_of(value).startswith("$")  # the name of a field, to Label Studio


def test_what_a_database_refuses_is_replaced():
    assert storable("\0 \ud83d \U0001f680 ü") == "\ufffd \ufffd \U0001f680 ü"  # PostgreSQL takes neither of the first two


@pytest.mark.parametrize("act", [Act("Goodbye"), Act("Request", "Rides_2", "leave at"), Act("Offer", "stay"),
                                 Act("Inform", "stay", "name", "a = b <&> Grüße"), Act("RequestAlternatives", "stay")])
def test_every_act_is_read_back_from_its_line(act):
    assert read_act(act_line(act), SCHEMA) == act


@pytest.mark.parametrize(("line", "told"), [
    ("Offr stay.name = x", "Did you mean 'Offer'"), ("Offer stay.nmae = x", "Did you mean 'stay.name'"),
    ("Goodbye stay", "alone"),
    ("Offer stay.name", "a value is missing"), ("Request stay.name = x", "no value belongs there"), ("Offer", "no ''"),
    ("Offer = x", "no ''"), ("=", "begins with no act"), ("__import__('os')", "begins with no act"),
])
def test_an_act_that_cannot_be_read_says_why(line, told):
    with pytest.raises(ParseError, match=told):
        read_act(line, SCHEMA)


def test_controls_have_a_name_each_even_where_names_meet():
    slots = [{"name": "b__c"}, {"name": "Größe"}, {"name": "class"}]
    meeting = Schema.from_json([{"service_name": "a", "slots": slots, "intents": []},
                                {"service_name": "a__b", "slots": [{"name": "c"}], "intents": []}])
    known = controls(meeting)

    assert list(known.slot_of) == ["a__b__c", "a__größe", "a___class", "a__b__c_2"]
    assert known.name_of["a__b", "c"] == "a__b__c_2"


def test_the_configuration_has_a_control_for_every_slot_unfolded_while_its_service_is_chosen():
    made = project_of()
    root = ElementTree.fromstring(made.config)

    assert set(read_config(made.config)) == {*controls(SCHEMA).slot_of, "verdict", "services", "acts", "comment"}
    assert read_config(made.config)["stay__area"] == ("north", "east", "town centre", "dontcare", "(delete)")
    assert [(part.get("whenTagName"), part.get("whenChoiceValue")) for part in root if part.get("visibleWhen")] == [
        ("services", "stay"), ("services", "Rides_2")]  # the more frequent one first
    names = [tag.get("name") for tag in root.iter() if tag.get("toName")]
    assert names[:3] == ["verdict", "services", "stay__area"] and names[-2:] == ["acts", "comment"]
    [verdict] = [tag for tag in root.iter("Choices") if tag.get("name") == "verdict"]
    assert verdict.get("required") == "true"


def test_a_task_has_the_history_the_prediction_and_its_confidence():
    _, task, _ = project_of().tasks

    assert [(said["who"], said["text"]) for said in task["data"]["dialogue"]] == [
        ("user", "A room in the east, please."), ("system", "The Mill is in the east."),
        ("user", "With a garage; and north, not east."), ("system", "Which day?")]
    assert task["data"]["key"] == "d1/1" and task["data"]["before"] == "Before this turn: stay.area = east"
    [prediction] = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("g round 0", 0.5)
    assert [(r["from_name"], r["value"]) for r in prediction["result"]] == [
        ("services", {"choices": ["stay"]}), ("stay__garage", {"choices": ["yes"]}), ("acts", {"text": ["Request stay.name"]})]


def test_what_a_configuration_lacks_is_told_before_anything_is_sent():
    made = project_of()
    lacking = made.config.replace('name="stay__garage"', 'name="stay__garden"').replace('value="east"', 'value="easy"')

    with pytest.raises(ConfigError, match="the project lacks stay__area: east, stay__garage"):
        check_tasks(made.tasks, lacking, "the project")


def test_a_value_outside_the_schema_is_a_choice_all_the_same():
    strange = example("d9", 0, "u", "s", change={"stay": {"area": "moon"}})

    assert "moon" in read_config(project_of(round_of(strange), [strange]).config)["stay__area"]


@pytest.mark.parametrize("export", [lambda rows: rows, minimal], ids=["JSON", "JSON_MIN"])
def test_both_exports_give_the_corrections(export):
    rows = annotated(project_of(), "ok", "fixed", "")
    rows[1]["annotations"][0]["result"][1]["value"] = {"choices": ["(delete)"]}
    first, second = read(export(rows))

    assert (first.verdict, first.change, first.acts) == ("ok", EXAMPLES[0].label.change, tuple(sorted(EXAMPLES[0].label.acts)))
    assert (second.verdict, second.change) == ("fixed", {"stay": {"garage": None}})
    assert (second.annotator, second.seconds, second.time) == ("user 1", 2.5, "2026-01-02T00:00:00Z")
    assert second.text_sha256 == ROUND.turns[1].text_sha256 and second.round_sha256 == ROUND.sha256


def test_ok_on_an_empty_form_is_the_prediction_and_on_another_label_is_a_fix():
    rows = annotated(project_of(), "ok", "ok", "fixed")
    rows[0]["annotations"][0]["result"][:-1] = []
    rows[1]["annotations"][0]["result"][1]["value"] = {"choices": ["no"]}
    first, second, third = read(rows)

    assert (first.verdict, first.change) == ("ok", {"stay": {"area": "east"}})
    assert (second.verdict, second.change) == ("fixed", {"stay": {"garage": "no"}})
    assert third.verdict == "fixed" and third.acts == (Act("Goodbye"),)


def test_of_several_annotations_the_last_of_each_annotator_counts_whichever_task_it_stands_on():
    rows = annotated(project_of(), "ok", "", "")
    late = {**rows[0]["annotations"][0], "id": 7, "updated_at": "2026-01-03T00:00:00Z", "completed_by": 1}
    other = {**rows[0]["annotations"][0], "id": 8, "completed_by": {"id": 2, "email": "ada@example.org"}}
    twice = {**rows[0], "id": 9, "annotations": [late, other]}  # the server takes a task twice

    assert [(c.annotator, c.time[:10]) for c in read([twice, *rows])] == [("ada@example.org", "2026-01-02"),
                                                                          ("user 1", "2026-01-03")]


@pytest.mark.parametrize(("rows", "told"), [
    (lambda made: annotated(made, "ok", None, ""), "turn 1 of dialogue 'd1' by user 1: the verdict is ''"),
    (lambda made: annotated(made, "", "", "ok", was_cancelled=True), "turn 2 of dialogue 'd1' by user 1 was skipped"),
    (lambda made: [{"data": {"text": "of another project"}, "annotations": []}], "is no export of tasks that `annotate push`"),
    (lambda made: ["text"], "is no export"),
])
def test_what_cannot_be_taken_is_one_error(rows, told):
    with pytest.raises(CorpusError, match=told):
        read(rows(project_of()))


def test_an_export_of_another_round_is_refused():
    with pytest.raises(CorpusError, match="is of a round with sha256"):
        read(annotated(project_of(), "ok", "", ""), replace(ROUND, seed=1))


def test_all_faults_are_told_at_once():
    rows = annotated(project_of(), "ok", None, "perhaps")
    rows[0]["annotations"][0]["result"][-2]["value"]["text"] = ["Offr stay", "Bye"]
    with pytest.raises(CorpusError) as caught:
        read(rows)

    assert str(caught.value).count("\n- ") == 4


def test_a_folder_is_written_once_and_never_over_another(tmp_path: Path):
    made = project_of()

    assert (write_folder(made, tmp_path / "files").added, write_folder(made, tmp_path / "files").added) == (3, 0)
    assert json.loads((tmp_path / "files/tasks/00001.json").read_text()) == made.tasks[1]
    assert read_config((tmp_path / "files/labeling_config.xml").read_text()) == read_config(made.config)
    with pytest.raises(ConfigError, match="holds other tasks already"):
        write_folder(project_of(round_of(EXAMPLES[1])), tmp_path / "files")


@pytest.fixture
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)


def test_pushing_needs_a_place_and_a_key(group: Path, no_key):
    def push(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["annotate", "push", "annotations/round-0.json", *arguments])
        assert done.exit_code == 2
        return done.output + done.stderr

    assert "Name a server with --to" in push()
    assert "set the environment variable LABEL_STUDIO_API_KEY" in push("--to", "http://127.0.0.1:9")
    assert sorted(path.name for path in group.iterdir()) == ["annotations", "labels.jsonl", "manifest", "schema.json"]


def test_a_server_that_is_down_is_one_error_that_says_how_to_start_one(group: Path, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "k")
    done = CliRunner().invoke(app, ["annotate", "push", "annotations/round-0.json", "--to", "http://127.0.0.1:9"])

    assert done.exit_code == 3
    assert "does not answer" in done.stderr and "scripts/label_studio" in done.stderr


def test_the_command_writes_the_folder(group: Path, no_key):
    done = CliRunner().invoke(app, ["annotate", "push", "annotations/round-0.json", "--to-dir", "files", "--json"])

    assert json.loads(done.stdout) == {"place": "files", "tasks": len(EXAMPLES), "added": len(EXAMPLES)}
    found: Mapping = json.loads((group / "files/tasks/00000.json").read_text())
    assert found["data"]["key"] == "d1/0"


@pytest.mark.parametrize("export", [lambda rows: rows, minimal], ids=["JSON", "JSON_MIN"])
def test_an_export_is_pulled_as_a_corrections_file_is(group: Path, export):
    rows = export(annotated(project_of(GROUP_ROUND), *["ok"] * 8, ""))
    (group / "export.json").write_text(json.dumps(rows))
    status = CliRunner().invoke(app, ["annotate", "status", "annotations/round-0.json", "--from", "export.json", "--json"])
    pulled = pull("export.json", "--json")

    assert json.loads(status.stdout)["labelled"] == 8
    found = json.loads(pulled.stdout)
    assert (found["corrections"], found["missing"]) == (8, 1)


def test_an_export_that_cannot_be_taken_changes_nothing(group: Path):
    (group / "export.json").write_text(json.dumps(annotated(project_of(GROUP_ROUND), None, *["ok"] * 8)))
    before = sorted(group.rglob("*"))
    done = pull("export.json")

    assert done.exit_code == 2 and "the verdict is ''" in done.stderr
    assert sorted(group.rglob("*")) == before


def test_a_server_that_is_down_is_one_error_of_pull_too(group: Path, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "k")
    done = pull("http://127.0.0.1:9")

    assert done.exit_code == 3 and "does not answer" in done.stderr


@pytest.mark.parametrize(("answer", "code", "told"), [
    ((500, {}), 3, "failed at /api/projects (500: {}). Try again"), ((429, {}), 3, "Try again"), (None, 3, "does not answer"),
    ((404, {}), 2, "Is it a Label Studio server"), ((200, []), 2, "answers without 'results'"),
    ((200, {"results": "x"}), 2, "in place of a list"), ((403, {}), 2, "refuses the key"),
])
def test_a_server_that_is_ill_or_another_one_is_one_error(group: Path, monkeypatch, answer, code, told):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "k")
    with ScriptedServer(answer) as server:
        done = CliRunner().invoke(app, ["annotate", "push", "annotations/round-0.json", "--to", server.url])

    assert (done.exit_code, len(server.requests)) == (code, 1)
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("key", ["schlüssel", "a\nb"])
def test_a_key_that_cannot_be_is_one_error_and_is_not_shown(group: Path, monkeypatch, key):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", key)
    done = CliRunner().invoke(app, ["annotate", "push", "annotations/round-0.json", "--to", "http://127.0.0.1:9"])

    assert done.exit_code == 2 and "copy it again" in done.stderr
    assert key not in done.stderr and repr(key) not in done.stderr


def test_an_address_that_cannot_be_is_one_error(group: Path, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", "k")
    done = CliRunner().invoke(app, ["annotate", "push", "annotations/round-0.json", "--to", "http://host:port"])

    assert done.exit_code == 2 and "'http://host:port' is no address of a server" in done.stderr
