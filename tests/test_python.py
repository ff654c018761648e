"""The front door: `import nc_latent_tod as nct`."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pandas
import pytest

import nc_latent_tod as nct
from nc_latent_tod.errors import ConfigError, CorpusError, InterruptedJobError

ROOT = Path(__file__).resolve().parents[1]
CHATS = [{"dialogue_id": "d1", "turns": [
    {"speaker": "user", "utterance": "hi, is there a cheap court with clay?"},
    {"speaker": "system", "utterance": "There is Elm Park, a cheap one. What else can I do?"},
    {"speaker": "user", "utterance": "i would rather play on grass, whatever the price."}]}]
COURT = [{"service_name": "court", "description": "tennis courts", "intents": [], "slots": [
    {"name": "name", "description": "name of the court", "is_categorical": False},
    {"name": "surface", "description": "surface of the court", "is_categorical": True, "possible_values": ["clay", "grass"]},
    {"name": "price", "description": "price range", "is_categorical": True, "possible_values": ["cheap", "expensive"]}]}]
TABLE = [{"name": "Elm Park", "surface": "clay", "price": "cheap"},
         {"name": "Old Mill", "surface": "grass", "price": "expensive"}]
STATE = {"court": {"surface": "grass", "price": "dontcare"}}


@pytest.fixture(scope="module")
def labels() -> nct.Labels:
    return nct.label(CHATS, COURT, entities={"court": TABLE})


def test_a_list_of_dicts_and_a_list_of_services_are_enough(labels: nct.Labels) -> None:
    assert len(labels) == 2 and [example.turn.key for example in labels] == [("d1", 0), ("d1", 1)]
    assert labels.examples[1].label.state == STATE and not labels.failures


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    nct.label(CHATS, COURT)

    assert capfd.readouterr() == ("", "")


def rows_of_utterances() -> list[dict[str, Any]]:
    return [{"dialogue_id": chat["dialogue_id"], **turn} for chat in CHATS for turn in chat["turns"]]


@pytest.mark.parametrize("form", ["dialogues", "table", "dataset of utterances", "dataset of turns", "path", "generator"])
def test_dialogues_come_in_any_usual_form(form: str, labels: nct.Labels, tmp_path: Path) -> None:
    table = pandas.DataFrame(rows_of_utterances())
    table.to_csv(tmp_path / "logs.csv", index=False)
    given = {"dialogues": nct.load_dialogues(tmp_path / "logs.csv"), "table": table,
             "dataset of utterances": datasets.Dataset.from_pandas(table), "dataset of turns": labels.to_dataset(),
             "path": tmp_path / "logs.csv", "generator": (chat for chat in CHATS)}[form]

    found = nct.label(given, COURT, entities=pandas.DataFrame(TABLE))

    assert [example.turn for example in found] == [example.turn for example in labels]
    assert [example.label.state for example in found] == [example.label.state for example in labels]


def test_a_schema_written_and_read_again_is_the_same() -> None:
    for name in ("packaged:schema", ROOT / "tests" / "data" / "clinic"):
        schema = nct.load_schema(name)
        assert nct.Schema.from_json(schema.to_json()) == schema
    assert nct.label(CHATS, nct.Schema.from_json(COURT)).examples[1].label.state == STATE


def test_labels_become_tables(labels: nct.Labels) -> None:
    table, dataset = labels.to_pandas(), labels.to_dataset()

    assert list(table.turn_id) == [0, 1] and table.slot_values[1] == STATE
    assert dataset.num_rows == 2
    assert dataset[1]["slot_values"]["court"] == {"name": None, "surface": "grass", "price": "dontcare"}
    assert set(table.columns) == set(dataset.column_names)


def test_the_other_verbs_take_what_label_returns(labels: nct.Labels, tmp_path: Path) -> None:
    published = nct.publish(labels, to=tmp_path / "datasets")
    explained = nct.explain(labels, "d1", 1)
    page = nct.report(labels, to=tmp_path / "page.html")

    assert published.turns == 2 and datasets.load_from_disk(str(published.path))
    assert explained.example == labels.examples[1] and {task.name for task in explained.tasks} == {"dst", "act_tag"}
    assert page.lstrip().startswith("<!") and (tmp_path / "page.html").read_text() == page


def test_a_group_of_commands_is_named_by_its_manifest(labels: nct.Labels, tmp_path: Path) -> None:
    kept = nct.label(CHATS, COURT, folder=tmp_path / "kept", group_id="mine")
    manifest = tmp_path / "kept" / "manifest"

    assert nct.explain("mine", "d1", 1, manifest=manifest).example == kept.examples[1]
    assert nct.publish("mine", manifest=manifest, to=tmp_path / "out").turns == 2
    again = nct.label(CHATS, COURT, folder=tmp_path / "kept", group_id="mine")
    assert again.entry == kept.entry and again.examples == kept.examples
    with pytest.raises(ConfigError, match="manifest="):
        nct.publish("mine", to=tmp_path / "out")


def test_simulated_dialogues_are_labelled_and_scored() -> None:
    made = nct.simulate(6, seed=3)
    labels = nct.label(made.dialogues, "packaged:schema", entities="packaged:entities")
    plain = nct.label(made.dialogues, "packaged:schema")

    scores = nct.evaluate(labels, made.gold, resamples=20)
    compared = nct.evaluate(labels, made.gold, against=plain, resamples=20)

    assert scores.scores.turns == len(labels) == len(made.gold)
    assert 0 < scores.scores.overall["slot_f1"].value <= 1
    assert compared.against is not None and set(compared.against.difference) == set(scores.scores.overall)
    assert nct.simulate(6, seed=3) == made != nct.simulate(6, seed=4)


def test_a_plan_says_the_tokens_before_a_model_is_loaded() -> None:
    planned = nct.plan(CHATS, COURT, model="packaged:tiny-starcoder")

    assert planned.turns == 2 and planned.tokens_per_turn > 0 and "user_intent=[" in planned.tasks[0].prompt


def test_options_say_what_a_job_file_says(labels: nct.Labels) -> None:
    found = nct.label(CHATS, COURT, options={"dst": {"generation_cfg": {"proposals": 2}}})

    assert all(len(example.label.tasks["dst"].candidates) <= 2 for example in found)
    with pytest.raises(ConfigError, match="propsals"):
        nct.label(CHATS, COURT, options={"dst": {"generation_cfg": {"propsals": 2}}})


def test_a_job_takes_the_place_of_all_arguments(labels: nct.Labels, tmp_path: Path) -> None:
    data = labels.job.model_dump(mode="json")
    data["output"], data["manifest"]["manifest_path"] = {"labels_url": str(tmp_path / "out")}, str(tmp_path / "manifest")

    assert nct.label(job=data).examples[1].label.state == STATE


def test_progress_is_told_and_a_stop_is_heeded() -> None:
    told: list[Any] = []
    nct.label(CHATS, COURT, progress=told.append)

    assert told[-1].turns_done == told[-1].turns == 2
    with pytest.raises(InterruptedJobError):
        nct.label(CHATS, COURT, should_stop=lambda: True)


@pytest.mark.parametrize(("dialogues", "schema", "kind", "words"), [
    (None, COURT, ConfigError, "Give dialogues and a schema, or a job"),
    (CHATS, None, ConfigError, "Labels follow a schema"),
    (CHATS, [{"service": "court"}], ConfigError, "service_name"),
    (CHATS[0], COURT, CorpusError, "a list of dicts"),
    ([7], COURT, CorpusError, "a dict with dialogue_id"),
    ([], COURT, CorpusError, "0 dialogues"),
    (7, COURT, CorpusError, "a path, a list of dicts"),
    ("nowhere.jsonl", COURT, CorpusError, "nowhere.jsonl"),
    (pandas.DataFrame([{"dialogue_id": "d", "text": "x"}]), COURT, CorpusError, "speaker"),
])
def test_what_is_no_input_is_refused_with_what_to_do(dialogues: Any, schema: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=re.escape(words)):
        nct.label(dialogues, schema)


def test_public_names_are_there_for_people_and_tools_and_load_when_they_are_used() -> None:
    assert set(nct.__all__) == set(dir(nct)) and all(getattr(nct, name) is not None for name in nct.__all__)
    with pytest.raises(AttributeError, match="lable"):
        nct.lable  # type: ignore[attr-defined]  # noqa: B018
    code = ("import sys, nc_latent_tod as nct; heavy = {'torch', 'pandas', 'datasets', 'pydantic', 'numpy', 'typer', 'boto3'}; "
            "print(sorted(heavy & set(sys.modules))); nct.label; print('torch' in sys.modules, 'typer' in sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["[]", "False False"]
