"""What every storage of labels promises, by its URL. Each is a parameter of `url`; then what is S3's own."""

import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import fsspec
import pytest
from aws_server import LocalAws

from nc_latent_tod.corpus.label_files import read_examples, write_examples
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, DamagedError, RetryableError
from nc_latent_tod.labels import Example, Label
from nc_latent_tod.pipeline.checkpoint import Checkpoint
from nc_latent_tod.system.files import create_bytes, write_bytes
from nc_latent_tod.system.s3 import S3FileSystem


@pytest.fixture(params=["folder", "s3", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place for labels."""
    if request.param == "folder":
        return str(tmp_path / "labels")
    return request.getfixturevalue("bucket") + "/a b/ü" if request.param == "s3" else f"memory://{uuid.uuid4().hex}"


@pytest.fixture
def bucket(aws: LocalAws) -> str:
    name = f"bucket-{uuid.uuid4().hex[:8]}"
    aws.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return f"s3://{name}"


def example(number: int) -> Example:
    label = Label(state={}, change={}, acts=(), delexicalised_response="hello", tasks={}, provenance={})
    return Example(Turn(f"d{number}", 0, "", "hi", "hello"), {}, label, "run")


@pytest.mark.parametrize("name", ["labels/run-1a2b3c4d.jsonl.gz", "x.jsonl"])
def test_labels_come_back_as_they_were_written(url: str, name: str) -> None:
    sha256 = write_examples(f"{url}/{name}", [example(0), example(1)])

    assert read_examples(f"{url}/{name}", sha256) == [example(0), example(1)]
    with pytest.raises(DamagedError, match="sha256"):
        read_examples(f"{url}/{name}", "0" * 64)


def test_labels_that_are_not_there_are_damage(url: str) -> None:
    write_bytes(f"{url}/labels/other.jsonl", b"")

    for name in ("labels/absent.jsonl", "labels"):
        with pytest.raises(DamagedError, match="missing"):
            read_examples(f"{url}/{name}")


def test_of_many_that_create_a_file_the_first_wins(url: str) -> None:
    if url.startswith("memory:"):
        pytest.skip("fsspec's memory file system looks and then writes")
    contents = [f"{number}".encode() * 1000 for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        won = list(pool.map(lambda data: create_bytes(f"{url}/header.json", data), contents))

    assert won.count(True) == 1
    file_system, path = fsspec.core.url_to_fs(f"{url}/header.json")
    assert file_system.cat_file(path) == contents[won.index(True)]


def test_a_checkpoint_goes_on_where_another_worker_stopped_and_goes_away(url: str) -> None:
    first, second = Checkpoint(f"{url}/checkpoints/run"), Checkpoint(f"{url}/checkpoints/run")
    assert first.labels() == {}
    assert first.open({"job": "1", "seed_run_ids": ["a"]}, fixed=("job",))["seed_run_ids"] == ["a"]
    assert second.open({"job": "1", "seed_run_ids": ["b"]}, fixed=("job",))["seed_run_ids"] == ["a"]
    first.add([example(0)])
    second.add([example(1)])
    write_bytes(f"{url}/checkpoints/run2/header.json", b"{}")

    assert sorted(Checkpoint(first.url).labels()) == [("d0", 0), ("d1", 0)]
    second.remove()
    second.remove()

    assert Checkpoint(first.url).labels() == {}
    assert create_bytes(first.url + "/header.json", b"{}")
    assert not create_bytes(f"{url}/checkpoints/run2/header.json", b"other"), "only the run's own checkpoint went away"


def test_files_below_a_folder_are_found_with_their_age(url: str) -> None:
    write_bytes(f"{url}/labels/a.jsonl", b"12345")
    write_bytes(f"{url}/labels/deep/b.jsonl", b"")
    write_bytes(f"{url}/labels2/c.jsonl", b"")

    file_system, path = fsspec.core.url_to_fs(f"{url}/labels")
    found = file_system.find(path, detail=True)

    assert [name.removeprefix(path) for name in sorted(found)] == ["/a.jsonl", "/deep/b.jsonl"]
    assert [found[name]["size"] for name in sorted(found)] == [5, 0]


def test_a_bucket_that_is_not_there_is_an_error_of_the_job(aws: LocalAws) -> None:
    for act in (lambda: write_bytes("s3://absent-bucket/x", b""), lambda: Checkpoint("s3://absent-bucket/c").labels()):
        with pytest.raises(ConfigError, match="NoSuchBucket"):
            act()


def test_a_storage_that_cannot_be_reached_is_no_empty_storage(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{taken.getsockname()[1]}")
        file_system = S3FileSystem()
        for act in (lambda: file_system.exists("b/c"), lambda: file_system.ls("b/c"), lambda: file_system.find("b/c")):
            with pytest.raises(OSError, match="reach|connect"):
                act()
        for act in (lambda: read_examples("s3://b/x.jsonl"), lambda: create_bytes("s3://b/x", b"")):
            with pytest.raises(RetryableError) as caught:
                act()
            assert str(caught.value).count("Cannot ") == 1, caught.value  # said once, by S3 itself


def test_an_object_whose_answer_was_lost_is_created(bucket: str) -> None:
    assert create_bytes(f"{bucket}/header.json", b"mine")

    assert create_bytes(f"{bucket}/header.json", b"mine"), "the same request, sent again by boto3"
    assert not create_bytes(f"{bucket}/header.json", b"other")


def test_many_objects_are_deleted_in_batches_and_each_failure_is_told(aws: LocalAws) -> None:
    keys = [{"Key": f"c/{number}", "Size": 0, "LastModified": datetime.now(UTC)} for number in range(1001)]
    asked: list[int] = []

    class Client:
        """A bucket that refuses one object."""

        def get_paginator(self, operation: str) -> "Client":
            return self

        def paginate(self, **arguments: object) -> list[dict]:
            return [{"Contents": keys[:1000]}, {"Contents": keys[1000:]}]

        def delete_objects(self, Bucket: str, Delete: dict) -> dict:
            asked.append(len(Delete["Objects"]))
            return {"Errors": [{"Key": "c/1000", "Code": "AccessDenied", "Message": "kept"}]} if len(asked) == 2 else {}

    file_system = S3FileSystem()
    file_system.__dict__["_client"] = Client()
    with pytest.raises(OSError, match="'c/1000'.*AccessDenied kept"):
        file_system.rm("b/c", recursive=True)
    assert asked == [1000, 1]


def test_an_object_is_read_by_parts_and_as_a_file(bucket: str) -> None:
    write_bytes(f"{bucket}/x.txt", b"0123456789")

    file_system = S3FileSystem()
    path = f"{bucket.removeprefix('s3://')}/x.txt"
    assert file_system.cat_file(path, start=2, end=5) == b"234"
    with fsspec.open(f"{bucket}/x.txt", "rb") as file:
        assert file.read() == b"0123456789"
    assert file_system.info(path)["size"] == 10
    assert file_system.ls(bucket, detail=False) == [path]
