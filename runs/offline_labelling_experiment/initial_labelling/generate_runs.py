"""Write the dependents of job_0: one job file for every further partition of a corpus.

    python generate_runs.py --dialogues 8437

A dependent is the template with the next partition as its split. It starts from the labels of the group's finished
runs, so it needs no warm-up, and job_0 must have finished.
"""

from __future__ import annotations

import argparse
import copy
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

try:
    from nc_latent_tod.config.job import parse_job
    from nc_latent_tod.errors import ConfigError
except ModuleNotFoundError as error:
    raise SystemExit(f"error: this Python has no {error.name}: run scripts/quickstart, then use .venv/bin/python") from None

HERE = Path(__file__).resolve().parent


def dependents(template: dict[str, Any], *, dialogues: int, partition_size: int = 50) -> Iterator[dict[str, Any]]:
    """Yield the jobs for the dialogues after the template's own, `partition_size` at a time; the last may be smaller.

    Raises `ConfigError` where the template's split is not named like `train_0_50`.
    """
    split = template["data"]["eval_set_split_name"]
    found = re.fullmatch(r"(.+)_(\d+)_(\d+)", split)
    if not found:
        raise ConfigError(f"The template's split is {split!r}: name it like 'train_0_50', so that others can follow.")
    corpus, first = found[1], int(found[3])
    if dialogues <= first:
        raise ConfigError(f"The template's split {split!r} covers {dialogues} dialogues: there is nothing to add.")
    for start in range(first, dialogues, partition_size):
        yield dependent(template, f"{corpus}_{start}_{min(start + partition_size, dialogues)}")


def dependent(template: dict[str, Any], split: str) -> dict[str, Any]:
    """Return the job that labels `split` with what the group has labelled so far."""
    job = copy.deepcopy(template)
    job.pop("run_id", None)  # a dependent is named after its split
    job["data"]["eval_set_split_name"] = split
    job["data_warmup"] = 0
    for task in ("dst", "act_tag"):
        job.setdefault(task, {}).setdefault("retriever", {})["example_warmup"] = 0
    job["manifest"].update(seed_retrievers_from_manifest=True, manifest_must_exist=True, group_id_must_exist=True)
    return job


def write(jobs: list[dict[str, Any]], folder: Path) -> None:
    """Write one file a job, named after its split.

    Raises `ConfigError` where files of another generation are in the folder: they would be enqueued too.
    """
    named = {f"{job['data']['eval_set_split_name']}.json": job for job in jobs}
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(path.name for path in folder.glob("*.json") if path.name not in named)
    if others:
        raise ConfigError(f"{folder} holds {others[0]!r} and perhaps more that would be enqueued with the new jobs: "
                          "remove them, or choose another --out.")
    for name, job in named.items():
        (folder / name).write_text(json.dumps(job, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dialogues", type=at_least_one, required=True, help="dialogues in the whole corpus")
    parser.add_argument("--partition-size", type=at_least_one, default=50, help="dialogues a job (default: 50)")
    parser.add_argument("--template", type=Path, default=HERE / "job_0.json", help="default: job_0.json")
    parser.add_argument("--out", type=Path, default=HERE / "dependents", help="folder (default: dependents)")
    parser.add_argument("--manifest", choices=("local", "dynamo"), help="another manifest than the template's")
    parser.add_argument("--manifest-path", help="the manifest's folder (local) or table (dynamo)")
    given = parser.parse_args(argv)
    if given.manifest and not given.manifest_path:
        parser.error("--manifest needs --manifest-path: a folder for 'local', a table for 'dynamo'")
    return given


def main(argv: list[str] | None = None) -> int:
    given = arguments(argv)
    try:
        text = given.template.read_bytes()
        parse_job(text, str(given.template))
        template = json.loads(text)
        manifest = dict(template["manifest"])
        manifest.update({"type": given.manifest or manifest["type"],
                         "manifest_path": given.manifest_path or manifest["manifest_path"]})
        moved = manifest != template["manifest"]
        jobs = list(dependents({**template, "manifest": manifest}, dialogues=given.dialogues,
                               partition_size=given.partition_size))
        write(jobs, given.out)
    except (ConfigError, OSError) as error:
        print(f"generate_runs.py: {error}", file=sys.stderr)
        return 2
    print(f"Wrote {len(jobs)} job files to {given.out}")
    if moved:
        print(f"They use the {manifest['type']} manifest {manifest['manifest_path']!r}: "
              f"{given.template} must name the same.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
