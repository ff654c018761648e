"""What gc finds and deletes, on every storage, and what it never touches."""

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from aws_server import LocalAws

from nc_latent_tod.api.gc import find_orphans, remove_orphans
from nc_latent_tod.corpus.label_files import read_examples, write_examples
from nc_latent_tod.errors import DamagedError
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline.checkpoint import Checkpoint
from nc_latent_tod.system.files import write_bytes

HEADER = {"job": {"manifest": {"group_id": "g"}}, "seed_run_ids": []}


@pytest.fixture(params=["folder", "s3", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        aws: LocalAws = request.getfixturevalue("aws")
        name = f"bucket-{uuid.uuid4().hex[:8]}"
        aws.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        return f"s3://{name}/out"
    return str(tmp_path / "out") if request.param == "folder" else f"memory://{uuid.uuid4().hex}"


@pytest.fixture
def manifest(tmp_path: Path, url: str) -> LocalManifest:
    """The group `g` has finished run_0, and the group `h` another run of this name."""
    manifest = LocalManifest(tmp_path / "manifest")
    for group, digits in (("g", "00000000"), ("h", "11111111")):
        labels = f"{url}/labels/run_0-{digits}.jsonl.gz"
        manifest.add(ManifestEntry(group, "run_0", 1, labels, "train", labels, write_examples(labels, [])))
    return manifest


def names(manifest: LocalManifest, url: str, older_than_s: float = 0.0) -> dict[str, str]:
    found = find_orphans(manifest, "g", url, older_than_s=older_than_s)
    return {orphan.path.rpartition("/")[2]: orphan.kind for orphan in found}


def test_labels_that_no_entry_names_are_found_and_named_ones_are_not(manifest: LocalManifest, url: str) -> None:
    write_examples(f"{url}/labels/run_0-22222222.jsonl.gz", [])
    write_examples(f"{url}/labels/run_1-33333333.jsonl.gz", [])
    write_bytes(f"{url}/labels/README.md", b"mine")

    assert names(manifest, url) == {"run_0-22222222.jsonl.gz": "superseded", "run_1-33333333.jsonl.gz": "unfinished"}


def test_checkpoints_of_finished_runs_are_found_and_others_are_not(manifest: LocalManifest, url: str) -> None:
    header = json.dumps(HEADER).encode()
    for run in ("run_0", "run_1"):
        write_bytes(f"{url}/checkpoints/{run}/header.json", header)
        Checkpoint(f"{url}/checkpoints/{run}").add([])

    found = find_orphans(manifest, "g", url, older_than_s=0)

    assert [orphan.kind for orphan in found] == ["checkpoint"] * 2
    assert all("/run_0/" in orphan.path for orphan in found)
    assert find_orphans(manifest, "h", url, older_than_s=0) == [], "the checkpoint is of a run of g"


def test_young_files_are_in_use(manifest: LocalManifest, url: str) -> None:
    write_examples(f"{url}/labels/run_0-22222222.jsonl.gz", [])

    assert names(manifest, url, older_than_s=3600) == {}
    [orphan] = find_orphans(manifest, "g", url, older_than_s=0)
    assert 0 <= orphan.age_s < 60 and orphan.size > 0


def test_only_orphans_are_deleted(manifest: LocalManifest, url: str) -> None:
    write_examples(f"{url}/labels/run_0-22222222.jsonl.gz", [])
    write_bytes(f"{url}/checkpoints/run_0/header.json", json.dumps(HEADER).encode())
    found = find_orphans(manifest, "g", url, older_than_s=0)

    remove_orphans(url, found)
    remove_orphans(url, found)

    assert len(found) == 2 and find_orphans(manifest, "g", url, older_than_s=0) == []
    for group in "gh":
        [entry] = manifest.entries(group)
        assert read_examples(entry.labels_url, entry.sha256) == []


def test_a_place_with_nothing_in_it_has_no_orphans(tmp_path: Path) -> None:
    assert find_orphans(LocalManifest(tmp_path / "m"), "g", str(tmp_path / "absent"), older_than_s=0) == []


def test_files_that_a_kill_left_unfinished_are_found(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / ".run_0-22222222.jsonl.gz.abc.tmp").write_bytes(b"half")

    [orphan] = find_orphans(LocalManifest(tmp_path / "m"), "g", str(tmp_path), older_than_s=0)

    assert orphan.kind == "leftover"


def test_a_manifest_that_cannot_be_read_makes_no_orphans(manifest: LocalManifest, url: str) -> None:
    (manifest.path / "h" / "run_0.json").write_text("{")

    with pytest.raises(DamagedError):
        find_orphans(manifest, "g", url, older_than_s=0)


def test_relative_and_absolute_names_of_a_folder_are_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = LocalManifest("manifest")
    sha256 = write_examples("out/labels/run_0-00000000.jsonl.gz", [])
    entry = ManifestEntry("g", "run_0", 1, "", "train", "out/labels/run_0-00000000.jsonl.gz", sha256)
    manifest.add(entry)
    manifest.add(replace(entry, group_id="f", labels_url=f"file://{tmp_path}/out/labels/run_0-11111111.jsonl.gz"))
    write_bytes("out/labels/run_0-11111111.jsonl.gz", b"")

    for url in ("out", str(tmp_path / "out"), f"file://{tmp_path}/out"):
        assert find_orphans(manifest, "g", url, older_than_s=0) == []


def test_labels_that_an_entry_names_by_another_path_are_kept(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    labels = f"{tmp_path}/link/labels/run_0-00000000.jsonl.gz"
    manifest = LocalManifest(tmp_path / "manifest")
    manifest.add(ManifestEntry("g", "run_0", 1, labels, "train", labels, write_examples(labels, [])))

    assert names(manifest, str(tmp_path / "disk")) == {}


def test_half_written_files_are_found_beside_entries_and_parts_too(manifest: LocalManifest, url: str) -> None:
    if not url.startswith(("s3:", "memory:")):
        write_bytes(f"{url}/checkpoints/run_1/.part-000000-0.jsonl.x7.tmp", b"{")
    write_bytes(f"{url}/checkpoints/run_1/part-000000-0.jsonl", b"")
    torn = manifest.path / "g" / ".0123456789abcdef.tmp"
    torn.write_text("{")
    entries = manifest.entries("g")

    assert names(manifest, url, older_than_s=3600) == {}
    found = find_orphans(manifest, "g", url, older_than_s=0)
    remove_orphans(url, found)

    assert {orphan.kind for orphan in found} == {"leftover"} and len(found) == (1 if "://" in url else 2)
    assert not torn.exists() and manifest.entries("g") == entries and names(manifest, url) == {}
