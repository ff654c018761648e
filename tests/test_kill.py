"""The promise of the queue and the manifest, with real workers that are killed: no job is lost, and none counts twice."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from processes import Crew, start, wait_until

from nc_latent_tod.build import Builder
from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema, packaged_wording
from nc_latent_tod.job import parse_job
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline import run_job
from nc_latent_tod.publish import Published, publish
from nc_latent_tod.publish.folder import differing_file
from nc_latent_tod.queues.local import FolderQueue
from nc_latent_tod.queues.status import InFlight
from nc_latent_tod.simulate import simulate

JOBS, KILLS, WORKERS = 30, 10, 3
DIALOGUES, CONVERSATIONS_A_DIALOGUE = 60, 6  # long ones, so that a job takes long enough to be killed within it
LEASE_S = 2.0
PATIENCE_S = 1_800.0  # a bound for hopeless cases: the machine may be slow
RETRIEVER = {"type": "none"}  # a worker would need seconds to load an encoder


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "logs.jsonl"
    told = list(simulate(packaged_schema(), packaged_entities(), packaged_wording(), n=DIALOGUES * CONVERSATIONS_A_DIALOGUE,
                         seed=5, templates="heldout"))
    with path.open("w", encoding="utf-8") as file:
        for number in range(DIALOGUES):
            said = [{"speaker": speaker, "utterance": text} for one in told[number::DIALOGUES] for turn in one.dialogue.turns
                    for speaker, text in (("user", turn.user_utterance), ("system", turn.system_response)) if text]
            file.write(json.dumps({"dialogue_id": f"d{number:02}", "turns": said}) + "\n")
    return path


def job(folder: Path, logs: Path, split: str, **manifest: object) -> dict:
    task = {"model": {"model_type": "scripted"}, "retriever": RETRIEVER}
    return {"data": {"eval_set_path_or_name": str(logs), "eval_set_split_name": split, "schema_path": "packaged:schema"},
            "output": {"labels_url": str(folder / "outputs")}, "dst": task, "act_tag": task, "data_warmup": 0,
            "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": "mine", **manifest}}


def queue_of(folder: Path, logs: Path) -> FolderQueue:
    """A queue of jobs whose examples are those of one finished run of another group."""
    folder.mkdir()
    first = parse_job(job(folder, logs, "train_0_1", group_id="first"))
    run_job(first, Builder().backends(first))
    queue = FolderQueue(folder / "queue")
    for start_at in range(0, DIALOGUES, DIALOGUES // JOBS):
        split = f"train_{start_at}_{start_at + DIALOGUES // JOBS}"
        assert queue.put(job(folder, logs, split, seed_retrievers_from_manifest=True, seed_group_id="first"))
    return queue


def work(folder: Path) -> list[str | Path]:
    return ["-m", "nc_latent_tod", "work", "--drain", "--queue", folder / "queue", "--lease", str(LEASE_S),
            "--max-attempts", "100"]  # on a busy machine leases of this length are lost without a kill too


def holders(in_flight: Sequence[InFlight]) -> list[int]:
    return [int(held.worker.rpartition(":")[2]) for held in in_flight if ":" in held.worker]


def kill_ten_times(crew: Crew, queue: FolderQueue, rng: random.Random) -> int:
    """Kill a random worker after every few jobs, every other time one that holds a job; how many held one."""
    hits = 0
    for number in range(KILLS):
        due = number * (JOBS - WORKERS) // KILLS
        wait_until(lambda due=due: queue.status().done >= due and holders(queue.status().in_flight) != [],
                   within_s=PATIENCE_S, what=f"{due} jobs done and one in flight")
        before = [process.pid for process in crew.processes]
        wait_until(lambda number=number: crew.kill_random(rng, among=holders(queue.status().in_flight) if number % 2 else None),
                   within_s=PATIENCE_S, what=f"kill {number + 1}")
        [victim] = set(before) - {process.pid for process in crew.processes}
        hits += victim in holders(queue.status().in_flight)  # the job of a dead worker stays there for a lease
    return hits


def published(folder: Path) -> Published:
    return publish(LocalManifest(folder / "manifest"), "mine", schema=packaged_schema(), to=folder / "published")


def test_ten_killed_workers_leave_the_dataset_of_a_single_undisturbed_one(tmp_path: Path, logs: Path) -> None:
    killed = queue_of(tmp_path / "killed", logs)
    queue_of(tmp_path / "calm", logs)
    alone = start(work(tmp_path / "calm"), log=tmp_path / "calm.log")
    assert alone.wait(PATIENCE_S) == 0, (tmp_path / "calm.log").read_text()
    log = tmp_path / "killed.log"

    with Crew(work(tmp_path / "killed"), size=WORKERS, log=log) as crew:
        hits = kill_ten_times(crew, killed, random.Random(2))
        codes = crew.wait(within_s=PATIENCE_S)

    assert (crew.kills, codes) == (KILLS, [0] * WORKERS), log.read_text()[-3000:]
    assert hits >= 3 and "resumes with" in log.read_text(), f"{hits} kills hit a job in flight"
    assert (killed.status().done, killed.status().dead, killed.status().in_flight) == (JOBS, (), ())
    entries = LocalManifest(tmp_path / "killed" / "manifest").entries("mine")
    assert len({entry.labelled_dataset_split_name for entry in entries}) == len(entries) == JOBS
    assert {entry.seed_run_ids for entry in entries} == {(e.run_id,) for e in LocalManifest(
        tmp_path / "killed" / "manifest").entries("first")}
    disturbed, undisturbed = published(tmp_path / "killed"), published(tmp_path / "calm")
    assert (disturbed.name, disturbed.dialogues) == (undisturbed.name, DIALOGUES)
    assert differing_file(disturbed.path, undisturbed.path) is None
