"""`quickstart --logs`: somebody's own logs, labelled with no model."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nc_latent_tod.cli import app

CLINIC = Path(__file__).parent / "data" / "clinic"
SCHEMA, ENTITIES = str(CLINIC / "schema.json"), str(CLINIC / "entities.json")


@pytest.fixture
def logs(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "logs.jsonl"
    path.write_text("".join((CLINIC / "dialogues.jsonl").read_text().splitlines(keepends=True)[:3]))
    return path


def quickstart(*arguments: str):
    return CliRunner().invoke(app, ["quickstart", "--logs", "logs.jsonl", *arguments])


def test_logs_of_another_field_are_labelled_published_and_shown(logs):
    done = quickstart("--schema", SCHEMA, "--entities", ENTITIES)

    assert done.exit_code == 0, done.output
    assert "Clinic_1.visit_day" in done.stdout and "3 dialogue(s)" in done.stdout
    assert "clinic-0" in Path("own_logs/report.html").read_text()
    command = next(line.split("nc-latent-tod ")[-1] for line in done.stdout.splitlines() if " explain " in line)
    explained = CliRunner().invoke(app, command.split()[command.split().index("explain"):])
    assert explained.exit_code == 0 and "proposal" in explained.stdout


def test_it_labels_afresh_where_the_logs_have_changed(logs):
    quickstart("--schema", SCHEMA, "--json")
    logs.write_text(logs.read_text().splitlines(keepends=True)[0])

    again = quickstart("--schema", SCHEMA, "--json")

    assert json.loads(again.stdout)["dialogues"] == 1


@pytest.mark.parametrize(("arguments", "message"), [
    ((), "give that of logs.jsonl with --schema"), (("--schema", "none.json"), "No schema at none.json"),
    (("--schema", SCHEMA, "--entities", "none.csv"), "No entity table at none.csv")])
def test_what_is_missing_is_said(logs, arguments, message):
    done = quickstart(*arguments)

    assert done.exit_code == 2 and message in done.stderr


def test_a_folder_with_other_files_is_left_alone(logs, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")

    done = quickstart("--schema", SCHEMA, "--out", "thesis")

    assert done.exit_code == 2 and "holds files that no quickstart has written" in done.stderr


def test_a_file_in_place_of_a_folder_is_refused(logs):
    done = quickstart("--schema", SCHEMA, "--out", "logs.jsonl")

    assert done.exit_code == 2 and "logs.jsonl is a file. Give a folder with --out." in done.stderr


def test_a_wrong_schema_leaves_the_earlier_labels(logs):
    quickstart("--schema", SCHEMA)

    assert quickstart("--schema", "none.json").exit_code == 2
    assert quickstart("--schema", SCHEMA, "--entities", "none.csv").exit_code == 2

    assert list(Path("own_logs/manifest/own_logs").glob("*.json")) and list(Path("own_logs/datasets").iterdir())


def test_labels_that_another_job_made_there_are_not_deleted(logs):
    quickstart("--schema", SCHEMA)
    file = Path("own_logs/jobs/own_logs_train.json")
    job = json.loads(file.read_text())
    file.write_text(json.dumps({**job, "seed": 1, "manifest": {**job["manifest"], "group_id": "by_a_model"}}))
    CliRunner().invoke(app, ["label", str(file)])

    again = quickstart("--schema", SCHEMA)

    assert again.exit_code == 2 and "own_logs_train.json was changed or made" in again.stderr
    file.write_text(json.dumps(job))
    assert "own_logs/manifest/by_a_model was changed or made" in quickstart("--schema", SCHEMA).stderr
    assert list(Path("own_logs/manifest/by_a_model").glob("*.json"))
    assert quickstart("--schema", SCHEMA, "--fresh").exit_code == 0 and not Path("own_logs/manifest/by_a_model").exists()


def test_no_model_library_is_loaded(logs):
    program = ("import sys\nfrom nc_latent_tod.cli import app\n"
               f"try:\n    app(['quickstart', '--logs', 'logs.jsonl', '--schema', {SCHEMA!r}])\n"
               "finally:\n    print(sorted({'torch', 'transformers', 'faiss'} & set(sys.modules)), file=sys.stderr)")

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)

    assert done.returncode == 0 and done.stderr.splitlines()[-1] == "[]"
