"""The command line: what it prints, how it exits, what it imports."""

import io
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from nc_latent_tod.api.evaluate import PER_SERVICE
from nc_latent_tod.api.explain import TaskExplanation
from nc_latent_tod.cli import app
from nc_latent_tod.cli.console import EXIT_CODES, exit_code
from nc_latent_tod.cli.views.explanation import _candidates
from nc_latent_tod.cli.views.scores import _scoped
from nc_latent_tod.config.em import parse_em
from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema, packaged_wording
from nc_latent_tod.errors import ConfigError, DamagedError, InterruptedJobError, LeaseLostError
from nc_latent_tod.evaluation.labels.scores import Estimate
from nc_latent_tod.labels import Candidate, TaskLabel
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.simulation import simulate

ROOT = Path(__file__).resolve().parents[1]
EXPERIMENTS = ROOT / "src" / "nc_latent_tod" / "experiments"
HEAVY = {"torch", "boto3", "faiss", "transformers", "datasets", "numpy", "fsspec", "sentence_transformers"}
COMMANDS = sorted(f"{group.name or ''} {command.name or command.callback.__name__}".strip()
                  for group in app.registered_groups for command in group.typer_instance.registered_commands)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty working folder with a queue of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NC_LATENT_TOD_QUEUE_PATH", "queue")
    return tmp_path


def call(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def command_line(*arguments: object, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "nc_latent_tod", *map(str, arguments)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def write_logs(path: Path, dialogues: int) -> None:
    with path.open("w") as file:
        for one in simulate(packaged_schema(), packaged_entities(), packaged_wording(), n=dialogues, seed=1,
                            templates="heldout"):
            turns = [{"speaker": speaker, "utterance": text} for turn in one.dialogue.turns
                     for speaker, text in (("user", turn.user_utterance), ("system", turn.system_response)) if text]
            file.write(json.dumps({"dialogue_id": one.dialogue.dialogue_id, "turns": turns}) + "\n")


def write_job(path: Path, split: str = "train_0_4", **sections) -> Path:
    scripted = {"model": {"model_type": "scripted"}, "retriever": {"type": "none"}}
    job = {"data": {"eval_set_path_or_name": "logs.jsonl", "eval_set_split_name": split, "schema_path": "packaged:schema"},
           "dst": scripted, "act_tag": scripted, "data_warmup": 2,
           "manifest": {"type": "local", "manifest_path": "manifest", "group_id": "mine"}, **sections}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(job))
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example_and_the_exit_codes(command):
    help_text = " ".join(call(*command.split(), "--help").stdout.split())

    assert f"Example: nc-latent-tod {command}" in help_text
    assert EXIT_CODES in help_text


def test_help_imports_nothing_heavy_and_costs_less_than_half_a_second():
    code = ("import sys\nfrom nc_latent_tod.cli import app\n"
            f"for command in [None, *{COMMANDS!r}]:\n"
            "    app(['--help'] if command is None else [*command.split(), '--help'], standalone_mode=False)\n"
            f"print(sorted(set(sys.modules) & {HEAVY!r}))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert command_line("--help").wait(timeout=60) == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.5  # seconds of processor time


def test_expected_errors_have_the_documented_exit_codes():
    assert [exit_code(error) for error in (
        ConfigError(""), DamagedError(""), InterruptedJobError(""), LeaseLostError(""), OSError())] == [2, 2, 3, 3, 1]


def test_a_wrong_job_file_is_one_readable_error_and_a_traceback_only_on_request(folder):
    job = write_job(folder / "job.json", bach=1)

    plain, debug = call("label", job), call("--debug", "label", job)

    assert plain.exit_code == debug.exit_code == 2
    assert plain.stderr.startswith("error: ") and "bach = 1: unknown key." in plain.stderr
    assert "Traceback" not in plain.stderr and "Traceback" in debug.stderr


def test_a_job_without_a_schema_says_so_before_anything_is_loaded(folder):
    data = {"eval_set_path_or_name": "absent.jsonl", "eval_set_split_name": "train_0_4"}

    result = call("label", write_job(folder / "job.json", data=data))

    assert result.exit_code == 2 and "data.schema_path" in result.stderr


def test_a_job_is_labelled_once_and_its_replay_gives_the_same_labels(folder):
    write_logs(folder / "logs.jsonl", 4)
    job = write_job(folder / "job.json")

    first = json.loads(call("label", job, "--json").stdout)
    again = json.loads(call("label", job, "--json").stdout)
    replayed = json.loads(call("label", job, "--replay", first["entry"]["run_id"], "--json").stdout)
    unknown = call("label", job, "--replay", "nobody")

    assert first["progress"]["turns_done"] == first["entry"]["num_logs"] > 8
    assert again["entry"] == first["entry"] and again["progress"] is None
    assert replayed["differing_turns"] == 0
    assert unknown.exit_code == 2 and "no run 'nobody'" in unknown.stderr


def test_a_changed_label_shows_in_the_replay(folder):
    from nc_latent_tod.api.label import _differing
    from nc_latent_tod.corpus.label_files import read_examples
    write_logs(folder / "logs.jsonl", 4)
    entry = json.loads(call("label", write_job(folder / "job.json"), "--json").stdout)["entry"]
    stored = read_examples(entry["labels_url"])

    class Backends:
        labels = staticmethod(lambda entry: stored)

    class Result:
        entry = None
        examples = stored[1:]

    assert _differing(Result, Backends) == 1


def test_notes_on_keys_without_effect_go_to_stderr_once(folder):
    write_logs(folder / "logs.jsonl", 4)

    result = call("label", write_job(folder / "job.json", wandb={"run_tags": ["x"]}), "--json")

    assert result.stderr.count("`wandb` has no meaning here") == 1
    assert json.loads(result.stdout)["entry"]["run_id"]


def test_enqueued_jobs_are_done_once_however_often_they_are_enqueued(folder):
    write_logs(folder / "logs.jsonl", 6)
    for split in ("train_0_2", "train_2_4", "train_4_6"):
        write_job(folder / "jobs" / f"{split}.json", split)

    assert "3 enqueued, 0 already there" in call("enqueue", "jobs").stdout
    assert len(json.loads(call("enqueue", "jobs", "--json").stdout)["already_there"]) == 3
    worked = call("work", "--drain")

    assert worked.exit_code == 0, worked.stderr
    status = json.loads(call("status", "--json").stdout)
    assert {key: value for key, value in status.items() if value} == {"done": 3}
    assert len(list(Path("manifest/mine").glob("*.json"))) == 3


def test_one_wrong_job_file_keeps_all_others_out_of_the_queue(folder):
    write_job(folder / "jobs" / "a.json")
    write_job(folder / "jobs" / "b.json", seed=-1)

    result = call("enqueue", "jobs")

    assert result.exit_code == 2 and "jobs/b.json" in result.stderr and "seed = -1" in result.stderr
    assert not Path("queue").exists()


def test_a_job_that_can_never_work_is_a_dead_letter_with_its_reason_until_it_is_put_back(folder):
    call("enqueue", write_job(folder / "job.json"))  # there are no logs

    worked = call("work", "--drain")
    [dead] = json.loads(call("status", "--json").stdout)["dead"]

    assert worked.exit_code == 3 and "dead letters" in worked.stderr
    assert "logs.jsonl: no such file" in dead["reason"]
    assert "Dead letters" in call("status").stdout
    assert "Dead letters" in call("dlq", "list").stdout
    assert json.loads(call("dlq", "show", dead["name"], "--json").stdout)["job"]["manifest"]["group_id"] == "mine"
    assert call("dlq", "show", "absent").exit_code == call("dlq", "redrive", "absent").exit_code == 2
    assert f"{dead['name']}\n1 would be put back" in call("dlq", "redrive", "--all", "--dry-run").stdout
    assert "1 put back" in call("dlq", "redrive", "--all").stdout
    write_logs(folder / "logs.jsonl", 4)
    assert call("work", "--drain").exit_code == 0


def test_a_job_whose_worker_died_in_its_last_attempt_is_a_dead_letter(folder):
    call("enqueue", write_job(folder / "job.json"))
    FolderQueue("queue", lease_s=1.0).receive(0)  # and dies

    worked = call("work", "--drain", "--lease", 1, "--max-attempts", 1)

    [dead] = json.loads(call("status", "--json").stdout)["dead"]
    assert worked.exit_code == 3
    assert dead["attempts"] == 1 and "it was killed or got stuck" in dead["reason"]


def test_without_a_queue_the_message_names_the_variable(folder, monkeypatch):
    monkeypatch.delenv("NC_LATENT_TOD_QUEUE_PATH")

    result = call("status")

    assert result.exit_code == 2 and "NC_LATENT_TOD_QUEUE_PATH" in result.stderr


def test_a_mistyped_queue_is_no_empty_queue(folder):
    for command in (["status", "--queue", "quue"], ["dlq", "redrive", "--all", "--queue", "quue"]):
        result = call(*command)
        assert result.exit_code == 2 and "no queue folder 'quue'" in result.stderr
    assert not Path("quue").exists()


def test_a_tiny_model_is_trained_and_another_configuration_does_not_overwrite_its_run(folder):
    process = command_line("train-tiny", "--out", "tiny", "--steps", 1)
    _, errors = process.communicate(timeout=300)

    assert process.returncode == 0, errors
    assert 1e6 < Path("tiny/checkpoint/model.safetensors").stat().st_size < 15e6  # bytes
    again = call("train-tiny", "--out", "tiny", "--steps", 2, "--seed", 1)
    assert again.exit_code == 2 and "tiny" in again.stderr


def test_a_job_that_sigterm_stopped_goes_on_to_the_labels_of_an_undisturbed_one(folder):
    write_logs(folder / "logs.jsonl", 120)
    job = write_job(folder / "job.json", "train_0_120")
    whole = json.loads(call("label", write_job(folder / "whole.json", "train_0_120", output={"labels_url": "whole"},
                                               manifest={"type": "local", "manifest_path": "m2", "group_id": "mine"}),
                            "--json").stdout)

    process = command_line("label", job)
    while not any(Path("outputs/mine/checkpoints").rglob("*.jsonl*")) and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, remarks = process.communicate(timeout=60)
    resumed = json.loads(call("label", job, "--json").stdout)

    assert process.returncode == 143, remarks
    assert "goes on from there" in remarks and "Traceback" not in remarks
    assert resumed["progress"]["turns_resumed"] > 0
    assert resumed["entry"]["sha256"] == whole["entry"]["sha256"]


def test_workers_share_a_queue(folder):
    write_logs(folder / "logs.jsonl", 8)
    for start in range(0, 8, 2):
        write_job(folder / "jobs" / f"{start}.json", f"train_{start}_{start + 2}")
    call("enqueue", "jobs")

    process = command_line("work", "--drain", "--workers", 2)
    _, log = process.communicate(timeout=120)

    assert process.returncode == 0, log
    assert json.loads(call("status", "--json").stdout)["done"] == 4


def test_a_plan_shows_a_real_prompt_of_each_task_and_loads_no_model(folder):
    write_logs(folder / "logs.jsonl", 4)
    job = write_job(folder / "job.json")

    shown, plan = call("plan", job), json.loads(call("plan", job, "--json").stdout)

    assert shown.exit_code == 0, shown.stderr
    assert [task["name"] for task in plan["tasks"]] == ["dst", "act_tag"]
    assert all("user_intent=[" in shown.stdout and task["prompt"].endswith("=[") for task in plan["tasks"])
    assert sum(len(task["prompt_tokens"]) for task in plan["tasks"]) == 2 * plan["turns"] > 16
    assert not Path("manifest").exists() and not Path("outputs").exists()


def test_a_plan_estimates_the_time_by_the_pace_of_finished_runs(folder):
    write_logs(folder / "logs.jsonl", 4)
    job = write_job(folder / "job.json", "train_2_4")
    assert json.loads(call("plan", job, "--json").stdout)["seconds"] is None

    call("label", write_job(folder / "first.json", "train_0_2"))
    [path] = Path("manifest/mine").iterdir()
    path.write_text(json.dumps({**json.loads(path.read_text()), "tokens": 100, "seconds": 50.0}))  # 2 tokens a second

    plan = json.loads(call("plan", job, "--json").stdout)
    assert plan["seconds"] == sum(task["tokens_to_sample"] + task["tokens_to_score"] for task in plan["tasks"]) / 2
    assert "at the pace of 1 finished run" in " ".join(call("plan", job).stdout.split())


def test_a_turn_is_explained_by_its_candidates_and_the_choice(folder):
    write_logs(folder / "logs.jsonl", 4)
    job = write_job(folder / "job.json")
    call("label", job)

    shown = " ".join(call("explain", "mine", "sim-1-000000", 1, "--job", job).stdout.split())
    data = json.loads(call("explain", "mine", "sim-1-000000", 1, "--schema", "packaged:schema", "--json").stdout)

    assert "▶" in shown and data["tasks"][0]["reason"] in shown
    assert data["example"]["turn"]["turn_id"] == 1
    assert data["tasks"][0]["outcome"]["chosen"] == 0


@pytest.mark.parametrize("width", [60, 80])
def test_no_part_of_a_reading_is_left_out_for_want_of_room(width):
    found = Candidate('[agent.book_taxi(pickup="pine_tree_inn_of_the_old_town")]', score=-57.92, count=8,
                      logprobs=dict.fromkeys(("direct", "prior", "channel"), -20.55))
    task = TaskExplanation("dst", TaskLabel((found,), 0), [1.0], [], [], "", "", "", "The only reading.")
    page = io.StringIO()

    Console(file=page, width=width).print(_candidates(task))

    lines = [line.strip("│╭╮╰╯─ ▶") for line in page.getvalue().splitlines()[2:]]
    assert "".join(line.split(" ")[0] for line in lines).startswith(found.text), page.getvalue()
    assert "-57.92" in lines[0]


@pytest.mark.parametrize("width", [60, 80])
def test_no_service_and_no_score_is_cut_off_for_want_of_room(width):
    page = io.StringIO()

    Console(file=page, width=width).print(_scoped("service", {"attractions": dict.fromkeys(PER_SERVICE, Estimate(0.125))},
                                                  PER_SERVICE))

    [row] = [line for line in page.getvalue().splitlines() if "0.125" in line]
    assert row.split() == " │ ".join(["attractions", *["0.125"] * len(PER_SERVICE)]).split(), page.getvalue()


def test_text_that_looks_like_markup_is_shown_as_it_is(folder):
    turns = [{"speaker": "user", "utterance": "[bold]hi[/]"}, {"speaker": "system", "utterance": "[/x] [red]"}]
    Path("logs.jsonl").write_text(json.dumps({"dialogue_id": "[/d]", "turns": turns}))
    job = write_job(folder / "job.json", "train_0_1")
    call("label", job)

    shown = call("explain", "mine", "[/d]", 0, "--job", job)

    assert shown.exit_code == 0, shown.exception
    assert all(text in shown.stdout for text in ("/ [/d] /", "[bold]hi[/]", "[/x] [red]"))
    assert call("plan", job).exit_code == 0


@pytest.mark.parametrize(("arguments", "words"), [
    (["mine", "sim-1-00000", 1, "--job", "job.json"], "Did you mean"),
    (["mine", "sim-1-000000", 99, "--job", "job.json"], "has the turns 0 to"),
    (["other", "sim-1-000000", 1, "--job", "job.json"], "no finished run of group 'other'"),
    (["other", "sim-1-000000", 1], "--schema"),
])
def test_a_turn_that_is_not_there_is_answered_with_what_is(folder, arguments, words):
    write_logs(folder / "logs.jsonl", 4)
    call("label", write_job(folder / "job.json"))

    result = call("explain", *arguments)

    assert result.exit_code == 2 and words in result.stderr


def test_simulated_dialogues_are_labelled_and_scored_against_their_gold(folder):
    written = json.loads(call("simulate", "--dialogues", 4, "--seed", 3, "--out", "sim", "--json").stdout)
    data = {"eval_set_path_or_name": written["logs"], "eval_set_split_name": "train", "schema_path": "packaged:schema"}
    call("label", write_job(folder / "job.json", data=data))

    shown = call("evaluate", "--group-id", "mine", "--gold", written["gold"])
    scores = json.loads(call("evaluate", "--group-id", "mine", "--gold", written["gold"], "--json").stdout)

    assert shown.exit_code == 0, shown.stderr
    assert scores["turns"] == written["turns"] and scores["dialogues"] == 4
    assert 0 < scores["overall"]["turn_accuracy"]["value"] < 1  # the scripted model says that nothing changes
    assert "joint goal accuracy" in shown.stdout
    assert call("simulate", "--out", "sim").exit_code == 2


def test_the_same_seed_simulates_the_same_files_and_another_seed_others(folder):
    for out, seed in (("a", 1), ("b", 1), ("c", 2)):
        call("simulate", "--dialogues", 3, "--seed", seed, "--out", out)

    contents = [Path(out, "logs.jsonl").read_text() for out in "abc"]
    assert contents[0] == contents[1] != contents[2]
    assert Path("a/gold.jsonl.gz").read_bytes() == Path("b/gold.jsonl.gz").read_bytes()


def test_a_group_is_published_to_a_folder(folder):
    write_logs(folder / "logs.jsonl", 4)
    call("label", write_job(folder / "job.json"))

    published = json.loads(call("publish", "--group-id", "mine", "--to", "data", "--json").stdout)
    again = call("publish", "--group-id", "mine", "--to", "data", "--job", "job.json")

    assert published["name"].startswith("manifest_self_labelled_mine_4_")
    assert Path(published["path"], "README.md").is_file()
    assert "was there already" in again.stdout
    assert call("publish", "--group-id", "mine").exit_code == 2
    assert call("publish", "--group-id", "nobody", "--to", "data").exit_code == 2


@pytest.mark.parametrize(("written", "private"), [
    (["--private", "False"], False), (["--private", "True"], True), (["--private=false"], False), (["--private=yes"], True),
    (["--private"], True), (["--public"], False), ([], True), (["--hf-username", "False", "--private", "no"], False),
    (["--private", "--hf-username", "False"], True),
])
def test_private_false_means_public(written, private):
    command = get_command(app).commands["publish"]

    context = command.make_context("publish", ["--group-id", "mine", *written])

    assert context.params["private"] is private


def test_a_privacy_that_is_neither_true_nor_false_is_refused(folder):
    assert call("publish", "--group-id", "mine", "--to", "data", "--private", "perhaps").exit_code == 2


@pytest.mark.parametrize("script", ["offline_labelling_experiment", "enqueue_job", "poll_for_offline_label_jobs",
                                    "upload_offline_labeled_dataset"])
def test_the_scripts_of_the_original_instructions_are_the_commands(script):
    command = {"offline_labelling_experiment": "label", "enqueue_job": "enqueue", "poll_for_offline_label_jobs": "work",
               "upload_offline_labeled_dataset": "publish"}[script]

    done = subprocess.run([sys.executable, EXPERIMENTS / f"{script}.py", "--help"], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert f"Example: nc-latent-tod {command}" in " ".join(done.stdout.split())


def test_the_upload_script_speaks_of_the_table_only_where_no_manifest_is_named(folder):
    script, group = EXPERIMENTS / "upload_offline_labeled_dataset.py", ["--group-id", "mine", "--to", "data"]
    Path("elsewhere").mkdir()

    done = subprocess.run([sys.executable, script, *group, "--manifest=elsewhere"], capture_output=True, text=True, timeout=60)

    assert "has no finished run of group 'mine'" in done.stderr and "DynamoDB" not in done.stderr, done.stderr


@pytest.mark.parametrize("script", [
    *sorted(EXPERIMENTS.glob("[a-z]*.py")), ROOT / "scripts/create_aws.py",
    ROOT / "runs/offline_labelling_experiment/initial_labelling/generate_runs.py"], ids=lambda path: path.name)
def test_a_script_in_a_python_without_the_package_says_which_python_has_it(script):
    done = subprocess.run([sys.executable, "-I", "-S", script], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1 and done.stderr.startswith("error: this Python has no "), done.stderr
    assert "use .venv/bin/python" in done.stderr and "Traceback" not in done.stderr


def test_the_original_instructions_label_a_corpus(folder):
    write_logs(folder / "logs.jsonl", 6)
    write_job(folder / "runs" / "job_0.json", "train_0_2")
    generate = ROOT / "runs" / "offline_labelling_experiment" / "initial_labelling" / "generate_runs.py"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    for command in (
        [sys.executable, EXPERIMENTS / "offline_labelling_experiment.py", "runs/job_0.json"],
        [sys.executable, generate, "--dialogues", "6", "--partition-size", "2", "--template", "runs/job_0.json",
         "--out", "runs/dependents"],
        ["bash", ROOT / "folder_runner.sh", EXPERIMENTS / "enqueue_job.py", "runs/dependents"],
        [sys.executable, EXPERIMENTS / "poll_for_offline_label_jobs.py", "--drain"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        assert done.returncode == 0, done.stderr

    entries = [json.loads(path.read_text()) for path in Path("manifest/mine").glob("*.json")]
    assert sorted(entry["labelled_dataset_split_name"] for entry in entries) == ["train_0_2", "train_2_4", "train_4_6"]
    assert sum(len(entry["seed_run_ids"]) > 0 for entry in entries) == 2


def test_bootstrap_writes_the_file_that_em_runs(folder: Path) -> None:
    written = call("bootstrap", "--corpus", "packaged:simulated", "--schema", "packaged:schema", "--split", "train_0_6",
                   "--out", "rounds", "--write-only")

    assert written.exit_code == 0 and [path.name for path in (folder / "rounds").iterdir()] == ["em.json"]
    assert parse_em((folder / "rounds" / "em.json").read_bytes()).ranker
