"""Label jobs while everything goes wrong, and compare with a run where nothing does.

    scripts/chaos                         60 jobs, 5 workers, on folders and on SQS + DynamoDB + S3 (moto on loopback)
    scripts/chaos --backend aws --seed 7  one of the two, with other faults
    scripts/chaos --encoder packaged:minilm   examples from the pool in the prompts; workers then take seconds to start

Exit code 0 where every job is in the manifest once, `gc --dry-run` names every orphan, and the published dataset has the bytes
of the undisturbed run's; 1 where not. The seed fixes which request gets which fault and what happens in which order, not what
the processes are doing at that moment.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from aws_server import LocalAws

from chaos.run import Plan, Report, disturbed_aws, disturbed_folders, undisturbed
from chaos.site import Work

_SMALL_DISK = "CHAOS_SMALL_DISK"
_OWN_MOUNTS = ["unshare", "--map-root-user", "--mount"]


def main() -> int:
    options = _options()
    _in_own_mounts(options.disk_kib)
    root = Path(options.out or tempfile.mkdtemp(prefix="chaos-"))
    root.mkdir(parents=True, exist_ok=True)
    work = Work(root / "logs.jsonl", options.jobs, options.dialogues, options.encoder)
    plan = Plan(options.seed, workers=options.workers, kills=options.kills, jumps=options.jumps, full_disks=options.full_disks,
                lease_s=options.lease)
    work.write_logs()
    calm = undisturbed(work, root / "calm")
    reports = []
    if options.backend != "aws":
        disk = _disk(root / "disk", options.disk_kib)
        reports.append(disturbed_folders(work, plan, root / "folders", calm, disk=disk, is_small=_SMALL_DISK in os.environ))
    if options.backend != "folders":
        with LocalAws() as server:
            os.environ.update(server.environment)
            reports.append(disturbed_aws(work, plan, root / "aws", calm, server))
    print(json.dumps([report.to_json() for report in reports]) if options.json else "\n\n".join(map(_table, reports)))
    if not options.out:
        shutil.rmtree(root, ignore_errors=True)
    return int(any(report.problems for report in reports))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/chaos", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backend", choices=("both", "folders", "aws"), default="both")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=60)
    parser.add_argument("--dialogues", type=int, default=3, help="a job")
    parser.add_argument("--encoder", default="none", help="finds examples: packaged:minilm, or none")
    parser.add_argument("--workers", type=int, default=Plan.workers)
    parser.add_argument("--kills", type=int, default=Plan.kills)
    parser.add_argument("--jumps", type=int, default=Plan.jumps, help="times that a clock is set wrong, and right again")
    parser.add_argument("--full-disks", type=int, default=Plan.full_disks, help="times that the disk runs full (folders)")
    parser.add_argument("--lease", type=float, default=Plan.lease_s, help="seconds")
    parser.add_argument("--disk-kib", type=int, default=65_536, help="size of the small disk")
    parser.add_argument("--out", help="a folder to keep everything in")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _in_own_mounts(disk_kib: int) -> None:
    """Start this program again where it may mount a small disk, if the machine lets it."""
    if _SMALL_DISK in os.environ:
        return
    trial = [*_OWN_MOUNTS, "mount", "-t", "tmpfs", "-o", f"size={disk_kib}k", "tmpfs", tempfile.gettempdir()]
    try:
        can = subprocess.run(trial, capture_output=True).returncode == 0
    except FileNotFoundError:
        can = False
    if can:
        os.environ[_SMALL_DISK] = "1"
        os.execvp("unshare", [*_OWN_MOUNTS, sys.executable, "-m", "chaos", *sys.argv[1:]])
    print("No small disk can be mounted here: workers lose the right to write instead.", file=sys.stderr)


def _disk(folder: Path, kib: int) -> Path:
    folder.mkdir()
    if _SMALL_DISK in os.environ:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder], check=True)
    return folder


def _table(report: Report) -> str:
    head = f"{report.backend}: {report.jobs} jobs, {report.seconds:g} s, seed {report.seed}"
    requests = {"requests through the proxy": report.requests} if report.requests else {}
    rows = {**report.faults, "faults in all": sum(report.faults.values()), **requests, **report.seen,
            "orphans, all named by gc" if not report.problems else "orphans": report.orphans}
    lines = [f"| {name} | {count:,} |" for name, count in rows.items()]
    verdict = "\n".join(f"WRONG: {problem}" for problem in report.problems) or (
        "Every job is in the manifest once, gc names every orphan, and the dataset has the bytes of the undisturbed run's.")
    return "\n".join([head, "", "| what | times |", "|---|---|", *lines, "", verdict])


if __name__ == "__main__":
    sys.exit(main())
