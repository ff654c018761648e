"""A group moves between a folder and a table, with its labels, and nothing is lost or mixed on the way."""

import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from aws_server import LocalAws

from nc_latent_tod.api.migrate import Migrated, migrate
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.errors import ConfigError, DamagedError
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.manifests.dynamo import DynamoManifest
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.system.files import read_bytes


@pytest.fixture(params=["local to dynamo", "dynamo to local"])
def both(request: pytest.FixtureRequest, aws: LocalAws, tmp_path: Path) -> tuple[Manifest, Manifest]:
    """Where a group of three runs is, and where it goes."""
    local, dynamo = LocalManifest(tmp_path / "manifest"), DynamoManifest(aws.table())
    source, target = (local, dynamo) if request.param == "local to dynamo" else (dynamo, local)
    for number in range(3):
        url = str(tmp_path / f"outputs/labels/run_{number}-1a2b3c4d.jsonl.gz")
        source.add(ManifestEntry("g", f"run_{number}", number, url, "train_0_50", url, write_examples(url, []), seconds=0.1,
                                 seed_run_ids=("run_0",) * number))
    source.add(ManifestEntry("other", "run_9", 1, "x", "train"))
    return source, target


def test_a_group_is_copied_whole_and_once(both: tuple[Manifest, Manifest]) -> None:
    source, target = both

    assert migrate(source, target, "g") == Migrated(("run_0", "run_1", "run_2"), ())

    assert target.entries("g") == source.entries("g") and target.groups() == ["g"]
    assert migrate(source, target, "g") == Migrated((), ("run_0", "run_1", "run_2"))
    assert migrate(target, source, "g").copied == ()


def test_a_copy_that_was_interrupted_is_finished(both: tuple[Manifest, Manifest]) -> None:
    source, target = both
    target.add(source.entries("g")[1])

    assert migrate(source, target, "g") == Migrated(("run_0", "run_2"), ("run_1",))


def test_labels_go_along_verified(both: tuple[Manifest, Manifest], aws: LocalAws) -> None:
    source, target = both
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})

    migrate(source, target, "g", labels_to=f"s3://{bucket}/g/")

    for old, new in zip(source.entries("g"), target.entries("g"), strict=True):
        assert new.labels_url == f"s3://{bucket}/g/labels/{old.run_id}-1a2b3c4d.jsonl.gz"
        assert read_bytes(new.labels_url, new.sha256) == read_bytes(old.labels_url, old.sha256)
        assert replace(new, labels_url=old.labels_url, labelled_dataset_path_or_name=old.labels_url) == old
    assert len(migrate(source, target, "g").already_there) == 3


def test_other_labels_for_a_run_are_never_overwritten(both: tuple[Manifest, Manifest]) -> None:
    source, target = both
    target.add(replace(source.entries("g")[2], sha256="0" * 64))

    with pytest.raises(DamagedError, match="run_2"):
        migrate(source, target, "g")

    assert len(target.entries("g")) == 1, "nothing was copied"


def test_damaged_labels_are_not_copied(both: tuple[Manifest, Manifest], tmp_path: Path) -> None:
    source, target = both
    Path(source.entries("g")[1].labels_url).write_bytes(b"damaged")

    with pytest.raises(DamagedError, match="sha256"):
        migrate(source, target, "g", labels_to=str(tmp_path / "copy"))

    assert [entry.run_id for entry in target.entries("g")] == ["run_0"]


def test_a_group_that_is_not_there_is_an_error(both: tuple[Manifest, Manifest]) -> None:
    with pytest.raises(ConfigError, match="absent"):
        migrate(*both, "absent")
