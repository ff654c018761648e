"""Entity tables in: what a service's database holds, as {service: [{slot: value}]}."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.json_files import json_document
from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.schema import Schema, Service, identifier

EntityTable = dict[str, list[dict[str, str]]]

_SUFFIX = "_db"
_UNKNOWN = frozenset({"", "?", "none", "unknown", "n/a", "null"})


def load_entities(path: str | Path, schema: Schema) -> EntityTable:
    """Read an entity table: a JSON file {service: [{slot: value}]}, or a folder of `<service>_db.json` or `<service>.json`.

    Services and slots are matched to the schema's whatever their case, spaces and underscores; a key of no slot keeps its
    name, a value that is not text or a number is left out, and so is a file or section of no service. Raises `ConfigError`
    where nothing is there or no section is a service of the schema.
    """
    source = Path(path)
    if source.is_dir():
        sections = {file.stem.removesuffix(_SUFFIX): json_document(file) for file in sorted(source.glob("*.json"))
                    if file.stem != "schema"}
    elif source.is_file():
        sections = json_document(source)
    else:
        raise ConfigError(f"No entity table at {source} (data.entities_path). Give a JSON file {{service: [{{slot: value}}]}} "
                          "or a folder of <service>_db.json files.")
    if not isinstance(sections, Mapping):
        raise ConfigError(f"{source}: an entity table is {{service: [{{slot: value}}]}}, found {sections!r:.60}.")
    services = {_key(service.name): service for service in schema.services}
    table = {services[_key(name)].name: list(_rows(rows, services[_key(name)], f"{source}, {name!r}"))
             for name, rows in sections.items() if _key(name) in services}
    if not any(table.values()):
        hint = nearest(next(iter(sections), ""), schema.services_by_name)
        raise ConfigError(f"{source}: no section is a service of the schema. There are {sorted(sections)[:8]}, the schema has "
                          f"{sorted(schema.services_by_name)[:8]}.{hint}")
    return table


def _rows(rows: Any, service: Service, where: str) -> Iterable[dict[str, str]]:
    if not isinstance(rows, list):
        raise ConfigError(f"{where}: expected a list of entities, found {rows!r:.60}.")
    slots = {_key(slot.name): slot.name for slot in service.slots}
    for row in rows:
        if isinstance(row, Mapping):
            cells = {slots.get(_key(key), identifier(key)): " ".join(str(value).split()) for key, value in row.items()
                     if isinstance(value, str | int | float) and not isinstance(value, bool)}
            yield {slot: value for slot, value in cells.items() if value.casefold() not in _UNKNOWN}


def _key(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
