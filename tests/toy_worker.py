"""A worker process for tests: `toy_worker.py --queue FOLDER --lease SECONDS`, until the queue is drained.

It runs real jobs with the toy labeller: a model whose answers vary with prompt and seed, and a pool of examples that grows.
"""

import logging
import sys
from typing import Any

from toy_labelling import labeller

from nc_latent_tod.config.job import parse_job
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline.run import Backends, Control, run_job
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.worker.worker import JobControl, Worker

_, _, queue_path, _, lease_s = sys.argv


def run(data: dict[str, Any], control: JobControl) -> None:
    job = parse_job(data)
    backends = Backends(
        manifest=LocalManifest(job.manifest.manifest_path),
        dialogues=lambda: load_dialogues(job.data.eval_set_path_or_name, job.data.eval_set_split_name),
        labeller=lambda: labeller(run_id=job.run, seed=job.seed, provenance={"model": "toy", "code": "1"}),
        labels=lambda entry: read_examples(entry.labels_url, entry.sha256))
    run_job(job, backends, Control(should_stop=control.should_stop, check_lease=control.check_lease))


logging.basicConfig(level=logging.INFO)
queue = FolderQueue(queue_path, lease_s=float(lease_s), max_attempts=100)
print(Worker(queue, run, lease_s=float(lease_s), poll_s=0.1, drain=True).work())
