"""A small chaos run on each backend, as scripts/chaos makes large ones; and the faults themselves, which must be real."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aws_server import LocalAws
from chaos.proxy import FAULTS, FaultyProxy
from chaos.workers import JUMPING_CLOCK

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 1_800.0  # a bound for hopeless cases: the machine may be slow


@pytest.fixture(scope="module")
def reports() -> list[dict[str, Any]]:
    """The reports of a run of scripts/chaos on both backends, but for the environment that the script makes."""
    path = os.pathsep.join(filter(None, [str(ROOT / "tests"), os.environ.get("PYTHONPATH")]))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "--json", "--workers", "3", "--jobs", "6", "--dialogues", "2", "--kills", "2",
         "--jumps", "1", "--full-disks", "1", "--lease", "6"],
        capture_output=True, text=True, timeout=PATIENCE_S, env={**environment, "PYTHONPATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_kills_clocks_and_a_full_disk_change_nothing_on_folders(reports: list[dict[str, Any]]) -> None:
    report = reports[0]

    assert (report["backend"], report["problems"]) == ("folders", [])
    assert report["faults"] == {"SIGKILL of a worker": 2, "clock of a worker set": 2, "disk full": 1}
    assert report["seen"]["writes refused for the disk"] > 0


def test_a_faulty_network_before_aws_changes_nothing(reports: list[dict[str, Any]]) -> None:
    report = reports[1]

    assert (report["backend"], report["problems"]) == ("SQS, DynamoDB, S3", [])
    kinds = Counter({kind.partition(" (")[0]: count for kind, count in report["faults"].items()})
    assert kinds["SIGKILL of a worker"] == 2 and len(kinds.keys() & {*FAULTS, "throttled"}) >= 3, kinds


def test_the_same_seed_gives_requests_the_same_faults(aws: LocalAws) -> None:
    def met(seed: int) -> list[str]:
        proxy = FaultyProxy(aws.url, seed=seed)
        return [proxy._draw("s3", {})[0] for _ in range(500)]  # type: ignore[arg-type]

    faults = met(1)

    assert faults == met(1) != met(2)
    assert 30 < sum(fault in FAULTS for fault in faults) < 70 and {*FAULTS, "throttled", ""} == set(faults)


def test_a_proxy_without_faults_is_as_good_as_the_server(aws: LocalAws) -> None:
    with FaultyProxy(aws.url, seed=1, rate=0.0, throttling=0.0) as proxy:
        through, direct = (urllib.request.urlopen(f"{url}/moto-api/", timeout=60).read() for url in (proxy.url, aws.url))
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{proxy.url}/moto-api/absent", timeout=60)

    assert through == direct and proxy.faults == {}


def test_a_clock_that_is_set_jumps_and_the_monotonic_one_does_not(tmp_path: Path) -> None:
    clock, program = tmp_path / "clock", """
import datetime, sys, time
before = (time.time(), time.time_ns() / 1e9, datetime.datetime.now(datetime.UTC).timestamp(), time.monotonic())
open(sys.argv[1], "w").write("-10800")
after = (time.time(), time.time_ns() / 1e9, datetime.datetime.now(datetime.UTC).timestamp(), time.monotonic())
print([round((b - a) / 3600) for a, b in zip(before, after)])
"""
    environment = {**os.environ, "PYTHONPATH": str(JUMPING_CLOCK), "CHAOS_CLOCK_FILE": str(clock)}

    told = subprocess.run([sys.executable, "-c", program, clock], env=environment, capture_output=True, text=True)

    assert told.stdout == "[-3, -3, -3, 0]\n", told.stderr
