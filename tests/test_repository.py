"""Versions of datasets in a folder and in S3 (moto's server): whole or not there, resumed, promoted, never written over."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest
from aws_server import LocalAws
from test_cli import call

from nc_latent_tod.api.dataset import export_corpus, import_dataset
from nc_latent_tod.api.versions import Repository
from nc_latent_tod.config.environments import dataset_urls
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.errors import ConfigError, CorpusError, DamagedError
from nc_latent_tod.repository.store import Store
from nc_latent_tod.repository.versions import files_of

ROOT = Path(__file__).resolve().parents[1]
EVERYWHERE = ("development", "staging")


@pytest.fixture
def variables(aws: LocalAws, tmp_path, monkeypatch) -> dict[str, str]:
    """A folder for development, and a new bucket each for staging and production."""
    found = {"NC_LATENT_TOD_DEVELOPMENT_FOLDER": str(tmp_path / "development")}
    for name in ("STAGING", "PRODUCTION"):
        bucket = f"{name.lower()}-{uuid.uuid4().hex[:8]}"
        aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        found[f"NC_LATENT_TOD_{name}_BUCKET"] = bucket
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def repository(variables) -> Repository:
    return Repository(variables)


@pytest.fixture
def chats(tmp_path) -> Path:
    return chats_at(tmp_path / "chats")


def chats_at(folder: Path, format: str = "csv") -> Path:
    export_corpus("packaged:simulated", split="train_0_20", schema="packaged:schema", out=folder, format=format, name="chats")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("environment", EVERYWHERE)
@pytest.mark.parametrize("format", ["csv", "db"])
def test_a_dataset_is_the_same_after_upload_download_check_and_import(repository, tmp_path, environment, format):
    chats = chats_at(tmp_path / "chats", format)

    moved = repository.upload(chats, environment)
    repository.download("chats", tmp_path / "here", environment)
    corpus = import_dataset(tmp_path / "here", out=tmp_path / "corpus")

    assert contents(tmp_path / "here") == contents(chats)
    assert len(moved.sent) == len(contents(chats)) == 3
    assert load_dialogues(corpus.corpus) == load_dialogues("packaged:simulated", "train_0_20")


@pytest.mark.parametrize("environment", EVERYWHERE)
def test_only_what_is_new_is_sent_and_the_same_content_is_the_same_version(repository, chats, environment):
    first = repository.upload(chats, environment)
    again = repository.upload(chats, environment)
    (chats / "README.md").write_text("Simulated.")
    third = repository.upload(chats, environment)

    assert (again.version.version, again.sent) == (first.version.version, ())
    assert third.sent == ("README.md",)
    known = repository.store(environment).versions("chats")
    assert [one.version for one in known] == [first.version.version, third.version.version]
    assert repository.store(environment).datasets() == ["chats"]
    assert repository.compare(f"chats@{first.version.version}", "chats", environment).added == ("README.md",)


@pytest.mark.parametrize("environment", EVERYWHERE)
def test_an_upload_that_fails_half_way_is_not_there_and_the_next_sends_the_rest(repository, chats, environment):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        repository.upload(chats, environment, workers=1, progress=stop)
    assert repository.store(environment).datasets() == []

    moved = repository.upload(chats, environment)

    assert len(moved.sent) == 2  # of three
    assert repository.store(environment).datasets() == ["chats"]


def test_an_upload_that_is_killed_is_not_there_and_the_next_sends_the_rest(repository, chats, tmp_path):
    for number in range(300):  # files enough to be killed among
        (chats / "files" / f"{number}.txt").write_text(str(number) * 1000)
    process = subprocess.Popen([sys.executable, "-m", "nc_latent_tod", "dataset", "upload", "-l", str(chats), "-e", "staging",
                                "--max-workers", "1"], env={**os.environ, "PYTHONPATH": str(ROOT / "src")})
    store, deadline = repository.store("staging"), time.monotonic() + 60
    while len(store._objects("chats")) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    there = len(store._objects("chats"))
    assert store.datasets() == [] and 5 <= there < 303

    moved = repository.upload(chats, "staging")

    assert len(moved.sent) == 303 - there
    repository.download("chats", tmp_path / "here", "staging")
    assert contents(tmp_path / "here") == contents(chats)


@pytest.mark.parametrize("environment", EVERYWHERE)
def test_a_stored_file_that_is_gone_or_damaged_is_named(repository, chats, tmp_path, environment):
    version = repository.upload(chats, environment).version
    store = repository.store(environment)
    file = next(file for file in version.files if file.path == "examples.csv")
    files, path = store._files, f"{store._root}/chats/objects/{file.sha256}"

    files.pipe_file(path, b"x" * file.size)
    with pytest.raises(DamagedError, match=r"examples\.csv of chats@\w+ is damaged"):
        repository.download("chats", tmp_path / "here", environment)
    files.rm(path)
    with pytest.raises(DamagedError, match=r"examples\.csv of chats@\w+ is missing"):
        repository.download("chats", tmp_path / "there", environment)

    assert not (tmp_path / "there").exists() and not (tmp_path / "here" / "examples.csv").exists()


def test_a_part_is_downloaded_and_a_stopped_download_goes_on(repository, chats, tmp_path):
    repository.upload(chats)

    part = repository.download("chats", tmp_path / "here", path="files")
    rest = repository.download("chats", tmp_path / "here")

    assert part.sent == ("files/service_schema.json",)
    assert set(rest.sent) == {"examples.csv", "schema.json"}
    with pytest.raises(ConfigError, match="has no 'example.csv'. Did you mean"):
        repository.download("chats", tmp_path / "x", path="example.csv")


@pytest.mark.parametrize("path", ["../secret", "files/../../x", "/etc/passwd", "a\\..\\b"])
def test_a_remote_path_that_leads_out_is_refused(repository, chats, tmp_path, path):
    repository.upload(chats)

    with pytest.raises(ConfigError, match="leads out of the dataset"):
        repository.download("chats", tmp_path / "here", path=path)
    assert not (tmp_path / "here").exists()


def test_a_manifest_that_leads_out_is_refused(repository, chats, tmp_path):
    repository.upload(chats)
    manifest = next((tmp_path / "development").rglob("manifest.json"))
    data = json.loads(manifest.read_text())
    data["files"][0]["path"] = "../../escaped"
    manifest.write_text(json.dumps(data))

    with pytest.raises(DamagedError, match="leads out of the dataset"):
        repository.download("chats", tmp_path / "here")


def test_a_download_writes_nothing_over(repository, chats, tmp_path):
    repository.upload(chats)
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "schema.json").write_text("mine")

    with pytest.raises(ConfigError, match="nothing is written over"):
        repository.download("chats", tmp_path / "here")
    assert contents(tmp_path / "here") == {"schema.json": b"mine"}


def test_promotion_copies_on_the_server_and_production_takes_no_fault(repository, chats, tmp_path):
    version = repository.upload(chats, "staging").version
    told = repository.promote("chats", "staging", "production")
    (chats / "notes.txt").write_text("no part of a dataset")
    repository.upload(chats, "staging")

    assert told.version == version
    repository.download(f"chats@{version.version}", tmp_path / "here", "production")
    assert set(contents(tmp_path / "here")) == {"examples.csv", "schema.json", "files/service_schema.json"}
    with pytest.raises(ConfigError, match="has 1 faults, and production takes none"):
        repository.promote("chats", "staging", "production")
    with pytest.raises(CorpusError, match="notes.txt: no part of a dataset"):
        repository.upload(chats, "production")
    assert [one.version for one in repository.store("production").versions("chats")] == [version.version]


def test_promotion_reads_no_byte_here(repository, chats, monkeypatch):
    repository.upload(chats, "staging")
    source, target = repository.store("staging"), repository.store("production")
    version = source.version("chats")
    monkeypatch.setattr(Store, "_whole", None)  # what reads an object; the copy has to do without

    assert len(target.copy_from(source, version).sent) == 3


def test_promotion_from_a_folder_goes_through_this_machine(repository, chats, tmp_path):
    repository.upload(chats)

    repository.promote("chats", "development", "staging")
    repository.download("chats", tmp_path / "here", "staging")

    assert contents(tmp_path / "here") == contents(chats)


@pytest.mark.parametrize("environment", EVERYWHERE)
def test_a_deleted_version_leaves_the_files_of_others(repository, chats, tmp_path, environment):
    first = repository.upload(chats, environment).version
    (chats / "README.md").write_text("Simulated.")
    second = repository.upload(chats, environment).version

    assert repository.remove(f"chats@{second.version}", environment) == 1
    repository.download("chats", tmp_path / "here", environment)

    assert files_of(tmp_path / "here") == first.files
    assert repository.remove(f"chats@{first.version}", environment) == 3
    assert repository.store(environment).datasets() == []
    with pytest.raises(ConfigError, match="One at a time"):
        repository.remove("chats", environment)


def test_everything_that_is_not_set_is_named_at_once():
    with pytest.raises(ConfigError) as told:
        dataset_urls(("staging", "production"), settings=None, source="", variables={})

    assert "NC_LATENT_TOD_STAGING_BUCKET" in str(told.value) and "NC_LATENT_TOD_PRODUCTION_BUCKET" in str(told.value)


def test_a_settings_file_says_it_too_and_a_variable_comes_before():
    settings = '{"staging": {"bucket": "s"}, "production": {"bucket": "p"}}'
    urls = dataset_urls(("development", "staging", "production"), settings=settings, source="x",
                        variables={"NC_LATENT_TOD_STAGING_BUCKET": "other"})

    assert urls == ["datasets", "s3://other/datasets", "s3://p/datasets"]
    with pytest.raises(ConfigError, match="Did you mean 'bucket'"):
        dataset_urls(("staging",), settings='{"staging": {"buckett": "s"}}', source="x", variables={})
    with pytest.raises(ConfigError, match="Did you mean 'staging'"):
        dataset_urls(("stagin",), settings=None, source="", variables={})


def test_the_commands_exit_with_2_and_write_nothing_for_what_is_not_there(variables, chats, tmp_path, monkeypatch):
    assert call("dataset", "upload", "-l", chats).exit_code == 0

    for reference in ("chat", "chats@ffff", "../chats"):
        done = call("dataset", "download", "-d", reference, "-l", tmp_path / "here")
        assert done.exit_code == 2, done.stderr
    assert not (tmp_path / "here").exists()
    assert call("dataset", "upload", "-l", chats, "--max-workers", "0").exit_code == 2
    monkeypatch.delenv("NC_LATENT_TOD_STAGING_BUCKET")
    done = call("dataset", "upload", "-l", chats, "-e", "staging")
    assert done.exit_code == 2 and "NC_LATENT_TOD_STAGING_BUCKET" in done.stderr


def test_the_script_of_octopuscl_takes_its_flags(variables, chats, tmp_path):
    def script(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(ROOT / "scripts" / "run_dataset_manager.py"), *map(str, arguments)],
                              capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT / "src")})

    sent = script("-e", "staging", "-a", "upload", "-l", chats, "-d", "chats")
    fetched = script("-e", "staging", "-a", "download", "-d", "chats", "-r", "examples.csv", "-l", tmp_path / "here")

    assert (sent.returncode, fetched.returncode) == (0, 0), sent.stderr + fetched.stderr
    assert contents(tmp_path / "here") == {"examples.csv": (chats / "examples.csv").read_bytes()}
    assert call("dataset", "ls", "-e", "staging").stdout == "chats\n"
    assert "0 faults" in call("dataset", "versions", "chats", "-e", "staging").stdout
