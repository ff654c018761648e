"""One chaos run: an undisturbed worker first, then the same jobs with faults, then the comparison."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from aws_server import LocalAws

from chaos.proxy import FaultyProxy
from chaos.site import GROUP, Site, Work, folders, on_aws
from chaos.verdict import orphans, problems
from chaos.workers import FULL_DISK, JUMP, KILL, Workers
from nc_latent_tod.api.backends import Builder
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.corpus.packaged import packaged_schema
from nc_latent_tod.pipeline.run import run_job
from nc_latent_tod.publishing.publish import publish

_LOOK_EVERY_S = 0.1
_MAX_ATTEMPTS = "1000"  # what is tried here is no fault of a job's


@dataclass(frozen=True)
class Plan:
    """How much is to happen, spread over the run by the number of jobs that are done."""

    seed: int
    workers: int = 5
    kills: int = 20
    jumps: int = 10  # of clocks: each is set wrong, and right again
    full_disks: int = 5
    rate: float = 0.1  # of the requests
    throttling: float = 0.03  # of the requests
    lease_s: float = 5.0
    patience_s: float = 1_800.0

    def events(self) -> list[str]:
        """What happens beside the requests, in order."""
        planned = [KILL] * self.kills + [JUMP] * self.jumps + [FULL_DISK] * self.full_disks
        random.Random(self.seed).shuffle(planned)
        return planned


@dataclass
class Report:
    """What happened, and what is wrong afterwards."""

    backend: str
    seed: int
    jobs: int
    seconds: float = 0.0
    requests: int = 0
    faults: dict[str, int] = field(default_factory=dict)  # by kind
    seen: dict[str, int] = field(default_factory=dict)  # what workers met or did because of them
    orphans: int = 0
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def undisturbed(work: Work, root: Path) -> Path:
    """The dataset that one process makes, job after job, to which nothing happens."""
    site = folders(root)
    builder = Builder()
    for data in (site.first_job(work), *site.jobs(work)):
        job = parse_job(data)
        run_job(job, builder.backends(job))
    path = publish(site.open_manifest(), GROUP, schema=packaged_schema(), to=root / "datasets").path
    assert path is not None
    return path


def disturbed_folders(work: Work, plan: Plan, root: Path, calm: Path, *, disk: Path, is_small: bool) -> Report:
    """Kills, clocks and a full disk, on folders below `disk`, which is a small one of its own or not."""
    site = folders(disk)
    return _disturb("folders", site, work, plan, root, calm, os.environ, {}, disk=disk, is_small=is_small)


def disturbed_aws(work: Work, plan: Plan, root: Path, calm: Path, server: LocalAws) -> Report:
    """Kills and clocks, with a faulty network between the workers and AWS. Call it within the server's environment."""
    site = on_aws(server)
    with FaultyProxy(server.url, seed=plan.seed, rate=plan.rate, throttling=plan.throttling) as proxy:
        env = {**os.environ, "AWS_ENDPOINT_URL": proxy.url}
        report = _disturb("SQS, DynamoDB, S3", site, work, plan, root, calm, env, proxy.faults)
        report.requests = sum(proxy.requests.values())
    return report


def _disturb(backend: str, site: Site, work: Work, plan: Plan, root: Path, calm: Path, env: Mapping[str, str],
             network: Mapping[tuple[str, str], int], *, disk: Path | None = None, is_small: bool = False) -> Report:
    root.mkdir()
    site.finish_first(work)
    site.put_jobs(work)
    report, began = Report(backend, plan.seed, work.jobs), time.monotonic()
    with _workers(site, plan, root / "workers", env) as workers:
        in_hand = _happen(site, work, plan, workers, disk, is_small)
        report.seconds = round(time.monotonic() - began, 1)
        report.faults = {**workers.faults, **_by_kind(network)}
        report.seen = {"kills that hit a job in flight": in_hand, "workers that ended with an error": workers.failed,
                       "jobs resumed from a checkpoint": workers.count_in_logs("resumes with"),
                       "leases lost": workers.count_in_logs("another worker holds the job now"),
                       "attempts given back": workers.count_in_logs("failed, given back"),
                       "writes refused for the disk": workers.count_in_logs("No space left on device")
                       + workers.count_in_logs("File too large")}
    report.orphans, report.problems = len(orphans(site, work, root)), problems(site, work, root, calm)
    return report


def _happen(site: Site, work: Work, plan: Plan, workers: Workers, disk: Path | None, is_small: bool) -> int:
    """Let the events happen and wait for the end; how many kills hit a worker with a job."""
    rng, queue, hits = random.Random(plan.seed + 1), site.open_queue(), 0
    events = [event for event in plan.events() if disk or event != FULL_DISK]
    due = [number * work.jobs // len(events) for number in range(len(events))]
    deadline = time.monotonic() + plan.patience_s
    happened = 0
    while not workers.revive():
        assert time.monotonic() < deadline, f"not done after {plan.patience_s:g} s: {queue.status()}"
        time.sleep(_LOOK_EVERY_S)
        status = queue.status()
        if happened == len(events) or status.done < due[happened] or not status.in_flight:
            continue
        if events[happened] == KILL:
            victim = workers.kill(rng)
            hits += any(job.worker.endswith(f":{victim}") for job in queue.status().in_flight)
        elif events[happened] == JUMP:
            workers.set_clock(rng)
        elif disk:
            workers.fill_disk(disk, is_small=is_small)
        happened += 1
    return hits


def _workers(site: Site, plan: Plan, folder: Path, env: Mapping[str, str]) -> Workers:
    arguments = ["--queue", site.queue, "--lease", str(plan.lease_s), "--max-attempts", _MAX_ATTEMPTS]
    return Workers(arguments, size=plan.workers, folder=folder, env=env)


def _by_kind(network: Mapping[tuple[str, str], int]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for (service, kind), count in network.items():
        counted[f"{kind} ({service})"] += count
    return dict(sorted(counted.items()))
