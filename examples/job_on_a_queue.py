"""A corpus cut into jobs on a folder queue, emptied by two workers. The same with SQS: name a queue that ends in .fifo."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp())
command = [sys.executable, "-m", "nc_latent_tod"]
task = {"model": {"model_type": "none"}}
for start in range(0, 20, 5):
    job = {"data": {"eval_set_path_or_name": "packaged:simulated", "eval_set_split_name": f"train_{start}_{start + 5}",
                    "schema_path": "packaged:schema", "entities_path": "packaged:entities"},
           "dst": task, "act_tag": task, "output": {"labels_url": str(folder / "labels")},
           "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": "town"}}
    (folder / f"job_{start}.json").write_text(json.dumps(job))

queue = ["--queue", str(folder / "queue")]
subprocess.run([*command, "enqueue", str(folder), *queue], check=True)
subprocess.run([*command, "work", "--drain", "--workers", "2", *queue], check=True)
subprocess.run([*command, "status", *queue], check=True)
