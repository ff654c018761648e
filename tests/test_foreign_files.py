"""Nothing is deleted but what was written here: files of others survive in every folder that is ever deleted from."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from aws_server import LocalAws

from nc_latent_tod.api.backends import Builder
from nc_latent_tod.api.gc import find_orphans, remove_orphans
from nc_latent_tod.api.quickstart import prepare_folder
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline.checkpoint import Checkpoint
from nc_latent_tod.pipeline.run import run_job
from nc_latent_tod.system.durable import remove_own, scratch_folder
from nc_latent_tod.system.files import read_bytes, resolve, write_bytes
from nc_latent_tod.training.finetune.state import Finetuned, RunFolder

FOREIGN = ("model.safetensors", "notes.txt", "part-1.jsonl", "part-000000-zzzzzzzz.jsonl", ".hidden", "checkpoint-5/model.bin")


def job(folder: Path, run_id: str) -> Any:
    alone = {"model": {"model_type": "none"}}
    return parse_job({
        "data": {"eval_set_path_or_name": "packaged:simulated", "eval_set_split_name": "train_0_1",
                 "schema_path": "packaged:schema"},
        "output": {"labels_url": str(folder / "proj")}, "dst": alone, "act_tag": alone, "run_id": run_id,
        "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": "g"}})


def planted(folder: Path) -> dict[Path, bytes]:
    for number, name in enumerate(FOREIGN):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"somebody's work {number}".encode())
    return {folder / name: (folder / name).read_bytes() for name in FOREIGN}


def survived(plants: dict[Path, bytes]) -> bool:
    return all(path.read_bytes() == data for path, data in plants.items())


def test_a_job_is_refused_a_folder_of_somebodys_training(tmp_path):
    step = tmp_path / "proj" / "checkpoints" / "step-1000"
    step.mkdir(parents=True)
    (step / "model.safetensors").write_bytes(b"weeks")
    asked = job(tmp_path, "step-1000")

    with pytest.raises(ConfigError, match=r"model\.safetensors.*run_id or output\.labels_url"):
        run_job(asked, Builder().backends(asked))

    assert {path.name: path.read_bytes() for path in step.iterdir()} == {"model.safetensors": b"weeks"}


@pytest.mark.parametrize("storage", ["local", "s3"])
def test_the_end_of_a_job_deletes_the_files_of_its_checkpoint_alone(tmp_path, request, storage):
    url = str(tmp_path / "checkpoints" / "r")
    if storage == "s3":
        aws: LocalAws = request.getfixturevalue("aws")
        aws.client("s3").create_bucket(Bucket="foreign-files", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        url = "s3://foreign-files/checkpoints/r"
    checkpoint = Checkpoint(url)
    checkpoint.open({"a": 1}, fixed=["a"])
    checkpoint.add([])
    for name in FOREIGN:
        write_bytes(f"{url}/{name}", name.encode())

    checkpoint.remove()
    checkpoint.remove()  # as a second worker would

    file_system, path = resolve(url)
    assert all(read_bytes(f"{url}/{name}") == name.encode() for name in FOREIGN)
    assert not file_system.exists(f"{path}/header.json")


def test_a_finished_job_leaves_no_checkpoint_of_its_own(tmp_path):
    asked = job(tmp_path, "r")

    run_job(asked, Builder().backends(asked))

    assert not (tmp_path / "proj" / "checkpoints" / "r").exists()


def test_gc_names_and_deletes_no_file_of_others_below_a_finished_run(tmp_path):
    asked = job(tmp_path, "r")
    run_job(asked, Builder().backends(asked))
    folder = tmp_path / "proj" / "checkpoints" / "r"
    plants = planted(folder)
    (folder / "header.json").write_text(json.dumps({"job": {"manifest": {"group_id": "g"}}}))
    (folder / "part-000000-0123abcd.jsonl").write_bytes(b"")
    beside = planted(tmp_path / "proj" / "labels")
    url, manifest = str(tmp_path / "proj"), LocalManifest(tmp_path / "manifest")

    found = find_orphans(manifest, "g", url, older_than_s=0)
    remove_orphans(url, found)

    assert {Path(orphan.path).name for orphan in found} == {"header.json", "part-000000-0123abcd.jsonl"}
    assert survived(plants) and survived(beside)


def test_gc_leaves_a_training_that_has_a_header_of_its_own(tmp_path):
    asked = job(tmp_path, "r")
    run_job(asked, Builder().backends(asked))
    folder = tmp_path / "proj" / "checkpoints" / "r"
    folder.mkdir(parents=True)
    (folder / "header.json").write_text(json.dumps({"epoch": 3}))

    assert find_orphans(LocalManifest(tmp_path / "manifest"), "g", str(tmp_path / "proj"), older_than_s=0) == []


def test_a_fresh_quickstart_deletes_what_quickstarts_write_alone(tmp_path):
    own = ("jobs/job_0.json", "jobs/dependents/train_10_20.json", "manifest/quickstart/r.json", "queue/done/0.json",
           "queue/leases/x", "outputs/labels/r-0123abcd.jsonl.gz", "outputs/labels/r-0123abcd.0123456789ab.vectors",
           "outputs/checkpoints/r/header.json", "datasets/m_self_labelled_g_2_0123abcd/train/state.json")
    for name in own:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    plants = {path: data for name in ("jobs", "manifest", "queue", "outputs", "datasets", "outputs/labels", "datasets/mine")
              for path, data in planted(tmp_path / name).items()}

    prepare_folder(tmp_path, "jobs/job_0.json", fresh=True)

    assert survived(plants)
    assert [name for name in own if (tmp_path / name).exists()] == []


def test_a_fine_tuning_takes_no_folder_of_another_training(tmp_path):
    (tmp_path / "checkpoints" / "checkpoint-5").mkdir(parents=True)

    with pytest.raises(ConfigError, match="checkpoints"):
        RunFolder(tmp_path).claim({"a": 1})


def test_the_end_of_a_fine_tuning_deletes_what_a_trainer_writes_alone(tmp_path):
    run = RunFolder(tmp_path)
    run.claim({"a": 1})
    steps = tmp_path / "checkpoints" / "checkpoint-5"
    plants = {path: data for folder in (tmp_path / "checkpoint", tmp_path / "checkpoints", steps)
              for path, data in planted(folder / "mine").items()}
    for name in ("trainer_state.json", "optimizer.pt", "model.safetensors"):
        (steps / name).write_text("{}")

    class Saved:
        def save_pretrained(self, folder: Path) -> None:
            (Path(folder) / "config.json").write_text("{}")

    with pytest.raises(ConfigError, match="move it away"):  # the folder of the result holds something else
        run.finish(Saved(), Saved(), Finetuned("", False, "", "", 1, None, {}, False, "", ""))

    assert survived(plants) and not list(tmp_path.glob(".checkpoint*"))


def test_links_are_never_followed(tmp_path):
    import re

    outside = planted(tmp_path / "outside")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "part-1").symlink_to(tmp_path / "outside", target_is_directory=True)
    (tmp_path / "own" / "part-2").symlink_to(tmp_path / "outside" / "notes.txt")

    assert remove_own(tmp_path / "own", re.compile(r"part-\d.*")) == []
    assert survived(outside) and not (tmp_path / "own").exists()


def test_a_scratch_folder_takes_no_other_folder_away(tmp_path):
    plants = {**planted(tmp_path / ".tokenizer"), **planted(tmp_path / ".checkpoint")}
    (tmp_path / ".tokenizer-0123abcd.scratch").mkdir()  # of a process that was killed
    os.utime(tmp_path / ".tokenizer-0123abcd.scratch", (0, 0))
    (tmp_path / ".tokenizer-fedcba98.scratch").mkdir()  # of one that is at work

    with scratch_folder(tmp_path, "tokenizer") as folder:
        (folder / "x").write_text("x")

    assert survived(plants) and {path.name for path in tmp_path.iterdir()} == {
        ".tokenizer", ".checkpoint", ".tokenizer-fedcba98.scratch"}


def test_files_are_as_readable_as_the_umask_lets_them_be(tmp_path):
    before = os.umask(0o077)
    try:
        write_bytes(tmp_path / "labels.jsonl", b"private")
    finally:
        os.umask(before)

    assert (tmp_path / "labels.jsonl").stat().st_mode & 0o777 == 0o600
