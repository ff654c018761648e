"""What the owner of a worker lets the jobs of its queue use: options, with an environment variable each for containers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.errors import ConfigError

if TYPE_CHECKING:
    from nc_latent_tod.config.trust import Trust

KeyOption = Annotated[list[str] | None, typer.Option(
    "--key", metavar="VARIABLE=URL", envvar="NC_LATENT_TOD_KEYS", show_default=False, rich_help_panel="What jobs may use",
    help="Send the value of this environment variable to the server of a job, below this URL alone. May be repeated. "
         "Default: no job gets a key.")]
HostsOption = Annotated[list[str] | None, typer.Option(
    "--allow-hosts", metavar="HOST[:PORT]", envvar="NC_LATENT_TOD_ALLOW_HOSTS", show_default=False,
    rich_help_panel="What jobs may use", help="Let jobs ask the server at this host, without a key. May be repeated. Default: "
                                              "loopback.")]
PathsOption = Annotated[list[str] | None, typer.Option(
    "--allow-paths", metavar="PLACE", envvar="NC_LATENT_TOD_ALLOW_PATHS", show_default=False,
    rich_help_panel="What jobs may use", help="Let jobs read and write below this folder or URL (s3://bucket/prefix, "
                                              "dynamo:TABLE) alone. May be repeated. Default: all files and buckets that this "
                                              "worker can reach.")]
ModelsOption = Annotated[list[str] | None, typer.Option(
    "--allow-models", metavar="NAME", envvar="NC_LATENT_TOD_ALLOW_MODELS", show_default=False,
    rich_help_panel="What jobs may use", help="Let jobs load this model, encoder or adapter, or those in this folder, alone. "
                                              "May be repeated. Default: any.")]


def trust_of(keys: Sequence[str] | None, hosts: Sequence[str] | None, paths: Sequence[str] | None,
             models: Sequence[str] | None) -> Trust:
    """What the options say. Raises `ConfigError` where one is of another form."""
    from nc_latent_tod.config.trust import Trust

    given: dict[tuple[str, str], None] = {}
    for key in keys or ():
        variable, equals, url = key.partition("=")
        if not (equals and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", variable)):
            raise ConfigError(f"--key {variable}: give an environment variable and the URL that may get its value: "
                              "--key OPENAI_API_KEY=https://api.example.com/v1")
        given[variable, url] = None
    return Trust(keys=tuple(given), hosts=tuple(hosts or ()), paths=tuple(paths) if paths else None,
                 models=tuple(models) if models else None)


def options_of(trust: Trust) -> list[str]:
    """The options that say it, for a worker process of one's own."""
    given = {"--key": [f"{variable}={url}" for variable, url in trust.keys], "--allow-hosts": trust.hosts,
             "--allow-paths": trust.paths or (), "--allow-models": trust.models or ()}
    return [part for name, values in given.items() for value in values for part in (name, value)]
