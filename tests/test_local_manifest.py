"""What the manifest in a folder promises beyond the contract: readable files, damage, full disks, kills."""

import json
from pathlib import Path

import pytest
from processes import in_child

from nc_latent_tod.errors import ConfigError, DamagedError
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest

ENTRY = ManifestEntry("group", "job_0", 7, "outputs/labels.jsonl", "train_0_50", seed_run_ids=("job_a",))
VALUES = {
    "group_id": "group", "run_id": "job_0", "num_logs": 7, "labelled_dataset_path_or_name": "x",
    "labelled_dataset_split_name": "y",
}  # fmt: skip


@pytest.fixture
def manifest(tmp_path: Path) -> LocalManifest:
    return LocalManifest(tmp_path / "outputs" / "manifest")


def store(manifest: LocalManifest, content: bytes, name: str = "job_0.json") -> Path:
    path = manifest.path / "group" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_an_entry_is_one_readable_file(manifest: LocalManifest) -> None:
    manifest.add(ENTRY)

    (path,) = manifest.path.rglob("*.json")
    assert path == manifest.path / "group" / "job_0.json"
    values = json.loads(path.read_text())
    assert (values["num_logs"], values["seed_run_ids"]) == (7, ["job_a"])
    assert [file.name for file in path.parent.iterdir()] == ["job_0.json"]


def test_an_entry_with_the_five_original_fields_is_read(manifest: LocalManifest) -> None:
    store(manifest, json.dumps(VALUES).encode())

    assert manifest.entries("group") == [ManifestEntry("group", "job_0", 7, "x", "y")]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not a whole JSON file"),
        (b'{"group_id": "gro', "not a whole JSON file"),
        (b"\xff\xfe", "not a whole JSON file"),
        (b"[" * 100_000, "not a whole JSON file"),
        (b"[]", "holds list"),
        (json.dumps({**VALUES, "run_id": "another"}).encode(), "run 'another'"),
        (json.dumps({**VALUES, "group_id": "another"}).encode(), "group 'another'"),
        (json.dumps({**VALUES, "num_logs": "7"}).encode(), "num_logs = '7'"),
        (json.dumps({**VALUES, "num_logs": True}).encode(), "num_logs = True"),
        (json.dumps({**VALUES, "seed_run_ids": "job_a"}).encode(), "seed_run_ids = 'job_a'"),
        (json.dumps({**VALUES, "score": 1}).encode(), "unknown key 'score'"),
        (json.dumps({"group_id": "group", "run_id": "job_0"}).encode(), "'num_logs' is missing"),
    ],
)
def test_a_damaged_entry_is_named_and_never_passed_over(manifest: LocalManifest, content: bytes, problem: str) -> None:
    manifest.add(ManifestEntry("group", "job_9", 7, "x", "y"))
    path = store(manifest, content)

    with pytest.raises(DamagedError) as raised:
        manifest.entries("group")

    assert str(path) in str(raised.value) and problem in str(raised.value)


def test_an_entry_is_not_taken_for_stored_where_a_damaged_one_is(manifest: LocalManifest) -> None:
    store(manifest, b'{"group_id": "gro')

    with pytest.raises(DamagedError, match="job_0.json"):
        manifest.add(ENTRY)


@pytest.mark.parametrize("name", ["notes.txt", "job_1.json.bak"])
def test_a_foreign_file_is_named(manifest: LocalManifest, name: str) -> None:
    store(manifest, json.dumps(VALUES).encode(), name)

    with pytest.raises(DamagedError, match=name):
        manifest.entries("group")


def test_a_folder_in_the_place_of_an_entry_is_named(manifest: LocalManifest) -> None:
    (manifest.path / "group" / "job_0.json").mkdir(parents=True)

    with pytest.raises(DamagedError, match="job_0.json"):
        manifest.entries("group")


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest").write_text("")

    with pytest.raises(ConfigError, match="manifest"):
        LocalManifest(tmp_path / "manifest").add(ENTRY)
    with pytest.raises(DamagedError, match="manifest"):
        LocalManifest(tmp_path / "manifest").entries("group")


def test_a_full_disk_adds_nothing(manifest: LocalManifest) -> None:
    outcome = in_child(lambda: manifest.add(ENTRY), file_limit=100)

    assert outcome.startswith("RetryableError") and "Free space" in outcome
    assert [path for path in manifest.path.rglob("*") if path.is_file()] == []
    assert manifest.add(ENTRY)


def test_a_kill_at_any_point_leaves_the_whole_entry_or_none(manifest: LocalManifest) -> None:
    kill_at, outcome = 0, ""
    while outcome == "":
        fresh = LocalManifest(manifest.path / str(kill_at))
        outcome = in_child(lambda fresh=fresh: fresh.add(ENTRY), kill_at=kill_at)

        stored = fresh.entries("group")
        assert stored in ([], [ENTRY]), f"killed at {kill_at}"
        assert fresh.add(ENTRY) is (stored == [])
        assert fresh.entries("group") == [ENTRY]
        kill_at += 1
    assert (outcome, kill_at > 4) == ("True", True)


def test_an_entry_that_was_read_whole_is_noticed_when_it_is_damaged_later(manifest: LocalManifest) -> None:
    manifest.add(ENTRY)
    assert manifest.entries("group") == manifest.entries("group") == [ENTRY]

    store(manifest, b"{")

    with pytest.raises(DamagedError, match="job_0.json"):
        manifest.entries("group")
