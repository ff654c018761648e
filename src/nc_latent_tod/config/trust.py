"""What a job may use of the machine that runs it.

Whoever may write into a queue chooses what a worker reads, writes and asks; whose keys and files those are, the worker's owner
says. A job run by hand may use what its caller has.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import BaseModel

from nc_latent_tod.config.job import Job
from nc_latent_tod.config.places import is_place
from nc_latent_tod.config.sections import ModelSection, RetrieverSection, TaskSection
from nc_latent_tod.config.server import ServerSection
from nc_latent_tod.errors import ConfigError

PACKAGED = "packaged:"
MODELS = frozenset({"model_name_or_path", "adapter", "tokenizer"})
"""Keys of a job that name a model; all its other places are data."""

_PORTS = {"http": 80, "https": 443}
_STORAGE = ("s3", "s3a")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)(?:://|::)")


@dataclass(frozen=True)
class Trust:
    """What the owner of a worker lets jobs use. By default: this machine's files, S3, any model, and servers on loopback.

    `keys`: (environment variable, URL that may get its value). `hosts`: `host` or `host:port` of servers that may be asked,
    without a key. `paths`: folders, URLs or exact names within which a job's places must lie; all folders of this machine and
    all buckets where it is None. `models`: folders or exact names of models; any where it is None.
    """

    keys: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for variable, url in self.keys:
            parts = _split(url)
            if not (parts and parts.hostname and parts.scheme in _PORTS) or "@" in parts.netloc:
                raise ConfigError(f"--key {variable}=...: the value is the URL of a server, such as https://api.example.com/v1.")

    def check(self, job: Job) -> None:
        """Raise `ConfigError`, which says what is not allowed and how to allow it, where `job` asks for more than this."""
        for key, place in places(job):
            name = key.rpartition(".")[2]
            if name in MODELS:
                if self.models is not None and not _within(place, self.models):
                    raise ConfigError(f"{key}: this worker loads no model {place!r}. Its owner allows it with --allow-models.")
                if _scheme(place):
                    raise ConfigError(f"{key}: this worker loads no model from the URL {place!r}: name a folder or a model of "
                                      "the Hub.")
            elif self.paths is not None and not _within(place, self.paths):
                raise ConfigError(f"{key}: this worker reads and writes nothing at {place!r}. Its owner allows it with "
                                  "--allow-paths.")
            elif self.paths is None and (scheme := _scheme(place)) and scheme not in (*_STORAGE, "file", "local"):
                raise ConfigError(f"{key}: this worker reads no {scheme} URL such as {place!r} for a job. Its owner allows it "
                                  "with --allow-paths.")
        for key, server in servers(job):
            self.variable(server, key)

    def variable(self, server: ServerSection, key: str = "server") -> str | None:
        """The environment variable whose value the server gets; None where it gets none.

        Raises `ConfigError` where the server may not be asked, or may not get the variable that the job names.
        """
        name, parts = server.api_key_variable, _split(server.base_url)
        if parts is None or not parts.hostname or "@" in parts.netloc or "\\" in server.base_url:
            raise ConfigError(f"{key}.base_url is no URL of a server that a worker asks: a name and a password have no place "
                              "in it.")
        if any(variable == name and _is_below(parts, url) for variable, url in self.keys):
            return name
        host = f"{parts.scheme}://{parts.netloc}"
        if "api_key_variable" in server.model_fields_set:
            raise ConfigError(f"{key}.api_key_variable: this worker gives the value of {name} to no job for {host}. Its owner "
                              f"allows it with --key {name}={host}/")
        is_named = any(_is_host(parts, allowed) for allowed in self.hosts)
        if not is_named and not is_loopback(parts.hostname) and not any(_is_below(parts, url) for _, url in self.keys):
            raise ConfigError(f"{key}.base_url: this worker asks no server at {host} for a job. Its owner allows it with "
                              f"--allow-hosts {parts.netloc}, or with a key: --key {name}={host}/")
        return None


class OfTheCaller(Trust):
    """A job that somebody runs by hand: it may use all that they may."""

    def check(self, job: Job) -> None:
        """Nothing is asked."""

    def variable(self, server: ServerSection, key: str = "server") -> str | None:
        """The variable that the job names."""
        return server.api_key_variable


OF_THE_CALLER = OfTheCaller()


def places(job: Job) -> Iterator[tuple[str, str]]:
    """Every path, URL, model and table that a job names: (dotted key, value), with the defaults that apply."""
    yield from _places(job, "")
    yield "output.labels_url", job.labels_url


def servers(job: Job) -> Iterator[tuple[str, ServerSection]]:
    """The servers that a job asks, by dotted key."""
    for name, task in (("dst", job.dst), ("act_tag", job.act_tag)):
        if task.model.server is not None:
            yield f"{name}.model.server", task.model.server


def keys_sent(job: Job, environment: Mapping[str, str]) -> list[str]:
    """Sentences that say which environment variable goes to which host when `job` is run by hand."""
    sent = {(server.api_key_variable, (parts.hostname or "") + (f":{parts.port}" if parts.port else ""))
            for _, server in servers(job) if server.api_key_variable in environment and (parts := _split(server.base_url))}
    return [f"the value of {variable} is sent to {host}, which the job names." for variable, host in sorted(sent)]


def asked_by(*jobs: Mapping[str, Any]) -> Trust:
    """What job templates of one's own ask for, for the workers that one starts for them."""
    found: dict[tuple[str, str], None] = {}

    def walk(part: Any) -> None:
        if isinstance(part, Mapping):
            server = part.get("server")
            if isinstance(server, Mapping) and "base_url" in server:
                section = ServerSection.model_validate(server)
                found[section.api_key_variable, section.base_url] = None
            for value in part.values():
                walk(value)

    for job in jobs:
        walk(job)
    return Trust(keys=tuple(found))


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine, in the usual spellings."""
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _places(section: BaseModel, prefix: str) -> Iterator[tuple[str, str]]:
    for name, info in type(section).model_fields.items():
        value: Any = getattr(section, name)
        if isinstance(value, BaseModel):
            if not _is_unused(section, value):
                yield from _places(value, f"{prefix}{name}.")
        elif isinstance(value, str) and is_place(info):
            if name == "model_name_or_path" and getattr(section, "server", None):
                continue  # a name that the server knows
            yield f"{prefix}{name}", f"dynamo:{value}" if getattr(section, "type", None) == "dynamo" else value


def _is_unused(section: BaseModel, part: BaseModel) -> bool:
    """Whether a part of a task's section is there by default and changes nothing."""
    if isinstance(part, RetrieverSection):
        return not part.is_enabled or (isinstance(section, TaskSection) and section.model.model_type == "none")
    return isinstance(part, ModelSection) and part.model_type in ("none", "scripted")


def _scheme(place: str) -> str | None:
    """The scheme of a URL, also of one that is chained (`zip::https://...`); None for paths and names."""
    match = _SCHEME.match(place)
    if match is None:
        return None
    return place if "::" in place else match[1].lower()


def _within(place: str, allowed: tuple[str, ...]) -> bool:
    """Whether a place is one of `allowed`, or lies below one."""
    if place.startswith(PACKAGED):
        return True
    return any(place == one or _is_under(place, one) for one in allowed)


def _is_under(place: str, folder: str) -> bool:
    scheme, other = _scheme(place), _scheme(folder)
    if scheme in ("file", "local") or scheme is None:
        if other not in ("file", "local", None) or place.startswith("dynamo:") or folder.startswith("dynamo:"):
            return False
        real, root = (Path(os.path.realpath(_local(one))) for one in (place, folder))
        return real.is_relative_to(root)
    if scheme != other or "::" in place:
        return False
    mine, theirs = ([part for part in one.partition("://")[2].split("/") if part] for one in (place, folder))
    return ".." not in mine and "." not in mine and mine[: len(theirs)] == theirs


def _local(place: str) -> str:
    return re.sub(r"\A(file|local)://", "", place, flags=re.IGNORECASE)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError:
        return None
    return parts


def _is_below(parts: SplitResult, url: str) -> bool:
    """Whether a split URL has the scheme, host and port of `url`, and its path lies below that of `url`, by whole segments."""
    root = urlsplit(url)
    if (parts.scheme, parts.hostname, _port(parts)) != (root.scheme, root.hostname, _port(root)):
        return False
    mine, theirs = ([part for part in unquote(one.path).split("/") if part] for one in (parts, root))
    return ".." not in mine and mine[: len(theirs)] == theirs


def _is_host(parts: SplitResult, allowed: str) -> bool:
    named = _split(f"//{allowed}")
    return named is not None and named.hostname == parts.hostname and named.port in (None, _port(parts))


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)
