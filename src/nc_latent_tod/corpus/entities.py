"""Entity tables in: what a service's database holds, as {service: [{slot: value}]}."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.formats.json_files import json_document, opened
from nc_latent_tod.corpus.packaged import packaged_entities
from nc_latent_tod.errors import ConfigError, CorpusError, nearest
from nc_latent_tod.schema import Schema, Service, identifier

EntityTable = dict[str, list[dict[str, str]]]
RawTables = dict[str, Sequence[Mapping[str, Any]]]

PACKAGED = "packaged:entities"
_SUFFIX = "_db"
_LAYOUTS = ("Give a JSON file {service: [{slot: value}]}, a CSV or JSON file of one service's rows, or a folder of such files "
            "(<service>.csv, <service>.json or <service>_db.json).")
UNKNOWN = frozenset({"", "?", "none", "unknown", "n/a", "null"})
"""What a cell without a value holds, in lower case."""


def load_entities(path: str | Path, schema: Schema) -> EntityTable:
    """Read an entity table (`read_tables`, or `packaged:entities`) for the services of `schema`.

    Services and slots are matched to the schema's whatever their case, spaces and underscores; a key of no slot keeps its
    name, a value that is not text or a number is left out, and so is a file or section of no service. Raises `ConfigError`
    where nothing is there, no section is a service of the schema or none has rows.
    """
    tables = dict(packaged_entities()) if str(path) == PACKAGED else read_tables(path)
    services = {_key(service.name): service for service in schema.services}
    table = {services[_key(name)].name: list(_cells(rows, services[_key(name)]))
             for name, rows in tables.items() if _key(name) in services}
    if table and not any(table.values()):
        raise ConfigError(f"{path}: there is no entity of {', '.join(sorted(table))} in it. Add rows, or name no entity table "
                          "where the configuration can do without.")
    if not table:
        hint = nearest(next(iter(tables), ""), schema.services_by_name)
        raise ConfigError(f"{path}: no section is a service of the schema. There are {sorted(tables)[:8]}, the schema has "
                          f"{sorted(schema.services_by_name)[:8]}.{hint}")
    return table


def read_tables(path: str | Path) -> RawTables:
    """Read the rows of an entity table as they are, by section: a JSON file {section: [row]}, a CSV or JSON file of one
    section's rows, called after the file, or a folder of such files. Raises `ConfigError` or `CorpusError` naming the file.
    """
    source = Path(path)
    if source.is_dir():
        files = sorted(file for file in source.iterdir() if file.suffix in (".json", ".csv") and file.stem != "schema")
        return {file.stem.removesuffix(_SUFFIX): _rows(_document(file), str(file)) for file in files}
    if not source.is_file():
        raise ConfigError(f"No entity table at {source}. {_LAYOUTS}")
    document = _document(source)
    if isinstance(document, Mapping):
        return {str(name): _rows(rows, f"{source}, {name!r}") for name, rows in document.items()}
    return {source.stem.removesuffix(_SUFFIX): _rows(document, str(source))}


def _document(file: Path) -> Any:
    if file.suffix != ".csv":
        return json_document(file)
    with opened(file) as stream:
        reader = csv.DictReader(stream, strict=True)
        try:
            rows = [dict(row) for row in reader]
        except csv.Error as error:
            raise CorpusError(f"{file}:{reader.line_num}: not CSV ({error}).") from None
    if ragged := [number for number, row in enumerate(rows, start=1) if None in row or None in row.values()]:
        raise CorpusError(f"{file}: row {ragged[0]} has not the {len(reader.fieldnames or [])} fields of the header. Quote "
                          "values that contain commas.")
    return rows


def _rows(rows: Any, where: str) -> Sequence[Mapping[str, Any]]:
    if not isinstance(rows, list):
        raise ConfigError(f"{where}: expected a list of entities, found {rows!r:.60}. {_LAYOUTS}")
    return [row for row in rows if isinstance(row, Mapping)]


def _cells(rows: Sequence[Mapping[str, Any]], service: Service) -> Iterable[dict[str, str]]:
    slots = {_key(slot.name): slot.name for slot in service.slots}
    for row in rows:
        cells = {slots.get(_key(key), identifier(key)): " ".join(str(value).split()) for key, value in row.items()
                 if isinstance(value, str | int | float) and not isinstance(value, bool)}
        yield {slot: value for slot, value in cells.items() if value.casefold() not in UNKNOWN}


def _key(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())
