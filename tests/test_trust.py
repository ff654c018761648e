"""A job from a queue gets what the worker's owner listed: no key, host or place beside it."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nc_latent_tod.api.connect import open_queue
from nc_latent_tod.cli.allowed import options_of, trust_of
from nc_latent_tod.cli.workers import run_queue
from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.config.places import is_place
from nc_latent_tod.config.trust import MODELS, Trust, asked_by, is_loopback, keys_sent, places
from nc_latent_tod.errors import ConfigError

SECRET = "AWS_SECRET_ACCESS_KEY"
OWN = Trust(keys=(("OPENAI_API_KEY", "https://api.openai.com/v1"),), hosts=("models.lan:8000",))


def job_data(folder: Path = Path("x"), **server: Any) -> dict[str, Any]:
    asked = {"model": {"model_type": "openai", "model_name_or_path": "tiny", "server": server} if server
             else {"model_type": "none"}, "retriever": {"type": "none"}}
    return {"data": {"eval_set_path_or_name": "packaged:simulated", "eval_set_split_name": "train_0_1",
                     "schema_path": "packaged:schema"},
            "dst": asked, "act_tag": {"model": {"model_type": "none"}},
            "output": {"labels_url": str(folder / "out")},
            "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": "g"}}


def job(folder: Path = Path("x"), **server: Any) -> Job:
    return parse_job(job_data(folder, **server))


class Listener:
    """A server that answers nothing of use and remembers each request with its headers."""

    def __init__(self, redirect_to: str = "") -> None:
        self.heard: list[dict[str, str]] = []
        heard = self.heard

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(307 if redirect_to else 404)
                if redirect_to:
                    self.send_header("Location", redirect_to)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    listener = Listener()
    yield listener
    listener.close()


def dead_letters(folder: Path, data: dict[str, Any], trust: Trust) -> list[str]:
    """Run one job of a queue as `work` does; the reasons of its dead letters."""
    queue = open_queue(str(folder / "queue"))
    queue.put(data)
    run_queue(queue, trust=trust, lease_s=60, drain=True, max_jobs=1)
    return [letter.reason for letter in queue.status().dead]


def test_a_queued_job_sends_no_variable_to_a_server_that_its_owner_did_not_list(tmp_path, listener, monkeypatch):
    monkeypatch.setenv(SECRET, "hunter2")
    data = job_data(tmp_path, base_url=f"http://127.0.0.1:{listener.port}/v1", api_key_variable=SECRET)

    [reason] = dead_letters(tmp_path, data, Trust())

    assert listener.heard == []
    assert f"--key {SECRET}=http://127.0.0.1:{listener.port}/" in reason and "hunter2" not in reason


def test_a_listed_key_arrives_and_where_the_server_sends_on_nothing_follows(tmp_path, listener, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of the owner")
    first = Listener(redirect_to=f"http://127.0.0.1:{listener.port}/v1/completions")
    url = f"http://127.0.0.1:{first.port}/v1"

    [reason] = dead_letters(tmp_path, job_data(tmp_path, base_url=url, retries=0), Trust(keys=(("OPENAI_API_KEY", url),)))
    first.close()

    assert {one["authorization"] for one in first.heard} == {"Bearer of the owner"}
    assert listener.heard == [] and "does not score" in reason


def test_a_server_on_loopback_is_asked_without_a_key(tmp_path, listener, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "of the owner")

    dead_letters(tmp_path, job_data(tmp_path, base_url=f"http://127.0.0.1:{listener.port}/v1"), Trust())

    assert listener.heard and not any("of the owner" in value for one in listener.heard for value in one.values())


@pytest.mark.parametrize("server", [
    {"base_url": "https://api.openai.com/v1", "api_key_variable": SECRET},  # another variable to the listed host
    {"base_url": "https://api.openai.com.evil.org/v1", "api_key_variable": "OPENAI_API_KEY"},  # the listed host as a prefix
    {"base_url": "https://api.openai.com@evil.org/v1", "api_key_variable": "OPENAI_API_KEY"},  # as a user's name
    {"base_url": "https://evil.org/api.openai.com/v1", "api_key_variable": "OPENAI_API_KEY"},
    {"base_url": "http://api.openai.com/v1", "api_key_variable": "OPENAI_API_KEY"},  # in the clear
    {"base_url": "https://api.openai.com:8443/v1", "api_key_variable": "OPENAI_API_KEY"},  # another port
    {"base_url": "https://api.openai.com/v1/../v2", "api_key_variable": "OPENAI_API_KEY"},
    {"base_url": "https://api.openai.com/v1/%2e%2e/v2", "api_key_variable": "OPENAI_API_KEY"},
    {"base_url": "https://api.openai.com/v10", "api_key_variable": "OPENAI_API_KEY"},  # a longer segment
    {"base_url": "https:\\\\evil.org\\@api.openai.com/v1"},
    {"base_url": "http://models.lan:8001/v1"},  # another port of a listed host
    {"base_url": "http://2130706433/v1"},  # loopback as one number is no usual spelling
    {"base_url": "http://169.254.169.254/latest/meta-data"},
    {"base_url": "https://evil.org/v1"},
    {"base_url": "https://[::ffff:10.0.0.1]/v1"},
    {"base_url": "https://user:password@models.lan:8000/v1"},
    {"base_url": "https://evil.org#@api.openai.com/v1"},
    {"base_url": "https://evil.org?@api.openai.com/v1"},
    {"base_url": "http://models.lan:80o0/v1"},
])
def test_no_spelling_of_a_server_reaches_beyond_the_owners_list(server):
    try:
        asked = parse_job(job_data(**server))
    except ConfigError:
        return  # not even a job
    with pytest.raises(ConfigError):
        OWN.check(asked)


@pytest.mark.parametrize("server", [
    {"base_url": "https://api.openai.com/v1", "api_key_variable": "OPENAI_API_KEY"},
    {"base_url": "https://API.OpenAI.com:443/v1/"},
    {"base_url": "http://models.lan:8000/v1"},
    {"base_url": "http://localhost:8000/v1"},
    {"base_url": "http://[::1]:8000/v1"},
])
def test_what_the_owner_lists_is_allowed_in_any_spelling(server):
    OWN.check(job(**server))


def test_loopback_is_known_by_its_usual_names():
    assert all(map(is_loopback, ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]")))
    assert not any(map(is_loopback, ("localhost.evil.org", "2130706433", "0x7f000001", "127.1", "10.0.0.1", "")))


@pytest.mark.parametrize(("key", "value"), [
    (("data", "eval_set_path_or_name"), "http://169.254.169.254/logs.jsonl"),
    (("data", "schema_path"), "https://evil.org/schema.json"),
    (("data", "entities_path"), "ftp://evil.org/table.json"),
    (("data", "entities_path"), "simplecache::https://evil.org/table.json"),
    (("output", "labels_url"), "ssh://evil.org/out"),
    (("output", "labels_url"), "memory://out"),
    (("manifest", "manifest_path"), "http://evil.org"),
    (("dst", "model", "model_name_or_path"), "https://evil.org/model"),
])
def test_by_default_a_job_reaches_no_place_of_another_protocol(key, value):
    data = job_data()
    data["dst"] = {"model": {"model_type": "huggingface", "model_name_or_path": "x"}}
    part: Any = data
    for name in key[:-1]:
        part = part.setdefault(name, {})
    part[key[-1]] = value

    with pytest.raises(ConfigError, match=key[-1]):
        Trust().check(parse_job(data))


def test_by_default_files_and_buckets_are_those_that_the_worker_can_reach(tmp_path):
    for url in (str(tmp_path), "out", "s3://bucket/folder", f"file://{tmp_path}"):
        Trust().check(parse_job({**job_data(), "output": {"labels_url": url}}))


@pytest.mark.parametrize("place", ["{0}/../secret", "{0}/link/x", "/etc/passwd", "file:///etc", "s3://bucket/other", "s3://bucket",
                                   "s3://bucket/team/../other", "s3://bucket-2/team", "relative", "{0}-2/x", "http://bucket/team"])
def test_a_worker_that_lists_its_places_is_led_to_no_other(tmp_path, place):
    inside = tmp_path / "work"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    trust = Trust(paths=(str(inside), "s3://bucket/team"))
    data = {**job_data(inside), "output": {"labels_url": place.format(inside)}}

    with pytest.raises(ConfigError, match="--allow-paths"):
        trust.check(parse_job(data))


def test_a_worker_that_lists_its_places_uses_those(tmp_path):
    trust = Trust(paths=(str(tmp_path), "s3://bucket/team", "dynamo:table"))

    for url in (str(tmp_path), f"{tmp_path}/deeper/down", f"file://{tmp_path}/x", "s3://bucket/team", "s3://bucket/team/x"):
        trust.check(parse_job({**job_data(tmp_path), "output": {"labels_url": url}}))
    data = job_data(tmp_path)
    data["manifest"] = {**data["manifest"], "type": "dynamo", "manifest_path": "table"}
    trust.check(parse_job(data))
    data["manifest"]["manifest_path"] = "payroll"
    with pytest.raises(ConfigError, match="dynamo:payroll"):
        trust.check(parse_job(data))


def test_a_worker_that_lists_its_models_loads_no_other(tmp_path):
    trust = Trust(models=("bigcode/starcoder", str(tmp_path)))

    def with_model(**model: str) -> Job:
        task = {"model": {"model_type": "huggingface", **model}, "retriever": {"type": "none"}}
        return parse_job({**job_data(), "dst": task})

    trust.check(with_model(model_name_or_path="bigcode/starcoder", adapter=str(tmp_path / "adapter")))
    trust.check(with_model(model_name_or_path="packaged:tiny-starcoder"))
    for model in ({"model_name_or_path": "evil/model"}, {"model_name_or_path": "bigcode/starcoder", "adapter": "evil/adapter"},
                  {"model_name_or_path": f"{tmp_path}/../other"}):
        with pytest.raises(ConfigError, match="--allow-models"):
            trust.check(with_model(**model))
    retrieving = parse_job({**job_data(), "dst": {"model": {"model_type": "scripted"},
                                                  "retriever": {"model_name_or_path": "evil/encoder"}}})
    with pytest.raises(ConfigError, match="evil/encoder"):
        trust.check(retrieving)


def test_every_place_that_a_job_can_name_is_looked_at():
    """A new key that names a place is a decision: what may a queued job read or write there?"""
    def named(section: Any, prefix: str = "") -> set[str]:
        found = set()
        for name, info in section.model_fields.items():
            found |= {f"{prefix}{name}"} if is_place(info) else set()
            for part in (info.annotation, *getattr(info.annotation, "__args__", ())):
                if hasattr(part, "model_fields"):
                    found |= named(part, f"{prefix}{name}.")
        return found

    known = {"data.eval_set_path_or_name", "data.schema_path", "data.entities_path", "output.labels_url",
             "manifest.manifest_path", "dst.generation_cfg.proposal_ranker",
             *(f"{task}.{name}" for task in ("dst", "act_tag") for name in (
                 "model.model_name_or_path", "model.adapter", "model.server.tokenizer", "retriever.model_name_or_path"))}

    assert named(Job) == known
    assert {name.rpartition(".")[2] for name in known if ".model." in name or ".retriever." in name} == MODELS
    data = job_data()
    data["dst"] = {"model": {"model_type": "huggingface", "model_name_or_path": "m", "adapter": "a"},
                   "generation_cfg": {"proposal_ranker": "r", "proposals": 8}}
    assert {"dst.model.adapter", "dst.generation_cfg.proposal_ranker", "dst.retriever.model_name_or_path",
            "output.labels_url"} <= {key for key, _ in places(parse_job(data))}


def test_options_say_what_is_allowed_and_are_given_on_to_further_workers():
    trust = trust_of(["A=https://a.org/", "A=https://b.org/v1"], ["h:1"], ["/data"], ["m"])

    given = options_of(trust)

    assert given == ["--key", "A=https://a.org/", "--key", "A=https://b.org/v1", "--allow-hosts", "h:1",
                     "--allow-paths", "/data", "--allow-models", "m"]
    for wrong in ("A", "A=ftp://x", "A=https://user:pw@x.org", "1A=https://x.org", "=https://x.org"):
        with pytest.raises(ConfigError, match="--key"):
            trust_of([wrong], None, None, None)


def test_who_runs_a_job_by_hand_is_told_where_which_variable_goes():
    asked = job(base_url="https://user:pw@api.example.com:8443/v1", api_key_variable="MY_KEY")

    assert keys_sent(asked, {"MY_KEY": "x"}) == ["the value of MY_KEY is sent to api.example.com:8443, which the job names."]
    assert keys_sent(asked, {}) == []


def test_rounds_give_their_own_workers_what_their_own_file_asks_for():
    template = json.loads(json.dumps(job_data(base_url="https://api.example.com/v1", api_key_variable="MY_KEY")))

    asked_by({}, template).check(parse_job(template))
