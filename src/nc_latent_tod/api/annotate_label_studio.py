"""A round in Label Studio: pushed as a project, and its annotations pulled as corrections."""

from __future__ import annotations

import json
from pathlib import Path

from nc_latent_tod.annotation.corrections import Correction
from nc_latent_tod.annotation.label_studio import KEY_VARIABLE
from nc_latent_tod.annotation.label_studio.project import project
from nc_latent_tod.annotation.label_studio.pull import from_export
from nc_latent_tod.annotation.label_studio.push import Pushed, push, write_folder
from nc_latent_tod.annotation.label_studio.server import LabelStudio
from nc_latent_tod.api.annotate_page import round_forms
from nc_latent_tod.errors import ConfigError, DamagedError
from nc_latent_tod.system.files import read_bytes

__all__ = ["KEY_VARIABLE", "corrections_of_export", "corrections_on_server", "push_round", "push_round_to_folder"]


def push_round(path: str | Path, *, url: str, key: str, manifest: str | None = None, schema: str | None = None) -> Pushed:
    """Put the round at `path` on a server, once: what is there already stays. `key`: an access token of an account there.

    Raises `ConfigError` where the server refuses or its project has another configuration, `RetryableError` where it is down.
    """
    made = project(*round_forms(path, manifest=manifest, schema=schema))
    with LabelStudio(url, key) as server:
        return push(server, made)


def push_round_to_folder(path: str | Path, *, folder: str | Path, manifest: str | None = None,
                         schema: str | None = None) -> Pushed:
    """Write the round at `path` as files that a source storage of Label Studio reads. Raises `ConfigError`."""
    return write_folder(project(*round_forms(path, manifest=manifest, schema=schema)), folder)


def corrections_on_server(path: str | Path, *, url: str, key: str, manifest: str | None = None,
                          schema: str | None = None) -> list[Correction]:
    """The corrections of the round at `path` that are on a server.

    Raises `ConfigError` where the round was not pushed there, `CorpusError` where an annotation cannot be taken.
    """
    made, shown, followed = round_forms(path, manifest=manifest, schema=schema)
    title = project(made, shown, followed).title
    with LabelStudio(url, key) as server:
        found = server.projects(title)
        if not found:
            raise ConfigError(f"{server.url} has no project {title!r} that this account sees: push the round first.")
        rows, users = server.export(found[0]["id"]), server.users()
    return from_export(rows, made, {form.example.turn.key: form.example for form in shown}, followed,
                       f"The project {title!r} at {url}", users=users)


def corrections_of_export(path: str | Path, export: str, *, manifest: str | None = None,
                          schema: str | None = None) -> list[Correction] | None:
    """The corrections of the round at `path` in an export file, `JSON` or `JSON_MIN`; None where the file is no list.

    Raises `CorpusError` where an annotation cannot be taken.
    """
    try:
        rows = json.loads(read_bytes(export))
    except (ValueError, RecursionError, DamagedError):
        return None
    if not isinstance(rows, list):
        return None
    made, shown, followed = round_forms(path, manifest=manifest, schema=schema)
    return from_export(rows, made, {form.example.turn.key: form.example for form in shown}, followed, export)
