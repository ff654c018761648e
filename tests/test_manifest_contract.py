"""What every manifest promises. Each backend is a parameter of `manifest`."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from nc_latent_tod.errors import ConfigError
from nc_latent_tod.manifests import Manifest, ManifestEntry, dynamo, local
from nc_latent_tod.manifests.dynamo import DynamoManifest
from nc_latent_tod.manifests.local import LocalManifest


@pytest.fixture(params=["local", "dynamo"])
def manifest(request: pytest.FixtureRequest, tmp_path: Path) -> Manifest:
    if request.param == "local":
        return LocalManifest(tmp_path / "manifests" / "manifest")
    return DynamoManifest(request.getfixturevalue("aws").table())


def entry(run_id: str = "job_0", group_id: str = "initial_labelling", num_logs: int = 7) -> ManifestEntry:
    return ManifestEntry(group_id, run_id, num_logs, "outputs/labels.jsonl", "train_0_50")


def test_an_entry_comes_back_as_it_was_added(manifest: Manifest) -> None:
    whole = ManifestEntry(
        "initial_labelling", "job_0", 361, "outputs/é.jsonl", "train_0_50", "file:///labels", "ab" * 32, 50, 3, "cd" * 32,
        "0.1.0", "2024-11-12T09:00:00+00:00", ("job_a", "job_b"), 123_456, 0.1,
    )  # fmt: skip

    assert manifest.add(whole)

    assert manifest.entries("initial_labelling") == [whole]


def test_an_entry_of_corrections_comes_back_as_it_was_added(manifest: Manifest) -> None:
    corrections = replace(entry("human-round-0"), label_source="human", round_number=3, round_sha256="ab" * 32)

    assert manifest.add(corrections)

    assert manifest.entries("initial_labelling") == [corrections]


def test_an_entry_of_a_job_is_stored_without_what_only_corrections_have() -> None:
    assert not {"label_source", "round_number", "round_sha256"} & entry().stored().keys()
    assert replace(entry(), label_source="human", round_number=1).stored()["round_number"] == 1


def test_one_entry_is_found_by_its_names(manifest: Manifest) -> None:
    manifest.add(entry("a"))
    manifest.add(entry("a/b", num_logs=8))

    assert manifest.entry("initial_labelling", "a/b") == entry("a/b", num_logs=8)
    assert manifest.entry("initial_labelling", "b") is None
    assert manifest.entry("another", "a") is None


def test_an_unknown_group_has_no_entries(manifest: Manifest) -> None:
    manifest.add(entry())

    assert manifest.entries("another") == []


def test_the_first_writer_wins(manifest: Manifest) -> None:
    assert manifest.add(entry(num_logs=1))

    assert not manifest.add(entry(num_logs=2))

    assert [found.num_logs for found in manifest.entries("initial_labelling")] == [1]


def test_of_many_writers_at_once_one_wins(manifest: Manifest) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        won = pool.map(manifest.add, [entry(num_logs=number) for number in range(16)], chunksize=1)

    assert won.count(True) == 1
    (stored,) = manifest.entries("initial_labelling")
    assert stored.num_logs == won.index(True)


def test_entries_are_ordered_by_run(manifest: Manifest) -> None:
    for run_id in ("b", "train_50_100", "a", "B", "train_0_50"):
        manifest.add(entry(run_id))

    found = [stored.run_id for stored in manifest.entries("initial_labelling")]

    assert found == ["B", "a", "b", "train_0_50", "train_50_100"]


@pytest.mark.parametrize("name", ["..", ".hidden", "a/b", "a\\b", "ümlaut 50%", "a%2Fb", "x.json", "-rf", "new\nline"])
def test_any_name_keeps_to_itself(manifest: Manifest, name: str) -> None:
    manifest.add(entry("plain", "plain"))

    assert manifest.add(entry(name, name))

    assert [stored.run_id for stored in manifest.entries(name)] == [name]
    assert [stored.run_id for stored in manifest.entries("plain")] == ["plain"]


def test_an_empty_name_is_refused(manifest: Manifest) -> None:
    with pytest.raises(ConfigError, match="run_id"):
        manifest.add(entry(run_id=""))
    with pytest.raises(ConfigError, match="group_id"):
        manifest.entries("")
    with pytest.raises(ConfigError, match="run_id"):
        manifest.entry("group", "")


def test_groups_are_those_that_have_entries(manifest: Manifest) -> None:
    assert manifest.groups() == []
    for group in ("b", "a/b", ".hidden", "a"):
        manifest.add(entry(group_id=group))
    manifest.entries("asked for only")

    assert manifest.groups() == [".hidden", "a", "a/b", "b"]


def test_an_entry_is_read_once_and_a_removed_one_is_forgotten(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        manifest.add(entry(f"run_{number}"))
    read = counted_reads(manifest, monkeypatch)
    assert len(manifest.entries("initial_labelling")) == 5 == len(read)

    manifest.add(entry("run_9"))
    found = manifest.entries("initial_labelling")
    assert manifest.entries("initial_labelling") == found and len(found) == 6
    assert len(read) == 6, "only what is new is read"

    remove(manifest, "run_0")
    assert [stored.run_id for stored in manifest.entries("initial_labelling")] == [e.run_id for e in found[1:]]
    manifest.add(replace(entry("run_0", num_logs=8), finished_at="2024-11-12T09:00:00+00:00"))
    assert manifest.entries("initial_labelling")[0].num_logs == 8


def counted_reads(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Grows with each entry that is read from its file or item."""
    module, name = (dynamo, "_decode") if isinstance(manifest, DynamoManifest) else (local, "_read")
    read, real = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *arguments: read.append(arguments) or real(*arguments))
    return read


def remove(manifest: Manifest, run_id: str) -> None:
    """Remove an entry as a person would."""
    if isinstance(manifest, DynamoManifest):
        key = {"group_id": {"S": "initial_labelling"}, "run_id": {"S": run_id}}
        manifest._client.delete_item(TableName=manifest.table, Key=key)
    else:
        (manifest.path / "initial_labelling" / f"{run_id}.json").unlink()
