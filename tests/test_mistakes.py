"""What a user gets wrong on the command line: each mistake is one readable error, with the exit code that is documented."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import call, command_line, folder, write_job, write_logs  # noqa: F401  `folder` is a fixture

from nc_latent_tod.api.backends import Builder
from nc_latent_tod.cli.console import exit_code, told
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest

LABELS = "outputs/mine/labels"


@pytest.fixture
def labelled(folder):  # noqa: F811
    """A working folder with one finished run."""
    write_logs(folder / "logs.jsonl", 4)
    assert call("label", write_job(folder / "job.json")).exit_code == 0
    return folder


def error_of(*arguments: object) -> str:
    """The one error of a command that can never work."""
    result = call(*arguments)
    assert result.exit_code == 2, (result.output, result.exception)
    return result.stderr


@pytest.mark.parametrize("damage", ["removed", "torn"])
def test_labels_that_are_gone_are_named_by_every_command_that_needs_them(labelled, damage):
    [labels] = Path(LABELS).iterdir()
    if damage == "removed":
        labels.unlink()
    else:
        labels.write_bytes(labels.read_bytes()[:-10])

    for command in (["publish", "--group-id", "mine", "--to", "data"], ["label", "job.json"],
                    ["evaluate", "--group-id", "mine", "--gold", "packaged:simulated_gold"],
                    ["explain", "mine", "sim-1-000000", 0, "--job", "job.json"]):
        assert labels.name in error_of(*command)
    assert "remove the run's entry from the manifest" in error_of("label", "job.json")


def test_labels_of_a_relative_path_are_said_to_be_looked_for_from_here(labelled, monkeypatch):
    (labelled / "elsewhere").mkdir()
    monkeypatch.chdir(labelled / "elsewhere")

    told = error_of("publish", "--group-id", "mine", "--to", "data", "--manifest", "../manifest")

    assert f"is missing below {labelled / 'elsewhere'}: run this where the job ran" in told


def own_schema(*slots: str) -> str:
    """A schema of courts with these slots besides their names."""
    named = [{"name": name, "description": name, "is_categorical": False, "possible_values": []} for name in ("name", *slots)]
    intent = {"name": "find_court", "description": "", "required_slots": [], "optional_slots": dict.fromkeys(slots, "")}
    return json.dumps([{"service_name": "court", "description": "courts", "slots": named, "intents": [intent]}])


def job_on_courts(folder: Path, **task) -> Path:  # noqa: F811
    """A job of two dialogues that reads `schema.json` and `court.json`."""
    write_logs(folder / "logs.jsonl", 2)
    (folder / "schema.json").write_text(own_schema("surface"))
    (folder / "court.json").write_text('[{"name": "Elm Park", "surface": "clay"}]')
    task = {"model": {"model_type": "none"}} | task
    return write_job(folder / "job.json", "train_0_2", dst=task, act_tag=task, data={
        "eval_set_path_or_name": "logs.jsonl", "eval_set_split_name": "train_0_2", "schema_path": "schema.json",
        "entities_path": "court.json"})


def test_a_schema_that_changed_after_its_run_is_noticed_when_the_job_is_given_again(folder):  # noqa: F811
    job = job_on_courts(folder)
    assert "has changed" not in call("label", job).stderr
    assert "has changed" not in call("label", job).stderr

    Path("schema.json").write_text(own_schema("ground"))

    again = call("label", job)
    assert again.exit_code == 0 and "finished before" in again.stdout
    assert "the schema has changed since" in again.stderr


def test_text_that_changed_after_its_run_is_noticed_when_the_job_is_given_again(folder):  # noqa: F811
    job = job_on_courts(folder)
    call("label", job)
    logs = [json.loads(line) for line in Path("logs.jsonl").read_text().splitlines()]
    said = call("label", job).stderr
    Path("logs.jsonl").write_text("".join(json.dumps(one, indent=None, sort_keys=True) + "\n" for one in logs))
    assert "changed" not in said and call("label", job).stderr == said  # another layout of the same text

    logs[0]["turns"][0]["utterance"] += " please"
    logs[1]["dialogue_id"] = "another"
    Path("logs.jsonl").write_text("".join(map("{}\n".format, map(json.dumps, logs))))

    again = call("label", job)
    assert again.exit_code == 0 and "finished before" in again.stdout
    assert "of 2 dialogues 1 changed, 1 are new, 1 are gone." in again.stderr and "--reuse-from mine" in again.stderr


@pytest.mark.parametrize(("logs", "note"), [("{", "is not known"), ("", "is not known"), (None, "")])
def test_a_run_whose_logs_are_gone_or_torn_is_finished_all_the_same(folder, logs, note):  # noqa: F811
    job = job_on_courts(folder)
    call("label", job)
    Path("logs.jsonl").unlink() if logs is None else Path("logs.jsonl").write_text(logs)

    again = call("label", job)

    assert again.exit_code == 0 and "finished before" in again.stdout
    assert ("note: whether the text changed" in again.stderr) == bool(note)


def test_what_a_run_depends_on_is_known_by_the_content_of_schema_and_table(folder):  # noqa: F811
    def read():
        found = Builder().backends(parse_job(job.read_bytes()))
        return found.schema_sha256, found.entities_sha256()

    job = job_on_courts(folder)
    before = read()
    Path("schema.json").write_text(json.dumps(json.loads(own_schema("surface")), indent=4))
    assert read() == before

    Path("schema.json").write_text(own_schema("ground"))
    Path("court.json").write_text('[{"name": "Oak Park", "surface": "clay"}]')

    assert [one != other for one, other in zip(read(), before, strict=True)] == [True, True]


def test_a_group_is_published_reported_and_explained_with_the_schema_of_its_jobs(folder):  # noqa: F811
    call("label", job_on_courts(folder))
    assert call("publish", "--group-id", "mine", "--to", "data").exit_code == 0
    assert call("report", "mine").exit_code == 0
    assert call("explain", "mine", "sim-1-000000", 0).exit_code == 0

    Path("schema.json").rename("moved.json")

    assert "labelled with the schema schema.json" in error_of("publish", "--group-id", "mine", "--to", "data")
    assert call("publish", "--group-id", "mine", "--to", "data", "--schema", "moved.json").exit_code == 0


def test_a_run_whose_entry_was_removed_is_labelled_again_to_the_same_bytes(labelled):
    [labels] = Path(LABELS).iterdir()
    before = labels.read_bytes()
    labels.unlink()
    [entry] = Path("manifest/mine").iterdir()
    entry.unlink()

    assert call("label", "job.json").exit_code == 0
    [again] = Path(LABELS).iterdir()
    assert again.read_bytes() == before


@pytest.mark.parametrize("group", ["../x", "", "a b", "x" * 300])
def test_a_group_id_that_no_group_can_have_is_refused(labelled, group):
    for command in (["evaluate", "--gold", "packaged:simulated_gold", "--group-id", group],
                    ["publish", "--to", "data", "--group-id", group],
                    ["explain", "--schema", "packaged:schema", "--", group, "sim-1-000000", 0]):
        assert "letters, digits" in error_of(*command)


@pytest.mark.parametrize("manifest", ["absent", "", "logs.jsonl"])
def test_a_manifest_that_is_not_there_is_named(labelled, manifest):
    for command in (["evaluate", "--gold", "packaged:simulated_gold", "--group-id", "mine"],
                    ["publish", "--to", "data", "--group-id", "mine"],
                    ["explain", "mine", "sim-1-000000", 0, "--schema", "packaged:schema"]):
        assert f"no manifest folder '{manifest}'" in error_of(*command, "--manifest", manifest)


def test_draining_a_mistyped_queue_is_no_success(folder):  # noqa: F811
    assert "no queue folder 'quue'" in error_of("work", "--drain", "--queue", "quue")
    assert not Path("quue").exists()


def test_output_that_is_not_utf_8_shows_what_it_can(folder):  # noqa: F811
    turns = [{"speaker": "user", "utterance": "a café 😀"}, {"speaker": "system", "utterance": "ألو"}]
    Path("logs.jsonl").write_text(json.dumps({"dialogue_id": "d", "turns": turns}))
    call("label", write_job(folder / "job.json", "train_0_1"))
    command = ["explain", "mine", "d", 0, "--job", "job.json"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}

    shown, errors = command_line(*command, env=environment).communicate(timeout=600)
    data, _ = command_line(*command, "--json", env=environment).communicate(timeout=600)

    assert "a caf? ?" in shown, errors
    assert json.loads(data)["example"]["turn"]["user_utterance"] == "a café 😀"


@pytest.mark.parametrize(("task", "nearest"), [
    ({"model": {"model_name_or_path": "packaged:starcoder", "model_type": "huggingface"}}, "packaged:tiny-starcoder"),
    ({"model": {"model_type": "scripted"},
      "retriever": {"type": "sentence_transformer", "model_name_or_path": "packaged:mini"}}, "packaged:minilm"),
])
def test_a_packaged_name_that_is_none_is_not_looked_for_on_the_hub(folder, task, nearest):  # noqa: F811
    write_logs(folder / "logs.jsonl", 4)

    assert f"Did you mean {nearest!r}?" in error_of("label", write_job(folder / "job.json", dst=task))


def test_a_turn_without_recorded_tasks_is_explained_by_its_label(folder):  # noqa: F811
    call("simulate", "--out", "sim", "--dialogues", 1)
    digest = hashlib.sha256(Path("sim/gold.jsonl.gz").read_bytes()).hexdigest()
    LocalManifest("manifest").add(ManifestEntry("mine", "gold", 1, "", "train", "sim/gold.jsonl.gz", digest))

    result = call("explain", "mine", "sim-0-000000", 0, "--schema", "packaged:schema")

    assert result.exit_code == 0 and "user said" in result.stdout, result.exception


def test_a_place_that_cannot_be_used_is_named_with_what_to_do(folder):  # noqa: F811
    Path("court.csv").write_text("name,surface\nElm Park,clay\n")

    answer = error_of("schema", "draft", "court.csv", "--out", "court.csv/schema.json")

    assert answer.endswith("schema.json: Not a directory. A folder is needed and a file is there: name another place.\n")


@pytest.mark.parametrize(("number", "words", "code"), [(errno.ENOSPC, "No space left on device. Free space, then", 3),
                                                       (errno.EACCES, "a/b: Permission denied. Change its permissions", 2),
                                                       (errno.EROFS, "Read-only file system. Name a place", 2)])
def test_what_the_system_refuses_says_what_to_do(number, words, code):
    error = OSError(number, os.strerror(number), "a/b")

    assert words in told(error) and exit_code(error) == code


def test_a_full_disk_ends_a_job_that_goes_on_afterwards(folder):  # noqa: F811
    write_logs(folder / "logs.jsonl", 40)
    job = write_job(folder / "job.json", "train_0_40")
    command = f"ulimit -f 8; exec '{sys.executable}' -m nc_latent_tod label job.json"  # KiB a file

    full = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    kept = len(list(Path("outputs/mine/checkpoints").rglob("part-*")))
    resumed = json.loads(call("label", job, "--json").stdout)

    assert full.returncode == 3 and "Cannot write outputs/mine/checkpoints" in full.stderr, full.stderr
    assert "Traceback" not in full.stderr
    assert kept > 0 and resumed["progress"]["turns_resumed"] > 0


def test_two_that_label_the_same_job_at_once_agree(folder):  # noqa: F811
    write_logs(folder / "logs.jsonl", 40)
    write_job(folder / "job.json", "train_0_40")

    both = [command_line("label", "job.json", "--json") for _ in range(2)]
    answers = [process.communicate(timeout=600) for process in both]

    assert [process.returncode for process in both] == [0, 0], answers
    first, second = (json.loads(shown)["entry"] for shown, _ in answers)
    assert first == second
    assert Path(first["labels_url"]).is_file() and len(list(Path("manifest/mine").iterdir())) == 1


def test_a_job_without_a_model_tells_nothing_of_a_model(folder):  # noqa: F811
    write_logs(folder / "logs.jsonl", 4)
    alone = {"model": {"model_type": "none"}}

    shown = call("label", write_job(folder / "job.json", dst=alone, act_tag=alone)).stdout

    assert "turns/s" in shown and "parse" not in shown and "tokens" not in shown, shown
