"""The main job on the embedded default: packaged dialogues, schema, encoder and tiny model; folders as queue and manifest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from nc_latent_tod.api.backends import Builder, schema_of
from nc_latent_tod.api.connect import open_manifest
from nc_latent_tod.api.groups import labels_of
from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.errors import ConfigError, InterruptedJobError, RetryableError
from nc_latent_tod.evaluation.labels.scores import Scores, pair, score
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.pipeline.run import Control, run_job
from nc_latent_tod.publish.publish import publish
from nc_latent_tod.queues.folder.queue import FolderQueue

CORPUS, GOLD = "packaged:simulated", "packaged:simulated_gold"
GROUP = "quickstart"
_WRITTEN = ("manifest", "queue", "outputs", "datasets", "jobs")  # below the folder; the jobs mark it as ours, and go last
PARTITIONS = ("train_0_10", "train_10_20", "train_20_30", "train_30_40")


@dataclass(frozen=True)
class Quickstart:
    """What a run leaves: `summary` is what summary.json holds, `scores` the whole evaluation."""

    folder: Path
    summary: Mapping[str, Any]
    scores: Scores
    reused: tuple[str, ...]  # run ids that were in the manifest already


def quickstart(folder: Path, start_workers: Callable[[Path], int], *, control: Control | None = None, fresh: bool = False,
               say: Callable[[str], None] = lambda line: None) -> Quickstart:
    """Label the packaged dialogues below `folder`, publish and score them.

    The first job runs here; `start_workers(queue_path)` runs the other three until the queue is drained and returns an exit
    code. Whatever an earlier run finished is reused. Raises `RetryableError` where a worker failed, `InterruptedJobError` where
    `control` asked to stop.
    """
    jobs = write_jobs(folder, fresh=fresh)
    first = jobs[PARTITIONS[0]]
    manifest = open_manifest(first.manifest.model_copy(update={"manifest_must_exist": False}))
    finished = {entry.run_id for entry in manifest.entries(GROUP) if not entry.label_source}
    if foreign := finished.difference(job.run for job in jobs.values()):
        raise ConfigError(f"{folder} holds runs of other jobs than this version's ({min(foreign)}). Start over with --fresh, "
                          "or give another folder with --out.")
    reused = tuple(job.run for job in jobs.values() if job.run in finished)
    if reused:
        say(f"{len(reused)} of {len(jobs)} runs are finished already and are reused (--fresh starts over).")
    if first.run not in finished:
        say(f"job_0 labels {PARTITIONS[0]}: no examples at first, then its own labels as examples")
    run_job(first, Builder().backends(first), control)
    waiting = [job for job in jobs.values() if job is not first and job.run not in finished]
    code = _run_queued(waiting, folder / "queue", start_workers, say)
    if control and control.should_stop():
        raise InterruptedJobError("The workers were stopped.")
    if code:
        raise RetryableError(f"A worker ended with code {code}; see: nc-latent-tod status --queue {folder / 'queue'}. "
                             "The same command goes on where it stopped.")
    entries = manifest.entries(GROUP)
    if unfinished := sorted({job.run for job in jobs.values()}.difference(entry.run_id for entry in entries)):
        raise RetryableError(f"{len(unfinished)} runs are not finished ({', '.join(unfinished)}): the workers were stopped, or "
                             f"failed; see: nc-latent-tod status --queue {folder / 'queue'}. "
                             "The same command goes on where it stopped.")
    published = publish(manifest, GROUP, to=folder / "datasets", schema=schema_of(first), license="mit")
    examples = labels_of(entries)
    scores = score(pair(examples, load_gold(GOLD)))
    summary = _summary(entries, scores, str(published.path))
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    return Quickstart(folder, summary, scores, reused)


def _run_queued(waiting: Sequence[Job], path: Path, start_workers: Callable[[Path], int], say: Callable[[str], None]) -> int:
    if not waiting:
        return 0
    enqueue(waiting, path)
    say(f"{len(waiting)} jobs in the folder queue, two workers")
    return start_workers(path)


def enqueue(jobs: Sequence[Job], path: Path) -> None:
    """Put jobs into the folder queue at `path`, dead letters of an earlier attempt too: their cause may be gone."""
    queue = FolderQueue(path)
    for job in jobs:
        queue.put(job.model_dump(mode="json", exclude_defaults=True))
    if dead := [letter.name for letter in queue.status().dead]:
        queue.redrive(dead)


def write_jobs(folder: Path, *, fresh: bool = False) -> dict[str, Job]:
    """Write the four job files below `folder`/jobs and return the jobs by split.

    Raises `ConfigError` where `folder` holds something else.
    """
    prepare_folder(folder, "jobs/job_0.json", fresh=fresh)
    template = packaged_job()
    jobs = {}
    for i, split in enumerate(PARTITIONS):
        data = {**template, "data": {**template["data"], "eval_set_split_name": split},
                "output": {"labels_url": str(folder / "outputs")},
                "manifest": {**template["manifest"], "manifest_path": str(folder / "manifest")}}
        if i:
            data = _dependent(data)
        path = folder / "jobs" / ("job_0.json" if i == 0 else f"dependents/{split}.json")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(data, indent=2) + "\n")
        jobs[split] = parse_job(data, str(path))
    return jobs


def prepare_folder(folder: Path, mark: str, *, fresh: bool) -> None:
    """Take `folder` for a run; with `fresh`, what earlier ones wrote is deleted.

    Raises `ConfigError` where it is a file, or holds files and none that `mark`, a pattern, stands for.
    """
    if folder.is_file():
        raise ConfigError(f"{folder} is a file. Give a folder with --out.")
    if folder.exists() and any(folder.iterdir()) and not any(folder.glob(mark)):
        raise ConfigError(f"{folder} holds files that no quickstart has written. Give another folder with --out.")
    for name in _WRITTEN if fresh else ():  # never the folder itself: it may hold what is not ours
        shutil.rmtree(folder / name, ignore_errors=True)


def packaged_job() -> dict[str, Any]:
    """The quickstart's first job as decoded JSON."""
    job: dict[str, Any] = json.loads((resources.files("nc_latent_tod") / "data" / "quickstart_job.json").read_text("utf-8"))
    return job


def _dependent(data: Mapping[str, Any]) -> dict[str, Any]:
    """A job that starts from the labels of the first: no warm-up, examples from the manifest."""
    tasks = {name: {**data[name], "retriever": {**data[name]["retriever"], "example_warmup": 0}} for name in ("dst", "act_tag")}
    manifest = {**data["manifest"], "seed_retrievers_from_manifest": True, "manifest_must_exist": True,
                "group_id_must_exist": True}
    return {**data, **tasks, "data_warmup": 0, "manifest": manifest}


def _summary(entries: Sequence[ManifestEntry], scores: Scores, dataset: str) -> dict[str, Any]:
    turns, seconds = sum(e.num_logs for e in entries), sum(e.seconds for e in entries)
    metrics = {name: round(scores.overall[name].value or 0.0, 4)
               for name in ("joint_goal_accuracy", "turn_accuracy", "slot_f1", "act_f1", "act_slot_value_f1")}
    return {
        "dialogues": sum(e.num_dialogues for e in entries), "turns": turns, "failures": sum(e.num_failures for e in entries),
        **metrics, "turns_per_second": round(turns / seconds, 2) if seconds else None,  # of a worker with its models loaded
        "tokens_per_turn": round(sum(e.tokens for e in entries) / turns, 1), "dataset": dataset}
