"""The same job files on folders and on AWS: only the manifest and the name of the queue differ."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from aws_server import LocalAws
from test_cli import call, command_line, write_job, write_logs

from nc_latent_tod.api.connect import open_queue
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.queues.folder.queue import FolderQueue

NO_AWS = """
import sys
for name in ("boto3", "botocore", "s3transfer"):
    sys.modules[name] = None  # an import of it raises ImportError
from nc_latent_tod.cli import main
main()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_logs(tmp_path / "logs.jsonl", 6)
    return tmp_path


@pytest.fixture
def shared(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a job file says of AWS; the variable names the queue."""
    table, bucket = aws.table(), f"bucket-{uuid.uuid4().hex[:8]}"
    aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    monkeypatch.setenv("NC_LATENT_TOD_QUEUE_PATH", aws.queue(table=table))
    return {"manifest": {"type": "dynamo", "manifest_path": table, "group_id": "mine"},
            "output": {"labels_url": f"s3://{bucket}/mine"}}


def write_jobs(folder: Path, **sections: Any) -> None:
    for split in ("train_0_2", "train_2_4", "train_4_6"):
        write_job(folder / "jobs" / f"{split}.json", split, **sections)


def dataset(manifest: str, folder: str) -> dict[str, bytes]:
    """The files of the published dataset but its card, which tells when the runs ended."""
    published = call("publish", "--group-id", "mine", "--manifest", manifest, "--to", folder)
    assert published.exit_code == 0, published.stderr
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.name != "README.md")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_corpus_is_labelled_on_aws_as_on_folders(folder: Path, shared: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jobs(folder, **shared)
    assert "3 enqueued, 0 already there" in call("enqueue", "jobs").stdout
    assert "0 enqueued, 3 already there" in call("enqueue", "jobs").stdout
    worked = call("work", "--drain")
    assert worked.exit_code == 0, worked.stderr
    assert {key: value for key, value in json.loads(call("status", "--json").stdout).items() if value} == {"done": 3}

    monkeypatch.setenv("NC_LATENT_TOD_QUEUE_PATH", "queue")
    write_jobs(folder)
    call("enqueue", "jobs")
    assert call("work", "--drain").exit_code == 0

    on_aws = dataset(f"dynamo:{shared['manifest']['manifest_path']}", "from_aws")
    assert on_aws and on_aws == dataset("manifest", "from_folder")


def test_the_original_upload_reads_the_table_where_there_is_no_folder(folder: Path, shared: dict, aws: LocalAws) -> None:
    table = aws.table(name="NCLatentTODExperimentsLogManifestTable")
    write_job(folder / "job_0.json", "train_0_2", **shared | {"manifest": {**shared["manifest"], "manifest_path": table}})
    scripts = Path(__file__).resolve().parents[1] / "src" / "nc_latent_tod" / "experiments"

    for script, *arguments in (["offline_labelling_experiment", "job_0.json"],
                               ["upload_offline_labeled_dataset", "--group-id", "mine", "--to", "datasets"]):
        done = subprocess.run([sys.executable, scripts / f"{script}.py", *arguments], capture_output=True, text=True,
                              timeout=60)
        assert done.returncode == 0, done.stderr

    assert "the manifest is the DynamoDB table" in done.stderr
    assert [path.name.startswith("manifest_self_labelled_mine_2_") for path in Path("datasets").iterdir()] == [True]


def test_a_group_moves_from_a_folder_to_aws_and_is_the_same_dataset(folder: Path, shared: dict, monkeypatch) -> None:
    write_jobs(folder)
    for path in sorted(Path("jobs").iterdir()):
        assert call("label", path).exit_code == 0
    table = f"dynamo:{shared['manifest']['manifest_path']}"

    moved = call("migrate", "mine", "--from", "manifest", "--to", table, "--labels-to", shared["output"]["labels_url"])

    assert moved.exit_code == 0 and "3 runs copied" in moved.stdout
    before = dataset("manifest", "from_folder")
    (folder / "outputs").rename(folder / "gone")
    assert dataset(table, "from_aws") == before
    explained = call("evaluate", "--group-id", "mine", "--manifest", table, "--gold", "gone/mine/labels", "--resamples", 0)
    assert explained.exit_code == 0, explained.stderr


def test_workers_share_an_sqs_queue_and_stop_on_request(folder: Path, shared: dict) -> None:
    write_logs(folder / "logs.jsonl", 6)
    write_jobs(folder, **shared)
    call("enqueue", "jobs")

    process = command_line("work", "--drain", "--workers", 2)
    _, log = process.communicate(timeout=300)

    assert process.returncode == 0, log
    assert json.loads(call("status", "--json").stdout)["done"] == 3


def test_what_is_local_needs_no_aws_package_and_no_credentials(folder: Path) -> None:
    write_jobs(folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment |= {"NC_LATENT_TOD_QUEUE_PATH": "queue", "HOME": str(folder)}
    for command in (["enqueue", "jobs"], ["work", "--drain"], ["status"], ["dlq", "list"],
                    ["gc", "jobs/train_0_2.json", "--dry-run"], ["publish", "--group-id", "mine", "--to", "datasets"]):
        done = subprocess.run([sys.executable, "-c", NO_AWS, *command], capture_output=True, text=True, timeout=300,
                              env=environment)
        assert done.returncode == 0, f"{command}: {done.stderr}"


def test_aws_without_boto3_says_what_to_install(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", NO_AWS, "status", "--queue", "jobs.fifo"], capture_output=True, text=True,
                          timeout=300)

    assert done.returncode == 2 and "pip install boto3" in done.stderr


@pytest.mark.parametrize("name", ["", "arn:aws:sqs:eu-west-1:1:jobs.fifo", "sqs://jobs", "s3://bucket/queue"])
def test_a_name_that_is_no_queue_is_told_both_forms(name: str) -> None:
    with pytest.raises(ConfigError, match=r"a folder.*\.fifo"):
        open_queue(name)


def test_a_folder_may_be_called_like_a_queue_of_sqs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("queue", "./queue.fifo", str(tmp_path / "other.fifo")):
        assert isinstance(open_queue(name), FolderQueue)
    assert isinstance(open_queue("queue.fifo"), FolderQueue), "it is a folder already"


def test_what_other_machines_cannot_read_is_said_when_a_job_is_enqueued(folder: Path, shared: dict) -> None:
    write_job(folder / "job.json")

    noted = call("enqueue", "job.json").stderr

    assert "output.labels_url" in noted and 'manifest.type to "dynamo"' in noted
    write_job(folder / "job2.json", **shared)
    assert call("enqueue", "job2.json").stderr == ""
