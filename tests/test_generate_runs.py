"""generate_runs.py writes the dependents of job_0 for a corpus of any size."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nc_latent_tod.config.job import parse_job

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs" / "offline_labelling_experiment" / "initial_labelling"
PUBLISHED = ROOT.parent / "shared" / "data" / "published_jobs"
needs_published = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published job files are not on this machine")


def generate(out: Path, *options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, RUNS / "generate_runs.py", "--out", out, *options]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)


@needs_published
def test_the_published_dependent_is_reproduced_from_the_published_job_0(tmp_path):
    done = generate(tmp_path, "--dialogues", 100, "--template", PUBLISHED / "job_0.json")

    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["train_50_100.json"]
    assert json.loads((tmp_path / "train_50_100.json").read_text()) == json.loads(
        (PUBLISHED / "train_50_100.json").read_text())


@needs_published
def test_job_0_is_the_published_one_with_a_schema():
    ours = json.loads((RUNS / "job_0.json").read_text())

    assert ours["data"].pop("schema_path")
    assert ours == json.loads((PUBLISHED / "job_0.json").read_text())


def test_partitions_cover_the_corpus_without_gap_or_overlap(tmp_path):
    done = generate(tmp_path, "--dialogues", 130, "--partition-size", 30)

    assert done.returncode == 0, done.stderr
    assert {path.stem for path in tmp_path.iterdir()} == {"train_50_80", "train_80_110", "train_110_130"}
    for path in tmp_path.iterdir():
        job = parse_job(path.read_bytes(), path.name)
        assert job.data.eval_set_split_name == path.stem
        assert job.manifest.seed_retrievers_from_manifest
        assert job.dst.retriever.example_warmup == job.act_tag.retriever.example_warmup == job.data_warmup == 0


def test_dependents_can_use_a_local_manifest_and_the_reader_is_told_that_job_0_must_too(tmp_path):
    done = generate(tmp_path, "--dialogues", 60, "--manifest", "local", "--manifest-path", "our manifest")

    job = parse_job((tmp_path / "train_50_60.json").read_bytes())
    assert (job.manifest.type, job.manifest.manifest_path) == ("local", "our manifest")
    assert "job_0.json must name the same" in done.stdout


def test_a_template_with_the_fewest_keys_and_a_run_id_gives_valid_dependents(tmp_path):
    template = tmp_path / "template.json"
    template.write_text(json.dumps({
        "data": {"eval_set_path_or_name": "logs", "eval_set_split_name": "dev_0_2"}, "run_id": "first",
        "manifest": {"type": "local", "manifest_path": "m", "group_id": "g"}}))

    done = generate(tmp_path / "out", "--dialogues", 3, "--template", template)

    assert done.returncode == 0, done.stderr
    assert parse_job((tmp_path / "out" / "dev_2_3.json").read_bytes()).run_id is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dialogues", 50], "nothing to add"),
        (["--dialogues", 0], "less than 1"),
        (["--dialogues", 100, "--partition-size", 0], "less than 1"),
        (["--dialogues", 100, "--manifest", "local"], "--manifest-path"),
        (["--dialogues", 100, "--template", "absent.json"], "absent.json"),
    ],
)
def test_a_wrong_use_writes_nothing_and_says_why(tmp_path, options, words):
    done = generate(tmp_path / "out", *options)

    assert done.returncode == 2
    assert words in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_jobs_of_another_generation_are_not_mixed_with_new_ones(tmp_path):
    assert generate(tmp_path, "--dialogues", 100, "--partition-size", 25).returncode == 0

    again = generate(tmp_path, "--dialogues", 100, "--partition-size", 25)
    other = generate(tmp_path, "--dialogues", 100)

    assert again.returncode == 0
    assert other.returncode == 2 and "train_50_75.json" in other.stderr
    assert not (tmp_path / "train_50_100.json").exists()


def test_the_repository_carries_no_generated_jobs():
    assert len(list((RUNS / "dependents").glob("*.json"))) <= 1
