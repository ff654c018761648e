"""The promise of the queue and the manifest, with real workers that are killed: no job is lost, and none counts twice."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from processes import TESTS, Crew, start, wait_until
from toy_schema import SCHEMA

from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema, packaged_wording
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.publishing.folder import differing_file
from nc_latent_tod.publishing.publish import publish
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.queues.status import InFlight
from nc_latent_tod.simulation import simulate

JOBS, KILLS, WORKERS = 18, 6, 3
DIALOGUES, CONVERSATIONS_A_DIALOGUE = 36, 5  # long ones, so that a job takes long enough to be killed within it
LEASE_S = 2.0  # --max-attempts is high, for on a busy machine leases of this length are lost without a kill too
PATIENCE_S = 1_800.0  # a bound for hopeless cases: the machine may be slow
COMMAND_LINE = ("-m", "nc_latent_tod", "work", "--drain", "--max-attempts", "100")
TOY_WORKER = (str(TESTS / "toy_worker.py"),)


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


class Site:
    """A queue, a manifest and label files of their own, and the worker program that runs there."""

    def __init__(self, folder: Path, logs: Path, program: Sequence[str]) -> None:
        folder.mkdir()
        self.folder, self._logs = folder, logs
        self.queue, self.manifest = FolderQueue(folder / "queue"), LocalManifest(folder / "manifest")
        self.argv, self.log = [*program, "--queue", folder / "queue", "--lease", str(LEASE_S)], folder / "log"

    def put(self, split: str, **manifest: object) -> None:
        task = {"model": {"model_type": "scripted"}, "retriever": {"type": "none"}}
        assert self.queue.put({
            "data": {"eval_set_path_or_name": str(self._logs), "eval_set_split_name": split, "schema_path": "packaged:schema"},
            "output": {"labels_url": str(self.folder / "outputs")}, "dst": task, "act_tag": task, "data_warmup": 0,
            "manifest": {"type": "local", "manifest_path": str(self.folder / "manifest"), **manifest}})

    def work_undisturbed(self) -> None:
        assert start(self.argv, log=self.log).wait(PATIENCE_S) == 0, self.log.read_text()

    def put_dependents(self) -> None:
        """Jobs whose examples are those of the one finished run of another group."""
        self.put("train_0_1", group_id="first")
        self.work_undisturbed()
        for at in range(0, DIALOGUES, DIALOGUES // JOBS):
            self.put(f"train_{at}_{at + DIALOGUES // JOBS}", group_id="mine", seed_retrievers_from_manifest=True,
                     seed_group_id="first")


def holders(in_flight: Sequence[InFlight]) -> list[int]:
    return [int(held.worker.rpartition(":")[2]) for held in in_flight if ":" in held.worker]


def kill_often(crew: Crew, queue: FolderQueue, rng: random.Random) -> int:
    """Kill a random worker after every few jobs, every other time one that holds a job; how many held one."""
    hits = 0
    for number in range(KILLS):
        due = 1 + number * (JOBS - WORKERS) // KILLS
        wait_until(lambda due=due: queue.status().done >= due and holders(queue.status().in_flight) != [],
                   within_s=PATIENCE_S, what=f"{due} jobs done and one in flight")
        before = {process.pid for process in crew.processes}
        wait_until(lambda number=number: crew.kill_random(rng, among=holders(queue.status().in_flight) if number % 2 else None),
                   within_s=PATIENCE_S, what=f"kill {number + 1}")
        [victim] = before - {process.pid for process in crew.processes}
        hits += victim in holders(queue.status().in_flight)  # the job of a dead worker stays there for a lease
    return hits


def test_a_killed_worker_loses_the_batch_in_hand_and_nothing_else(tmp_path, logs) -> None:
    site = Site(tmp_path / "site", logs, COMMAND_LINE)
    site.put("train_0_50", group_id="mine")
    checkpoint = site.folder / "outputs" / "checkpoints"
    with Crew(site.argv, size=1, log=site.log) as crew:
        wait_until(lambda: len(list(checkpoint.rglob("part-*.jsonl"))) >= 12, within_s=PATIENCE_S, what="12 batches")
        crew.processes[0].kill()
        crew.processes[0].wait()
        stored = [len(part.read_bytes().splitlines()) for part in checkpoint.rglob("part-*.jsonl")]
    site.work_undisturbed()

    [entry] = site.manifest.entries("mine")
    assert max(stored) <= 16 and sum(stored) < entry.num_logs, "it was killed after the end"
    assert f"resumes with {sum(stored)} turns" in site.log.read_text(), "every batch but the one in hand is kept"
    print(f"killed after {sum(stored)} of {entry.num_logs} turns: at most {max(stored)} were lost")


@pytest.mark.parametrize(("program", "schema"), [(COMMAND_LINE, packaged_schema()), (TOY_WORKER, SCHEMA)],
                         ids=["the command line", "answers that vary, a pool that grows"])
def test_killed_workers_leave_the_dataset_of_a_single_undisturbed_one(tmp_path, logs, program, schema) -> None:
    calm, killed = (Site(tmp_path / name, logs, program) for name in ("calm", "killed"))
    for site in (calm, killed):
        site.put_dependents()
    calm.work_undisturbed()

    with Crew(killed.argv, size=WORKERS, log=killed.log) as crew:
        hits = kill_often(crew, killed.queue, random.Random(2))
        codes = crew.wait(within_s=PATIENCE_S)

    assert (crew.kills, codes) == (KILLS, [0] * WORKERS), killed.log.read_text()[-3000:]
    assert hits >= 3 and "resumes with" in killed.log.read_text(), f"{hits} kills hit a job in flight"
    status = killed.queue.status()
    assert (status.ready, status.in_flight, status.done, status.dead) == (0, (), 1 + JOBS, ())
    [first], entries = killed.manifest.entries("first"), killed.manifest.entries("mine")
    assert len({entry.labelled_dataset_split_name for entry in entries}) == len(entries) == JOBS
    assert {entry.seed_run_ids for entry in entries} == {(first.run_id,)}
    disturbed, undisturbed = (publish(site.manifest, "mine", schema=schema, to=site.folder / "data") for site in (killed, calm))
    assert (disturbed.name, disturbed.dialogues) == (undisturbed.name, DIALOGUES)
    assert differing_file(disturbed.path, undisturbed.path) is None
    print(f"{hits} of {KILLS} kills hit a job in flight")
