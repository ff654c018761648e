"""Schema files in: `schema.json` in the schema-guided format, a folder that has one, or a packaged one."""

from __future__ import annotations

import json
from pathlib import Path

from nc_latent_tod.errors import ConfigError
from nc_latent_tod.schema import Schema

PACKAGED = "packaged:"


def load_schema(path: str | Path) -> Schema:
    """Read the schema at `path`: a JSON file, a folder with a `schema.json`, or `packaged:schema`.

    Raises `ConfigError` naming the file where it is missing, is not JSON or is not a schema.
    """
    if str(path).startswith(PACKAGED):
        return _packaged(str(path).removeprefix(PACKAGED))
    file = Path(path)
    if file.is_dir():
        file = file / "schema.json"
    try:
        services = json.loads(file.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"No schema at {file}. Give the schema.json of your services, in the schema-guided format "
                          "(a list of services with slots and intents), or packaged:schema.") from None
    except OSError as error:
        raise ConfigError(f"The schema {file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"The schema {file} is not UTF-8 ({error.reason} {error.object[error.start:error.end]!r}). Convert "
                          "the file to UTF-8.") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"The schema {file} is not JSON ({error}). A schema is a JSON list of services with slots and "
                          "intents; `nc-latent-tod schema draft TABLE` drafts one from a CSV or JSON entity table.") from None
    try:
        return Schema.from_json(services)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def _packaged(name: str) -> Schema:
    if name != "schema":
        raise ConfigError(f"There is no packaged schema {name!r}. Did you mean 'packaged:schema'?")
    from nc_latent_tod.corpus.packaged import packaged_schema

    return packaged_schema()
