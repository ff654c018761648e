"""Uploading through the real client to a small strict Hub: one commit, whatever fails on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest
from hub_server import Fault, HubServer
from huggingface_hub import constants
from test_publish import ids, manifest_of, partition

from nc_latent_tod.errors import ConfigError, RetryableError
from nc_latent_tod.publishing import shards
from nc_latent_tod.publishing.hub import push

NAME = "me/name"
CARD = "---\nlicense: mit\n---\n\n# Card\n"
FILES = {".gitattributes", "README.md", "data/train-00000-of-00001.parquet", "data/validation-00000-of-00001.parquet"}


def data(said: str = "hi") -> datasets.DatasetDict:
    rows = [{"dialogue_id": f"d{i}", "turn_id": 0, "user_utterances": [said], "slot_values": {"stay": {"area": None}}}
            for i in range(6)]
    splits = {"train": rows[:4], "validation": rows[4:]}
    return datasets.DatasetDict({split: datasets.Dataset.from_list(part) for split, part in splits.items()})


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for, in seconds; none is kept."""
    asked: list[float] = []
    monkeypatch.setattr(time, "sleep", asked.append)
    return asked


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, pauses: list[float]) -> Iterator[HubServer]:
    """A Hub that the client is led to; at the end, nothing that it does not implement was asked for."""
    with HubServer() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.url)  # read from HF_ENDPOINT once, when the client is imported
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield server
        assert not server.unknown


def upload(hub: HubServer, dataset: datasets.DatasetDict | None = None, **options: Any) -> tuple[str, bool]:
    return push(dataset or data(), CARD, NAME, **{"public": False, "token": hub.token, **options})


@pytest.mark.parametrize("public", [False, True])
def test_card_and_shards_go_up_in_one_commit_to_a_repository_as_private_as_asked(hub: HubServer, public: bool) -> None:
    assert upload(hub, public=public) == (f"{hub.url}/datasets/me/name", False)

    repository = hub.repositories[NAME]
    assert (repository.private, len(repository.commits)) == (not public, 2)
    assert repository.head[1].keys() == FILES
    card = repository.head[1]["README.md"].decode()
    assert card.startswith("---\nlicense: mit\n") and card.endswith("\n# Card\n") and "path: data/train-*" in card


def test_a_second_upload_sends_nothing(hub: HubServer) -> None:
    upload(hub)
    before = hub.writes()

    assert upload(hub) == (f"{hub.url}/datasets/me/name", True)

    assert hub.writes() == before


def test_equal_datasets_are_equal_files(tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        files = shards.write_files(data(), CARD, tmp_path / name, shard_bytes=20)
        written.append({path: file.read_bytes() for path, file in files.items()})

    assert written[0] == written[1]
    assert len(written[0]) > 3 and sum("train" in path for path in written[0]) > 1


def test_a_changed_dataset_replaces_its_shards_and_leaves_other_files_alone(hub: HubServer) -> None:
    old = {"data/train-00000-of-00002.parquet": b"PAR1", "data/train-00001-of-00002.parquet": b"PAR1", "README.md": b"# Old\n"}
    others = {"notes.md": b"mine", "data/notes.txt": b"mine too", "raw/a.parquet": b"PAR1"}
    repository = hub.create(NAME)
    repository.commit({**repository.head[1], **old, **others})

    upload(hub)

    assert repository.head[1].keys() == FILES | others.keys()
    assert b"# Card" in repository.head[1]["README.md"] and len(repository.commits) == 3


TRIED_AGAIN = [
    Fault("/commit/", 500), Fault("/commit/", 503), Fault("/commit/", 412), Fault("/commit/", 409), Fault("/commit/"),
    Fault("/commit/", after=True), Fault("/repos/create", 500), Fault("/repos/create"), Fault("/repos/create", after=True),
    Fault("GET /api/datasets/me/name", 503), Fault("/tree/", 502), Fault("/tree/"), Fault("/preupload/", 500),
    Fault("/objects/batch", 429), Fault("PUT /lfs", 500), Fault("PUT /lfs"), Fault("PUT /lfs", after=True),
    Fault("POST /lfs", 503), Fault("PUT /lfs", 408),
]


@pytest.mark.parametrize("fault", TRIED_AGAIN, ids=str)
def test_whatever_fails_once_the_dataset_is_there_once(hub: HubServer, pauses: list[float], fault: Fault) -> None:
    hub.faults = [fault]

    upload(hub)

    assert not hub.faults and pauses
    assert hub.repositories[NAME].head[1].keys() == FILES
    assert len(hub.repositories[NAME].commits) == 2


def test_a_commit_whose_answer_was_lost_is_found_and_not_made_twice(hub: HubServer) -> None:
    hub.faults = [Fault("/commit/", after=True)]

    upload(hub)

    assert (hub.count("/commit/"), len(hub.repositories[NAME].commits)) == (1, 2)


def test_what_went_up_before_a_failure_is_not_sent_again(hub: HubServer) -> None:
    hub.faults = [Fault("/commit/", 500) for _ in range(8)]
    with pytest.raises(RetryableError, match="Publish again: what went up is not sent twice"):
        upload(hub)

    upload(hub)

    assert hub.count("PUT /lfs") == 2
    assert hub.repositories[NAME].head[1].keys() == FILES


def someone_else(hub: HubServer, **files: bytes) -> Callable[[], object]:
    def commits() -> None:
        repository = hub.repositories[NAME]
        repository.commit({**repository.head[1], **files})
    return commits


def test_a_commit_of_someone_else_in_between_is_kept(hub: HubServer) -> None:
    hub.create(NAME)
    hub.faults = [Fault("/commit/", meanwhile=someone_else(hub, **{"notes.md": b"theirs"}))]

    upload(hub)

    assert hub.repositories[NAME].head[1].keys() == FILES | {"notes.md"}
    assert hub.count("/commit/") == 2


def test_the_same_upload_by_someone_else_in_between_is_the_end(hub: HubServer) -> None:
    upload(hub)
    tree = hub.repositories.pop(NAME).head[1]
    hub.create(NAME)
    hub.faults = [Fault("/commit/", meanwhile=someone_else(hub, **tree))]

    upload(hub)

    assert (len(hub.repositories[NAME].commits), hub.count("/commit/")) == (2, 2)  # the first upload's one among them


@pytest.mark.parametrize("headers", [{"Retry-After": "37"}, {"RateLimit": '"api";r=0;t=37'}])
def test_as_long_as_the_hub_asks_for_is_waited(hub: HubServer, pauses: list[float], headers: dict[str, str]) -> None:
    hub.faults = [Fault("/commit/", 429, headers)]

    upload(hub)

    assert 37.5 <= pauses[0] <= 38


def test_a_hub_that_asks_for_an_hour_is_left_at_once(hub: HubServer, pauses: list[float]) -> None:
    hub.faults = [Fault("/commit/", 429, {"Retry-After": "3600"})]

    with pytest.raises(RetryableError):
        upload(hub)

    assert not pauses


def test_pauses_grow_and_differ_and_come_to_an_end(hub: HubServer, pauses: list[float]) -> None:
    hub.faults = [Fault("/commit/", 500) for _ in range(20)]

    with pytest.raises(RetryableError, match="me/name on the Hub failed"):
        upload(hub)

    assert len(pauses) == 7 and pauses[0] <= 1 < pauses[2] <= 4 < pauses[4] and len(set(pauses)) == 7
    assert 30 < sum(pauses) < 100
    assert hub.repositories[NAME].head[1].keys() == {".gitattributes"}


@pytest.mark.parametrize(("fault", "words"), [
    (Fault("/commit/", 403), "token that may write"), (Fault("PUT /lfs", 401), "token that may write"),
    (Fault("/commit/", 400), "refuses to write"), (Fault("/preupload/", 402), "refuses to write"),
], ids=str)
def test_a_refusal_is_not_tried_again(hub: HubServer, pauses: list[float], fault: Fault, words: str) -> None:
    hub.faults = [fault]

    with pytest.raises(ConfigError, match=words):
        upload(hub)

    assert not pauses


def test_a_repository_of_the_other_visibility_is_not_written(hub: HubServer) -> None:
    hub.create(NAME, private=False)

    with pytest.raises(ConfigError, match="is there already and is public"):
        upload(hub)

    assert len(hub.repositories[NAME].commits) == 1


def test_a_wrong_token_a_wrong_name_and_offline_are_said_at_once(hub: HubServer, pauses: list[float], monkeypatch) -> None:
    with pytest.raises(ConfigError, match="refuses to write me/name"):
        upload(hub, token="hf_bad")
    with pytest.raises(ConfigError, match="me too/name"):
        push(data(), CARD, "me too/name", public=False, token=hub.token)
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    with pytest.raises(ConfigError, match="hf auth login"):
        upload(hub, token=None)
    assert not pauses


def test_a_hub_that_is_away_is_worth_another_try(hub: HubServer, pauses: list[float]) -> None:
    hub.stop()

    with pytest.raises(RetryableError, match="Storing me/name on the Hub failed"):
        upload(hub)

    assert len(pauses) == 7


PROGRAM = """
import json, os, sys
import datasets
from nc_latent_tod.cli import app
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.errors import CorpusError
publish = ["publish", "--group-id", "mine", "--schema", "schema.json", "--hf-username", "me"]
app([*publish, "--to", "out"], standalone_mode=False)
app(publish, standalone_mode=False)
[name] = os.listdir("out")
os.environ["HF_TOKEN"] = "hf_bad"
try:
    load_dialogues("me/" + name, "train")
except CorpusError as error:
    print(error)
os.environ["HF_TOKEN"] = "hf_good"
there, here = datasets.load_dataset("me/" + name), datasets.load_from_disk("out/" + name)
assert dict(there["train"].features) == dict(here["train"].features)
assert {split: list(rows) for split, rows in there.items()} == {split: list(rows) for split, rows in here.items()}
print(here["train"].num_rows, "rows,", len(load_dialogues("me/" + name, "train")), "dialogues")
"""


def test_what_the_command_uploads_is_what_it_writes_to_a_folder(tmp_path: Path) -> None:
    manifest_of(tmp_path, replace(partition(tmp_path, "train_0_10", ids(0, 10)), group_id="mine"))
    (tmp_path / "schema.json").write_text(json.dumps([
        {"service_name": "stay", "slots": [{"name": "area"}, {"name": "day"}], "intents": []},
        {"service_name": "eat", "slots": [{"name": "food"}], "intents": []}]))

    with HubServer() as hub:
        environment = {**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": hub.token,
                       "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}
        done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, cwd=tmp_path, capture_output=True, text=True,
                              timeout=100)

        said = " ".join(done.stdout.split())
        assert done.returncode == 0, done.stderr
        assert said.count(f"Hub {hub.url}/datasets/me/") == 2 and said.count("up to date: nothing uploaded") == 1
        assert "18 rows, 9 dialogues" in said and "the Hugging Face Hub refuses it" in said
        assert hub.count("/commit/") == 1 and not hub.unknown
