"""A worker process for tests: `trivial_worker.py BEHAVIOUR QUEUE MANIFEST LEASE_S SECONDS`.

BEHAVIOUR says what a job of so many SECONDS does: `work` adds a manifest entry; `alone` also fails for good if another
process runs the same job; `patient` stops when it is asked to; `deaf` never does.
"""

import logging
import sys
import time
from pathlib import Path
from typing import Any

from nc_latent_tod.errors import InterruptedJobError, PermanentError
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.worker.worker import JobControl, Worker

behaviour, queue_path, manifest_path, lease_s, seconds = sys.argv[1:]
manifest = LocalManifest(manifest_path)


def run(job: dict[str, Any], control: JobControl) -> None:
    control.report(f"{behaviour} {job['run_id']}")
    held = Path(manifest_path).with_name(f"held-{job['run_id']}")
    if behaviour == "alone":
        try:
            held.touch(exist_ok=False)
        except FileExistsError:
            raise PermanentError(f"{job['run_id']} is held twice") from None
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until or behaviour == "deaf":
        if behaviour == "patient" and control.should_stop():
            raise InterruptedJobError("asked to stop")
        time.sleep(0.005)
    if behaviour == "alone":
        held.unlink()
    control.check_lease()
    manifest.add(ManifestEntry("group", job["run_id"], 1, "labels", "train"))


logging.basicConfig(level=logging.INFO)
queue = FolderQueue(queue_path, lease_s=float(lease_s), max_attempts=11)
print(Worker(queue, run, lease_s=float(lease_s), poll_s=0.05, drain=True).work())
