"""The command `annotate push`: a round into Label Studio."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.annotate_page import ManifestOfRound, RoundArgument, SchemaOfRound
from nc_latent_tod.cli.console import JsonOption, epilog, print_json, say
from nc_latent_tod.errors import ConfigError

app = typer.Typer()


def label_studio_key() -> str:
    """The access token that the environment holds, "" where it holds none."""
    from nc_latent_tod.api.annotate_label_studio import KEY_VARIABLE

    return os.environ.get(KEY_VARIABLE, "").strip()


@app.command(epilog=epilog("nc-latent-tod annotate push annotations/round-0.json --to http://localhost:8080",
                           "nc-latent-tod annotate push annotations/round-0.json --to-dir label_studio_files"))
def push(
    made: RoundArgument,
    to: Annotated[str | None, typer.Option("--to", metavar="URL", show_default=False,
                                           help="A Label Studio server. LABEL_STUDIO_API_KEY has your access token there.")]
    = None,
    to_dir: Annotated[Path | None, typer.Option("--to-dir", metavar="FOLDER", show_default=False,
                                                help="Write files for its storage of local files instead.")] = None,
    manifest: ManifestOfRound = None,
    schema: SchemaOfRound = None,
    as_json: JsonOption = False,
) -> None:
    """Make a labelling project of a round: configuration from the schema, a task a turn, predictions. Twice adds nothing."""
    from nc_latent_tod.api.annotate_label_studio import push_round, push_round_to_folder

    if (to is None) == (to_dir is None):
        raise ConfigError("Where to? Name a server with --to URL, or a folder with --to-dir FOLDER.")
    if to is not None:
        done = push_round(made, url=to, key=label_studio_key(), manifest=manifest, schema=schema)
    else:
        done = push_round_to_folder(made, folder=to_dir or "", manifest=manifest, schema=schema)
    if as_json:
        print_json({"place": done.place, "tasks": done.tasks, "added": done.added})
    else:
        say(f"{done.place}: {done.tasks} tasks, {done.added} of them new.")
