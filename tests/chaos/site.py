"""Where the jobs of a chaos run are: a queue, a manifest and a place of labels, in folders or on AWS."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from aws_server import LocalAws

from nc_latent_tod.api.backends import Builder
from nc_latent_tod.api.connect import manifest_section, open_manifest, open_queue
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema, packaged_wording
from nc_latent_tod.manifests import Manifest
from nc_latent_tod.pipeline.run import run_job
from nc_latent_tod.queues import Queue
from nc_latent_tod.simulation import simulate

FIRST, GROUP = "first", "mine"
"""The finished group whose labels are the examples of all jobs, and the group of these jobs."""

_CONVERSATIONS_A_DIALOGUE = 3  # long dialogues, so that a job takes long enough to be killed within it


@dataclass(frozen=True)
class Work:
    """What is labelled: `jobs` jobs of `dialogues` dialogues each, after one of the first dialogue that seeds them."""

    logs: Path
    jobs: int
    dialogues: int
    encoder: str  # of the retriever; "none" shows no examples

    def write_logs(self) -> None:
        """Simulate the dialogues."""
        told = list(simulate(packaged_schema(), packaged_entities(), packaged_wording(), seed=5, templates="heldout",
                             n=self.jobs * self.dialogues * _CONVERSATIONS_A_DIALOGUE))
        with self.logs.open("w", encoding="utf-8") as file:
            for number in range(self.jobs * self.dialogues):
                said = [{"speaker": speaker, "utterance": text}
                        for one in told[number::self.jobs * self.dialogues] for turn in one.dialogue.turns
                        for speaker, text in (("user", turn.user_utterance), ("system", turn.system_response)) if text]
                file.write(json.dumps({"dialogue_id": f"d{number:04}", "turns": said}) + "\n")

    def splits(self) -> list[str]:
        """One for each job."""
        return [f"train_{at}_{at + self.dialogues}" for at in range(0, self.jobs * self.dialogues, self.dialogues)]

    def task(self) -> dict[str, Any]:
        """The section of either task."""
        examples = {"type": "none"} if self.encoder == "none" else {
            "type": "sentence_transformer", "model_name_or_path": self.encoder, "k_examples": 2, "minimum_distinct": 1,
            "example_warmup": 1}
        return {"model": {"model_type": "scripted", "batch_size": 4}, "retriever": examples}


@dataclass(frozen=True)
class Site:
    """The names of the three places, as commands and job files take them."""

    queue: str
    manifest: str  # a folder, or dynamo:TABLE
    labels_url: str

    def job(self, work: Work, split: str, group_id: str, **manifest: Any) -> dict[str, Any]:
        """A job file as decoded JSON."""
        where = manifest_section(self.manifest, group_id)
        return {"data": {"eval_set_path_or_name": str(work.logs), "eval_set_split_name": split,
                         "schema_path": "packaged:schema"},
                "output": {"labels_url": self.labels_url}, "dst": work.task(), "act_tag": work.task(), "data_warmup": 0,
                "manifest": {"type": where.type, "manifest_path": where.manifest_path, "group_id": group_id, **manifest}}

    def first_job(self, work: Work) -> dict[str, Any]:
        """The job whose labels seed the others."""
        return self.job(work, f"train_0_{work.dialogues}", FIRST)

    def jobs(self, work: Work) -> list[dict[str, Any]]:
        """The jobs, whose examples are the labels of the first one and their own."""
        return [self.job(work, split, GROUP, seed_retrievers_from_manifest=True, seed_group_id=FIRST)
                for split in work.splits()]

    def finish_first(self, work: Work) -> None:
        """Label what seeds the others."""
        job = parse_job(self.first_job(work))
        run_job(job, Builder().backends(job))

    def put_jobs(self, work: Work) -> None:
        """Enqueue the others."""
        queue = self.open_queue()
        for job in self.jobs(work):
            assert queue.put(job)

    def open_queue(self) -> Queue:
        return open_queue(self.queue)

    def open_manifest(self) -> Manifest:
        return open_manifest(manifest_section(self.manifest, GROUP))


def folders(root: Path) -> Site:
    """A site below `root`."""
    return Site(str(root / "queue"), str(root / "manifest"), str(root / "labels"))


def on_aws(server: LocalAws) -> Site:
    """A site of its own on the server. Call it within the server's environment."""
    table, bucket = server.table("chaos"), f"chaos-{uuid4().hex[:8]}"
    server.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return Site(server.queue(table=table), f"dynamo:{table}", f"s3://{bucket}/labels")
