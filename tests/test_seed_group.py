"""Jobs that take their examples from a finished group of another name: the pool does not grow with the jobs' own group."""

import json
from pathlib import Path

import pytest
from toy_jobs import backends, job
from toy_labelling import corpus
from toy_schema import SCHEMA

from nc_latent_tod.api.explain import explain_label
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline.run import replay_job, run_job
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking

FIRST, LATER = corpus(6)[:3], corpus(6)[3:]
SEEDED = {"seed_retrievers_from_manifest": True, "seed_group_id": "first"}


@pytest.fixture
def seeded(tmp_path):
    """A folder with the finished group `first`, whose only run is called `r`."""
    run_job(job(tmp_path, group_id="first"), backends(tmp_path, dialogues=FIRST))
    return tmp_path


def run(folder: Path, run_id: str, **manifest):
    return run_job(job(folder, run_id, **{**SEEDED, **manifest}), backends(folder, run_id, dialogues=LATER))


def without_run(entry) -> list[dict]:
    """The labels of a run, but for its name."""
    return [json.loads(json.dumps(e.to_json()).replace(f"{entry.run_id}/", "RUN/").replace(f'"{entry.run_id}"', '"RUN"'))
            for e in read_examples(entry.labels_url, entry.sha256)]


def test_the_examples_stay_those_of_the_seed_group_while_the_own_group_grows(seeded):
    entries = [run(seeded, name).entry for name in ("a1", "b1", "c1")]

    assert [(e.seed_group_id, e.seed_run_ids) for e in entries] == [("first", ("r",))] * 3
    labels = [without_run(entry) for entry in entries]
    assert labels[0] == labels[1] == labels[2]
    assert any(example_id.startswith("r/") for e in read_examples(entries[0].labels_url)
               for example_id, _ in e.label.tasks["dst"].retrieved)


def test_without_a_seed_group_the_pool_grows_with_the_own_group(seeded):
    [first, second] = [run(seeded, name, seed_group_id=None) for name in ("a1", "b1")]

    assert (first.entry.seed_run_ids, second.entry.seed_run_ids) == ((), ("a1",))
    assert first.entry.seed_group_id == second.entry.seed_group_id == ""


def test_a_replay_finds_the_same_examples(seeded):
    entry = run(seeded, "a1").entry
    run(seeded, "b1")

    replayed = replay_job(job(seeded, "a1", **SEEDED), backends(seeded, dialogues=LATER), "a1")

    assert list(replayed.examples) == read_examples(entry.labels_url)


def test_an_explanation_shows_the_examples_of_the_seed_group(seeded):
    entry = run(seeded, "a1").entry
    run(seeded, "r1")
    turn = next(e for e in read_examples(entry.labels_url) if any(
        example_id.startswith("r/") for example_id, _ in e.label.tasks["dst"].retrieved)).turn

    tasks = [StateTracking(SCHEMA, "signatures"), ActTagging(SCHEMA, "signatures")]

    found = explain_label(LocalManifest(seeded / "manifest"), lambda e: read_examples(e.labels_url), tasks, "g",
                          turn.dialogue_id, turn.turn_id)

    assert {e.run_id for task in found.tasks for e, _ in task.examples} >= {"r"}
    assert not any(task.lost_examples for task in found.tasks)


def test_a_seed_group_without_a_finished_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"group 'first' \(manifest.seed_group_id\) has no finished run"):
        run(tmp_path, "a1")


def test_a_run_called_like_one_of_its_seeds_is_refused(seeded):
    with pytest.raises(ConfigError, match="run_id 'r' is also the name of a run of 'first'"):
        run(seeded, "r")


def test_a_seed_group_that_nothing_reads_is_refused():
    data = {"data": {"eval_set_path_or_name": "x", "eval_set_split_name": "train"}, "manifest": {
        "type": "local", "manifest_path": "m", "group_id": "g", "seed_group_id": "first"}}

    with pytest.raises(ConfigError, match="manifest: seed_group_id is 'first' but seed_retrievers_from_manifest is false"):
        parse_job(data)


def test_the_seed_group_is_part_of_the_fingerprint(tmp_path):
    groups = ({"seed_retrievers_from_manifest": True}, SEEDED, {**SEEDED, "seed_group_id": "second"})

    assert len({job(tmp_path, **manifest).fingerprint for manifest in groups}) == 3
