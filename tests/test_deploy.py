"""What lies in deploy/ fits the command line that is shipped, and a worker started so stops in time."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from processes import wait_until
from test_cli import call, folder, write_job, write_logs  # noqa: F401

from nc_latent_tod.queues.folder.queue import FolderQueue

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE, UNIT, SLURM = (DEPLOY / name for name in ("Dockerfile", "nc-latent-tod@.service", "slurm.sh"))
GRACE_S = 30  # between SIGTERM and SIGKILL, of spot nodes


def documents() -> list[dict]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text()))


def pod() -> dict:
    [job] = [document for document in documents() if document["kind"] == "Job"]
    return job["spec"]["template"]["spec"]


def line(path: Path, start: str) -> str:
    [found] = [text[len(start):].strip() for text in path.read_text().splitlines() if text.startswith(start)]
    return found


def commands() -> dict[str, list[str]]:
    """What each file runs, after the name of the program."""
    return {"docker": [*json.loads(line(DOCKERFILE, "ENTRYPOINT"))[1:], *json.loads(line(DOCKERFILE, "CMD"))],
            "kubernetes": pod()["containers"][0]["args"],
            "systemd": shlex.split(line(UNIT, "ExecStart="))[1:],
            "slurm": shlex.split(line(SLURM, "exec"))[1:]}


def test_every_command_of_the_page_is_one_of_the_command_line() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text()
    lines = [shlex.split(text, comments=True) for text in re.findall(r"^nc-latent-tod .*", page, flags=re.MULTILINE)]

    assert len(lines) >= 5
    assert [words for words in lines if call(*words[1:], "--help").exit_code] == []


@pytest.mark.parametrize("where", sorted(commands()))
def test_every_command_is_one_of_the_command_line(where: str) -> None:
    parsed = call(*commands()[where], "--help")  # options are checked before the help is shown

    assert parsed.exit_code == 0, parsed.output
    assert "Run the jobs of the queue" in parsed.stdout
    assert call(*commands()[where], "--no-such-option", "--help").exit_code == 2


def test_every_variable_is_one_that_the_code_reads() -> None:
    code = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    named = {name for path in DEPLOY.iterdir() for name in re.findall(r"\bNC_LATENT_TOD_[A-Z_]+", path.read_text())}

    assert "NC_LATENT_TOD_QUEUE_PATH" in named
    assert {name for name in named if name not in code} == {"NC_LATENT_TOD_BIN"}  # the Slurm script's own


def test_the_image_gets_the_files_that_it_is_made_of() -> None:
    copied = [name for text in DOCKERFILE.read_text().splitlines() if text.startswith("COPY") for name in text.split()[1:-1]]
    let_in = {text[1:] for text in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if text.startswith("!")}

    assert "src" in copied and let_in == set(copied)
    assert all((ROOT / name).exists() for name in copied)


def test_kubernetes_gives_as_long_as_spot_nodes_and_no_secret_is_in_the_file() -> None:
    [container] = pod()["containers"]

    assert pod()["terminationGracePeriodSeconds"] <= GRACE_S
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys() and "env" not in container
    assert {next(iter(source)) for source in container["envFrom"]} == {"configMapRef", "secretRef"}
    assert {document["kind"] for document in documents()} == {"ConfigMap", "Job"}


def test_the_unit_and_the_script_are_well_formed() -> None:
    subprocess.run(["bash", "-n", SLURM], check=True)
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze here")
    checked = subprocess.run(["systemd-analyze", "verify", UNIT], capture_output=True, text=True, timeout=60)
    problems = [text for text in checked.stderr.splitlines() if "is not executable" not in text]  # it is not installed here
    assert problems == [], checked.stderr


def test_a_worker_that_gets_sigterm_gives_its_job_back_within_the_grace_period(folder: Path) -> None:  # noqa: F811
    write_logs(folder / "logs.jsonl", 400)
    none = {"model": {"model_type": "none"}, "retriever": {"type": "none"}}
    call("enqueue", write_job(folder / "job.json", "logs", dst=none, act_tag=none))
    (folder / "nc-latent-tod").write_text(f'#!/bin/sh\nexec {sys.executable} -m nc_latent_tod "$@"\n')
    (folder / "nc-latent-tod").chmod(0o755)
    queue = FolderQueue("queue")

    with open("log", "w") as log:
        worker = subprocess.Popen(["bash", SLURM], stdout=log, stderr=log,
                                  env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "NC_LATENT_TOD_QUEUE_PATH": "queue",
                                       "NC_LATENT_TOD_BIN": "./nc-latent-tod", "OMP_NUM_THREADS": "1"})
    try:
        wait_until(lambda: any(job.progress for job in queue.status().in_flight), within_s=100, what="the first batch")
        began = time.monotonic()
        worker.send_signal(signal.SIGTERM)  # as the scheduler does: to the shell's process alone
        assert worker.wait(GRACE_S) == 143, Path("log").read_text()  # 0 would tell Kubernetes that the queue is drained
    finally:
        worker.kill()

    assert time.monotonic() - began < GRACE_S
    assert (queue.status().ready, queue.status().in_flight, queue.status().done) == (1, (), 0)
