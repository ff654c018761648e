"""The schema that a group's labels follow, where no option names it."""

from __future__ import annotations

from nc_latent_tod.corpus.schemas import PACKAGED, load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.manifests import Manifest
from nc_latent_tod.schema import Schema


def schema_path_of(manifest: Manifest, group_id: str) -> str | None:
    """The path that the group's jobs named; None where no entry says, as in those of earlier versions.

    Raises `ConfigError` where they named several.
    """
    paths = sorted({entry.schema_path for entry in manifest.entries(group_id)} - {""})
    if len(paths) > 1:
        raise ConfigError(f"The runs of {group_id!r} were labelled with several schemas: {', '.join(paths)}. Name the one that "
                          "all labels fit with --schema.")
    return paths[0] if paths else None


def schema_of_group(manifest: Manifest, group_id: str) -> Schema:
    """The schema that the group's jobs named, or else the packaged one. Raises `ConfigError` where it is gone."""
    path = schema_path_of(manifest, group_id) or f"{PACKAGED}schema"
    try:
        return load_schema(path)
    except ConfigError as error:
        raise ConfigError(f"The runs of {group_id!r} were labelled with the schema {path}: {error} If it is elsewhere now, "
                          "name it with --schema.") from error
