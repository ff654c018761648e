"""Every fault of a dataset folder, found in one pass."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from nc_latent_tod.errors import CorpusError, nearest
from nc_latent_tod.repository.elements import (
    FILE_TYPES,
    ID,
    NAME_PATTERN,
    DatasetSchema,
    Element,
    is_null,
    read_schema,
    value_fault,
)
from nc_latent_tod.repository.meaning import meaning_faults
from nc_latent_tod.repository.splits import FOLDER as SPLITS
from nc_latent_tod.repository.splits import Indices, read_splits
from nc_latent_tod.repository.table import CSV, DB, Table, read_table
from nc_latent_tod.repository.turns import is_of_turns

SCHEMA, FILES, README = "schema.json", "files", "README.md"
_KNOWN = (SCHEMA, CSV, DB, FILES, SPLITS, README)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and where."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Checked:
    """A dataset folder as it was found. With faults, what could not be read is empty."""

    schema: DatasetSchema | None
    rows: tuple[Mapping[str, Any], ...]  # by column; null is None
    splits: Mapping[tuple[int, int], Indices]
    faults: tuple[Fault, ...]


def check_dataset(folder: Path, *, name: str = "") -> Checked:
    """Read a dataset whole and say everything that is wrong with it. `name`: what it has to be called.

    Raises `CorpusError` where there is no such folder.
    """
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder. A dataset is a folder with {SCHEMA} and {CSV} or {DB}.")
    faults = [Fault(child.name, f"no part of a dataset.{nearest(child.name, _KNOWN)} There are: {', '.join(_KNOWN)}")
              for child in sorted(folder.iterdir()) if child.name not in _KNOWN and not child.name.startswith(".")]
    faults += [Fault(str(path.relative_to(folder)), "a symbolic link, which no other machine could follow")
               for path in sorted(folder.rglob("*")) if path.is_symlink()]
    schema = _schema(folder, name, faults)
    table = _table(folder, faults)
    splits, wrong = read_splits(folder, len(table.rows) if table else 0)
    faults += [Fault(*fault) for fault in wrong]
    if not (schema and table):
        return Checked(schema, (), splits, tuple(faults))
    known = _columns(schema, table, faults)
    rows = [_row(schema, known, table.where[i], row, faults) for i, row in enumerate(table.rows)]
    faults += [Fault(*fault) for fault in (*_id_faults(table), *_file_faults(folder, schema, rows, table.where))]
    if is_of_turns(schema):
        faults += [Fault(*fault) for fault in meaning_faults(folder / FILES, rows, table.where)]
    return Checked(schema, tuple(rows), splits, tuple(faults))


def _schema(folder: Path, name: str, faults: list[Fault]) -> DatasetSchema | None:
    try:
        schema, wrong = read_schema((folder / SCHEMA).read_bytes())
    except FileNotFoundError:
        schema, wrong = None, ["missing"]
    faults += [Fault(SCHEMA, fault) for fault in wrong]
    if schema and name and schema.name != name:
        faults.append(Fault(SCHEMA, f"the dataset is called {schema.name!r} there, and {name!r} here: use one name"))
    if name and not re.fullmatch(NAME_PATTERN, name):
        faults.append(Fault(name, "no name of a dataset: use letters, digits, '_', '.' and '-'"))
    return schema


def _table(folder: Path, faults: list[Fault]) -> Table | None:
    there = [folder / file for file in (CSV, DB) if (folder / file).is_file()]
    if len(there) != 1:
        faults.append(Fault(folder.name, f"has {'both' if there else 'neither'} {CSV} {'and' if there else 'nor'} {DB}: "
                                         f"{'remove' if there else 'write'} one"))
    try:
        return read_table(there[0]) if there else None
    except CorpusError as error:
        faults.append(Fault(there[0].name, str(error)))
        return None


def _columns(schema: DatasetSchema, table: Table, faults: list[Fault]) -> dict[str, int]:
    """The position of each element's column."""
    names = {element.name: element for element in schema.elements}
    for number, column in enumerate(table.columns):
        if (number == 0) != (column == ID):
            faults.append(Fault("columns", f"{ID!r} has to be the first column and no other; column {number} is {column!r}"))
        elif column in table.columns[:number]:
            faults.append(Fault("columns", f"{column!r} comes twice"))
        elif column != ID and column not in names:
            faults.append(Fault("columns", f"{column!r} is no element of {SCHEMA}.{nearest(column, names)}"))
    faults += [Fault("columns", f"{name!r} is missing") for name, element in names.items()
               if element.required and name not in table.columns]
    return {name: table.columns.index(name) for name in names if name in table.columns}


def _row(schema: DatasetSchema, known: Mapping[str, int], where: str, row: Sequence[Any],
         faults: list[Fault]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for element in schema.elements:
        at = known.get(element.name)
        if at is not None and at >= len(row):
            faults.append(Fault(where, f"has {len(row)} fields: {element.name} is not there"))
            at = None
        cell = None if at is None else row[at]
        if at is not None and (fault := value_fault(element, cell)):
            faults.append(Fault(f"{where}, {element.name}", fault))
            cell = None
        found[element.name] = None if is_null(element, cell) else cell
    return found


def _id_faults(table: Table) -> Iterator[tuple[str, str]]:
    if not table.columns or table.columns[0] != ID:
        return
    first: dict[str, str] = {}
    for where, row in zip(table.where, table.rows, strict=True):
        value = str(row[0]) if row else ""
        if not _is_uuid4(value):
            yield where, f"the id {value[:40]!r} is no UUID4"
        elif (before := first.setdefault(value, where)) != where:
            yield where, f"the id {value} comes twice, first at {before}"


def _is_uuid4(value: str) -> bool:
    try:
        return str(UUID(value)) == value.lower() and UUID(value).version == 4
    except ValueError:
        return False


def _file_faults(folder: Path, schema: DatasetSchema, rows: Sequence[Mapping[str, Any]],
                 where: Sequence[str]) -> Iterator[tuple[str, str]]:
    elements: list[Element] = [element for element in schema.elements if element.type in FILE_TYPES]
    named: dict[str, str] = {}
    for at, row in zip(where, rows, strict=True):
        for element in elements:
            if row[element.name] is not None:
                named.setdefault(str(row[element.name]), f"{at}, {element.name}")
    for file, at in named.items():
        if ".." in Path(file).parts or Path(file).is_absolute():
            yield at, f"{file!r} leads out of {FILES}/: give a path below it"
        elif not (folder / FILES / file).is_file():
            yield at, f"{FILES}/{file} is missing"
    for path in sorted((folder / FILES).rglob("*")):
        if path.is_file() and path.relative_to(folder / FILES).as_posix() not in named:
            yield path.relative_to(folder).as_posix(), "no example refers to it"
