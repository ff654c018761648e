"""Uploading, against a small Hub on a loopback port that keeps what the client commits."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROGRAM = """
import sys
import datasets
from nc_latent_tod.corpus import load_dialogues
from nc_latent_tod.errors import NcLatentTodError
from nc_latent_tod.publish.hub import push
row = {"dialogue_id": "a", "turn_id": 0, "system_utterances": [""], "user_utterances": ["hi"], "system_response": "yes"}
data = datasets.DatasetDict({"train": datasets.Dataset.from_list([row])})
try:
    if sys.argv[1] == "read":
        print(load_dialogues("me/name"))
        sys.exit()
    print(push(data, "---\\nlicense: mit\\n---\\n\\n# Card\\n", "me/name", public=sys.argv[1] == "public", token=sys.argv[2]))
except NcLatentTodError as error:
    print(type(error).__name__, error)
"""


class Hub(BaseHTTPRequestHandler):
    """The calls of an upload: small files come with the commit, Parquet files by Git LFS; the last version is kept."""

    repositories: dict[str, bool]  # private, by name
    files: dict[str, bytes]
    large: dict[str, bytes]  # by sha256

    def do_POST(self):
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if self.headers.get("Authorization") != "Bearer good":
            return self.answer(401, {"error": "Invalid credentials"})
        if self.path == "/api/repos/create":
            wanted = json.loads(body)
            if "me/name" in self.repositories:
                return self.answer(409, {"error": "exists", "url": self.url()})
            self.repositories["me/name"] = wanted.get("visibility") == "private" or wanted.get("private", False)
            return self.answer(200, {"url": self.url()})
        if "/preupload/" in self.path:
            asked = json.loads(body)["files"]
            modes = [{"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(".parquet") else "regular",
                      "shouldIgnore": False} for f in asked]
            return self.answer(200, {"files": modes})
        if self.path.endswith("/info/lfs/objects/batch"):
            objects = [{**o, "actions": {"upload": {"href": f"{self.url()}/lfs/{o['oid']}"}}}
                       for o in json.loads(body)["objects"]]
            return self.answer(200, {"transfer": "basic", "objects": objects})
        if "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                if line["key"] == "lfsFile":
                    self.files[line["value"]["path"]] = self.large[line["value"]["oid"]]
            return self.answer(200, {"commitUrl": f"{self.url()}/commit/{'0' * 40}", "commitOid": "0" * 40})
        return self.answer(200, {"errors": [], "warnings": []})

    def do_GET(self):
        if self.headers.get("Authorization") != "Bearer good":
            return self.answer(401, {"error": "Invalid credentials"})
        if self.path.startswith("/api/datasets/me/name/tree"):
            folder = self.path.partition("?")[0].partition("/tree/")[2].partition("/")[2]
            inside = {path: data for path, data in self.files.items() if path.startswith(folder)}
            if folder and not inside:
                return self.answer(404, {"error": "Entry not found"}, "EntryNotFound")
            entries = [{"type": "file", "path": p, "oid": "0" * 40, "size": len(d)} for p, d in inside.items()]
            folders = [] if folder else [{"type": "directory", "path": "data", "oid": "0" * 40, "size": 0}]
            return self.answer(200, entries + folders)
        if self.path.startswith("/api/datasets/me/name"):
            found = {"id": "me/name", "private": self.repositories["me/name"], "sha": "0" * 40, "siblings": []}
            return self.answer(200, found)
        name = self.path.partition("/resolve/")[2].partition("/")[2]
        if name in self.files:
            return self.answer(200, self.files[name])
        return self.answer(404, {"error": "Entry not found"}, "EntryNotFound")

    def do_PUT(self):
        self.large[self.path.rpartition("/")[2]] = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, {})

    do_HEAD = do_GET

    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/datasets/me/name"

    def answer(self, status: int, content: object, code: str = "") -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        headers = {"Content-Length": str(len(data)), "ETag": f'"{hashlib.sha256(data).hexdigest()}"',
                   "X-Repo-Commit": "0" * 40, "X-Error-Code": code}
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub():
    handler = type("FreshHub", (Hub,), {"repositories": {}, "files": {}, "large": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def uploaded(hub: ThreadingHTTPServer, tmp_path: Path, visibility: str = "private", token: str = "good") -> str:
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}", "HF_HOME": str(tmp_path / "hf"),
                   "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": token, "HF_HUB_DISABLE_TELEMETRY": "1",
                   "HF_HUB_OFFLINE": str(int(visibility == "offline"))}
    done = subprocess.run([sys.executable, "-c", PROGRAM, visibility, token], env=environment, capture_output=True, text=True,
                          timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("visibility", "is_private"), [("private", True), ("public", False)])
def test_a_dataset_goes_up_with_its_card_and_is_private_unless_asked_otherwise(hub, tmp_path, visibility, is_private):
    assert uploaded(hub, tmp_path, visibility).strip().endswith("/datasets/me/name")
    files = hub.RequestHandlerClass.files
    assert hub.RequestHandlerClass.repositories == {"me/name": is_private}
    assert files["data/train-00000-of-00001.parquet"].startswith(b"PAR1")
    card = files["README.md"].decode()
    assert "license: mit" in card
    assert "# Card" in card
    assert "dataset_info" in card  # added by the upload of the data


def test_what_went_up_is_a_corpus_for_those_who_may_read_it(hub, tmp_path):
    uploaded(hub, tmp_path)
    assert "user_utterance='hi', system_response='yes'" in uploaded(hub, tmp_path, "read")
    assert "CorpusError 'me/name' is not a path here, and the Hugging Face Hub refuses it" in uploaded(
        hub, tmp_path / "stranger", "read", token="bad")


def test_a_public_repository_of_that_name_is_not_written_as_private(hub, tmp_path):
    hub.RequestHandlerClass.repositories["me/name"] = False
    assert "ConfigError" in (said := uploaded(hub, tmp_path))
    assert "is there already and is public" in said
    assert hub.RequestHandlerClass.files == {}


def test_a_token_that_may_not_write_is_one_clear_error(hub, tmp_path):
    assert "ConfigError The Hub refuses to write me/name" in uploaded(hub, tmp_path, token="bad")


def test_offline_is_said_at_once(hub, tmp_path):
    assert "ConfigError HF_HUB_OFFLINE forbids to upload me/name" in uploaded(hub, tmp_path, "offline")


def test_a_hub_that_is_away_is_worth_another_try(hub, tmp_path):
    hub.server_close()
    assert "RetryableError Storing me/name on the Hub failed" in uploaded(hub, tmp_path)
