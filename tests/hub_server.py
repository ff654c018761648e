"""A small strict Hub on loopback: repositories with commits, Git LFS, compare-and-swap, and faults on demand.

It checks what the real one checks (token, sha256 of what is stored, parent commit, known revisions) and answers 501 to
whatever it does not know, which `unknown` then names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Tree = dict[str, bytes]


@dataclass
class Repository:
    """Commits, the newest last, each with its id and files."""

    private: bool
    commits: list[tuple[str, Tree]] = field(default_factory=list)

    def commit(self, tree: Tree) -> str:
        oid = hashlib.sha1(f"{len(self.commits)}{sorted(tree)}".encode()).hexdigest()
        self.commits.append((oid, tree))
        return oid

    @property
    def head(self) -> tuple[str, Tree]:
        return self.commits[-1]


@dataclass
class Fault:
    """What happens instead of, or besides, the answer to the next request whose "METHOD path" contains `where`."""

    where: str
    status: int = 0  # answered instead; 0: the connection is closed
    headers: dict[str, str] = field(default_factory=dict)
    after: bool = False  # the request is acted upon first, and its answer is lost
    meanwhile: Callable[[], object] | None = None  # called first


class HubServer:
    """Runs from `with` to the end of the block. `token` may read and write."""

    token = "hf_good"

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}  # by sha256
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.unknown: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> HubServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def create(self, name: str, *, private: bool = True) -> Repository:
        self.repositories[name] = Repository(private)
        self.repositories[name].commit({".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"})
        return self.repositories[name]

    def writes(self) -> list[str]:
        """Requests that change something, since the start."""
        return [request for request in self.requests if not request.startswith(("GET", "HEAD"))]

    def count(self, part: str) -> int:
        return sum(part in request for request in self.requests)


def _is_large(path: str) -> bool:
    return path.endswith(".parquet")


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer

    def _act(self) -> None:
        hub, length = self.hub, int(self.headers.get("Content-Length") or 0)
        body, asked = self.rfile.read(length), f"{self.command} {unquote(self.path)}"
        hub.requests.append(asked)
        fault = next((fault for fault in hub.faults if fault.where in asked), None)
        if fault:
            hub.faults.remove(fault)
            if fault.meanwhile:
                fault.meanwhile()
            elif fault.status:
                return self._send(fault.status, {"error": "a fault of the test"}, fault.headers)
            elif fault.after:
                self._answer(body)
                return None
            else:
                return None
        return self._send(*self._answer(body))

    do_GET = do_HEAD = do_POST = do_PUT = _act

    def _answer(self, body: bytes) -> tuple[int, Any, dict[str, str]]:
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if parts[0] == "lfs":  # signed addresses: no token
            return self._put_large(parts[1], body)
        if self.headers.get("Authorization") != f"Bearer {self.hub.token}":
            return 401, {"error": "Invalid credentials in Authorization header"}, {}
        match parts:
            case ["api", "repos", "create"]:
                return self._create(json.loads(body))
            case ["api", "validate-yaml"]:
                return 200, {"errors": [], "warnings": []}, {}
            case ["api", "datasets", user, name, *rest]:
                return self._of_repository(f"{user}/{name}", rest, body, parse_qs(url.query))
            case ["datasets", _, name, "info", "lfs", "objects", "batch"] if name.endswith(".git"):
                return self._batch(json.loads(body))
            case ["datasets", user, name, "resolve", revision, *path]:
                return self._file(f"{user}/{name}", revision, "/".join(path))
        return self._not_known()

    def _create(self, wanted: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        name = f"{wanted['organization']}/{wanted['name']}"
        answer = {"url": f"{self.hub.url}/datasets/{name}"}
        if name in self.hub.repositories:
            return 409, {"error": "You already created this repo", **answer}, {}
        assert wanted["type"] == "dataset"
        self.hub.create(name, private=wanted["visibility"] == "private")
        return 200, answer, {}

    def _of_repository(self, name: str, rest: list[str], body: bytes, query: dict[str, list[str]]
                       ) -> tuple[int, Any, dict[str, str]]:
        repository = self.hub.repositories.get(name)
        if repository is None:
            return 404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"}
        if not rest or rest[0] == "revision":
            oid, tree = repository.head
            return 200, {"id": name, "private": repository.private, "sha": oid,
                         "siblings": [{"rfilename": path} for path in tree]}, {}
        action, revision, *path = rest
        tree = next((tree for oid, tree in reversed(repository.commits) if revision in (oid, "main")), None)
        if tree is None:
            return 404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"}
        if action == "tree":
            return _listed(tree, "/".join(path), query.get("recursive", ["false"])[0].lower() in ("1", "true"))
        if action == "paths-info":
            wanted = parse_qs(body.decode())["paths"]
            return 200, [_entry(path, tree[path]) for path in wanted if path in tree], {}
        if action == "preupload":
            return 200, {"files": [
                {"path": file["path"], "uploadMode": "lfs" if _is_large(file["path"]) else "regular", "shouldIgnore": False,
                 **({"oid": _oid(file["path"], tree[file["path"]])} if file["path"] in tree else {})}
                for file in json.loads(body)["files"]]}, {}
        if action == "commit":
            return self._commit(name, repository, [json.loads(line) for line in body.splitlines()])
        return self._not_known()

    def _commit(self, name: str, repository: Repository, lines: list[dict[str, Any]]) -> tuple[int, Any, dict[str, str]]:
        parent = lines[0]["value"].get("parentCommit")
        oid, tree = repository.head
        if parent not in (None, oid):
            return 412, {"error": "A commit has happened since. Please refresh and try again."}, {}
        tree = dict(tree)
        for key, value in ((line["key"], line["value"]) for line in lines[1:]):
            if key == "file":
                if _is_large(value["path"]):
                    return 400, {"error": "This file has to be stored by Git LFS"}, {}
                tree[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if len(self.hub.large.get(value["oid"], b"")) != value["size"]:
                    return 400, {"error": f"LFS pointer points to a file that does not exist: {value['oid']}"}, {}
                tree[value["path"]] = self.hub.large[value["oid"]]
            elif key == "deletedFile":
                del tree[value["path"]]
            else:
                return 400, {"error": f"unknown key {key}"}, {}
        made = repository.commit(tree)
        return 200, {"commitUrl": f"{self.hub.url}/datasets/{name}/commit/{made}", "commitOid": made}, {}

    def _batch(self, asked: dict[str, Any]) -> tuple[int, Any, dict[str, str]]:
        assert asked["operation"] == "upload" and asked["hash_algo"] == "sha256"
        return 200, {"transfer": "basic", "objects": [
            {**thing, **({} if thing["oid"] in self.hub.large else {"actions": {
                "upload": {"href": f"{self.hub.url}/lfs/{thing['oid']}"},
                "verify": {"href": f"{self.hub.url}/lfs/{thing['oid']}"}}})} for thing in asked["objects"]]}, {}

    def _put_large(self, oid: str, body: bytes) -> tuple[int, Any, dict[str, str]]:
        if self.command == "POST":
            return (200 if oid in self.hub.large else 404), {}, {}
        if hashlib.sha256(body).hexdigest() != oid:
            return 400, {"error": "the sha256 differs"}, {}
        self.hub.large[oid] = body
        return 200, {}, {}

    def _file(self, name: str, revision: str, path: str) -> tuple[int, Any, dict[str, str]]:
        for oid, tree in reversed(self.hub.repositories[name].commits):
            if revision in (oid, "main") and path in tree:
                return 200, tree[path], {"X-Repo-Commit": oid, "ETag": f'"{_oid(path, tree[path])}"'}
        return 404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"}

    def _not_known(self) -> tuple[int, Any, dict[str, str]]:
        self.hub.unknown.append(f"{self.command} {self.path}")
        return 501, {"error": "not part of this Hub"}, {}

    def _send(self, status: int, content: Any, headers: dict[str, str]) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for key, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *arguments: object) -> None:
        pass


def _listed(tree: Tree, folder: str, recursive: bool) -> tuple[int, Any, dict[str, str]]:
    inside = {path: data for path, data in tree.items() if not folder or path.startswith(f"{folder}/")}
    if folder and not inside:
        return 404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"}
    below = {path: path[len(folder):].strip("/") for path in inside}
    folders = {f"{folder}/{rest.partition('/')[0]}".strip("/") for rest in below.values() if "/" in rest}
    files = [_entry(path, data) for path, data in inside.items() if recursive or "/" not in below[path]]
    return 200, files + [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in sorted(folders)], {}


def _entry(path: str, data: bytes) -> dict[str, Any]:
    large = {"lfs": {"oid": _oid(path, data), "size": len(data), "pointerSize": 134}} if _is_large(path) else {}
    return {"type": "file", "path": path, "size": len(data), "oid": "0" * 40 if large else _oid(path, data), **large}


def _oid(path: str, data: bytes) -> str:
    if _is_large(path):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
