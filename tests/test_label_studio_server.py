"""Rounds on a real Label Studio server: pushed twice, labelled through its API, pulled, and read from both exports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from label_studio_server import Running, label_studio
from toy_round import EXAMPLES, example, round_of
from typer.testing import CliRunner

from nc_latent_tod.annotation.corrections import Correction
from nc_latent_tod.annotation.form import forms
from nc_latent_tod.annotation.label_studio.project import Project, project
from nc_latent_tod.annotation.label_studio.pull import from_export
from nc_latent_tod.annotation.label_studio.push import push, write_folder
from nc_latent_tod.annotation.label_studio.server import LabelStudio
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.cli import app
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError, CorpusError
from nc_latent_tod.labels import Act, Candidate, Example, TaskLabel, apply_change
from nc_latent_tod.schema import Schema, Slot

MULTIWOZ = Path(__file__).resolve().parents[2] / "shared" / "data" / "multiwoz" / "schema.json"
OPEN_VALUES = ("O'Neill's \"Inn\"", "12:30", "Café Größe", "<&\"> ; {x}", "dontcare", "$20", "(delete)", "= 4")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with label_studio(tmp_path_factory.mktemp("label studio")) as started:
        yield started


@pytest.fixture
def server(running: Running) -> Iterator[LabelStudio]:
    with LabelStudio(running.url, running.key) as opened:
        yield opened


class Annotator:
    """Labels through the API, as the labelling page does."""

    def __init__(self, running: Running) -> None:
        self.client = httpx2.Client(base_url=running.url, headers={"Authorization": f"Token {running.key}"}, timeout=60)

    def ask(self, method: str, path: str, **request):
        answer = self.client.request(method, path, **request)
        assert answer.is_success, answer.text
        return answer.json()

    def submit(self, task: dict, verdict: str | None, **more) -> None:
        """Submit the task's prediction as an annotation."""
        result = [*task["predictions"][0]["result"]]
        if verdict:
            result.append({"from_name": "verdict", "to_name": "dialogue", "type": "choices", "value": {"choices": [verdict]}})
        self.ask("POST", f"/api/tasks/{task['id']}/annotations", json={"result": result, "lead_time": 3.5, **more})

    def export(self, number: int, kind: str) -> list:
        return self.ask("GET", f"/api/projects/{number}/export", params={"exportType": kind, "download_all_tasks": "true"})


def number_of(server: LabelStudio, made: Project) -> int:
    [found] = server.projects(made.title)
    return found["id"]


def unsure(turn: int, share: float) -> Example:
    """A turn whose reading has this share."""
    made = example(f"d{turn}", 0, f"user <b>{turn}</b>", "reply", change={"hotel": {"area": "east"}}, acts=(Act("Goodbye"),))
    candidates = (Candidate("[agent.no_change()]", score=0.0), Candidate('[agent.find_hotel(area="north")]', score=share))
    return replace(made, label=replace(made.label, tasks={"dst": TaskLabel(candidates, 0)}))


def thirty(group_id: str) -> tuple[Round, list[Example], Schema, Project]:
    schema = load_schema("packaged:schema")
    examples = [unsure(turn, -1.0 if turn != 17 else 3.0) for turn in range(30)]
    made = round_of(*examples, group_id=group_id)
    return made, examples, schema, project(made, forms(made, examples, schema), schema)


def read(rows: list, made: Round, examples: Sequence[Example], schema: Schema) -> list[Correction]:
    return from_export(rows, made, {e.turn.key: e for e in examples}, schema, "the export")


def test_a_round_is_pushed_once_labelled_least_sure_first_and_pulled(running, server):
    made, examples, schema, pushed = thirty("town")
    first, again = push(server, pushed), push(server, pushed)
    number = number_of(server, pushed)
    assert (first.tasks, first.added, again.tasks, again.added) == (30, 30, 30, 0)
    assert len(server.task_data(number)) == 30

    person = Annotator(running)
    [least] = [task["data"]["key"] for task in pushed.tasks if task["data"]["dialogue_id"] == "d17"]
    for turn in range(30):
        task = person.ask("GET", f"/api/projects/{number}/next")
        assert turn > 0 or task["data"]["key"] == least
        person.submit(task, ("ok", "fixed", "unsure")[turn % 3])
    predicted, users = {e.turn.key: e for e in examples}, server.users()
    from_server = from_export(server.export(number), made, predicted, schema, "it", users=users)
    full, minimal = (read(person.export(number, kind), made, examples, schema) for kind in ("JSON", "JSON_MIN"))

    assert len(full) == 30 and full == minimal
    assert {c.annotator for c in from_server} == {"annotator@localhost.org"}
    assert [replace(c, annotator="") for c in from_server] == [replace(c, annotator="") for c in full]
    assert all(c.change == {"hotel": {"area": "east"}} and c.acts == (Act("Goodbye"),) and c.seconds == 3.5 for c in full)
    assert push(server, pushed).added == 0  # labelled tasks are tasks still


def test_commands_push_and_pull_hostile_texts_too(running, server, group, monkeypatch):
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", running.key)
    run = CliRunner().invoke
    pushed = json.loads(run(app, ["annotate", "push", "annotations/round-0.json", "--to", running.url, "--json"]).stdout)
    assert (pushed["tasks"], pushed["added"]) == (len(EXAMPLES), len(EXAMPLES))
    number, person = int(pushed["place"].split("/")[-2]), Annotator(running)
    for task in person.ask("GET", "/api/tasks", params={"project": number, "fields": "all"})["tasks"]:
        person.submit(task, "ok")
    done = run(app, ["annotate", "pull", "annotations/round-0.json", "--from", running.url, "--json"])

    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["corrections"] == len(EXAMPLES)


def values_of(slot: Slot) -> tuple[str, ...]:
    return tuple(slot.possible_values) + ("dontcare",) if slot.is_categorical and slot.possible_values else OPEN_VALUES


@pytest.mark.parametrize("path", ["packaged:schema", str(MULTIWOZ)], ids=["packaged", "MultiWOZ"])
def test_every_slot_and_value_of_a_schema_goes_through_unchanged(running, server, path):
    if path == str(MULTIWOZ) and not MULTIWOZ.is_file():
        pytest.skip(f"needs the MultiWOZ schema at {MULTIWOZ}")
    schema = load_schema(path)
    keys = [(service, slot) for service in schema.services for slot in service.slots]
    assert len(keys) == (61 if path == str(MULTIWOZ) else len(keys))
    everything = {service.name: {slot.name: "before" for slot in service.slots} for service in schema.services}
    examples = []
    for turn in range(max(len(values_of(slot)) for _, slot in keys) + 1):
        change: dict = {}
        for service, slot in keys:
            values = (*values_of(slot), None)
            change.setdefault(service.name, {})[slot.name] = values[turn % len(values)]
        acts = tuple(sorted(Act("Inform", s.name, k.name, values_of(k)[turn % len(values_of(k))]) for s, k in keys))
        examples.append(example(f"d{turn}", 0, "hello", "goodbye", prior=everything, change=change, acts=acts))
    made = round_of(*examples, group_id=f"all-{len(keys)}")
    pushed = project(made, forms(made, examples, schema), schema)
    push(server, pushed)
    number, person = number_of(server, pushed), Annotator(running)
    for task in person.ask("GET", "/api/tasks", params={"project": number, "fields": "all", "page_size": 100})["tasks"]:
        person.submit(task, "fixed")
    full, minimal = (read(person.export(number, kind), made, examples, schema) for kind in ("JSON", "JSON_MIN"))

    assert full == minimal and len(full) == len(examples)
    found = {c.key: c for c in full}
    for one in examples:
        assert found[one.turn.key].acts == one.label.acts
        assert apply_change(everything, found[one.turn.key].change) == one.label.state
    covered = {(service, slot) for c in full for service, slots in c.change.items() for slot in slots}
    assert covered == {(service.name, slot.name) for service, slot in keys}


def test_a_project_whose_configuration_lacks_a_control_is_refused_and_gets_no_task(server, running):
    *_, pushed = thirty("edited")
    number = server.create_project(pushed.title, pushed.config.replace("hotel__area", "hotel__aera"), pushed.model_version)

    with pytest.raises(ConfigError, match=r"lacks hotel__area\. Restore it"):
        push(server, pushed)
    assert server.task_data(number) == []


def test_rows_without_a_verdict_and_skipped_turns_are_one_error(server, running):
    made, examples, schema, pushed = thirty("skipping")
    push(server, pushed)
    number, person = number_of(server, pushed), Annotator(running)
    tasks = person.ask("GET", "/api/tasks", params={"project": number, "fields": "all"})["tasks"]
    person.submit(tasks[0], None)
    person.submit(tasks[1], "ok", was_cancelled=True)
    person.submit(tasks[2], "ok")

    with pytest.raises(CorpusError) as caught:
        read(server.export(number), made, examples, schema)
    assert "turn 0 of dialogue 'd0' by user 1: the verdict is ''" in str(caught.value)
    assert "turn 0 of dialogue 'd1' by user 1 was skipped" in str(caught.value)
    with pytest.raises(CorpusError, match="the verdict is ''"):
        read(person.export(number, "JSON_MIN"), made, examples, schema)


def test_a_wrong_key_is_one_error_that_names_the_variable(running):
    with LabelStudio(running.url, "wrong") as opened, pytest.raises(ConfigError, match="refuses .* LABEL_STUDIO_API_KEY"):
        opened.projects("x")
    with pytest.raises(ConfigError, match="refuses the key"):
        LabelStudio(running.url, "a.b.c")


def test_a_personal_access_token_is_a_key_too(running):
    person = Annotator(running)
    organisation = person.ask("GET", "/api/organizations/")[0]["id"]
    person.ask("POST", "/api/jwt/settings", json={"api_tokens_enabled": True, "api_token_ttl_days": 30,
                                                  "legacy_api_tokens_enabled": True, "organization": organisation})
    token = person.ask("POST", "/api/token/")["token"]

    with LabelStudio(running.url, token) as opened:
        assert opened.projects("there is none") == []


def test_a_folder_is_read_by_the_local_storage_of_the_server(running, server):
    *_, pushed = thirty("folder")
    write_folder(pushed, running.files / "round")
    person = Annotator(running)
    config = (running.files / "round" / "labeling_config.xml").read_text()
    number = server.create_project("from a folder", config, pushed.model_version)
    made = person.ask("POST", "/api/storages/localfiles", json={
        "project": number, "path": str(running.files / "round" / "tasks"), "regex_filter": r".*\.json", "use_blob_urls": False})
    person.ask("POST", f"/api/storages/localfiles/{made['id']}/sync")

    there = person.ask("GET", "/api/tasks", params={"project": number, "fields": "all", "page_size": 100})["tasks"]
    assert sorted(json.dumps(task["data"], sort_keys=True) for task in there) == sorted(
        json.dumps(task["data"], sort_keys=True) for task in pushed.tasks)
    assert all(task["predictions"][0]["model_version"] == "folder round 0" for task in there)
