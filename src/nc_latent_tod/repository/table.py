"""The examples of a dataset as rows, in `examples.csv` or the table `examples` of `examples.db`; both hold the same."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from nc_latent_tod.errors import CorpusError
from nc_latent_tod.repository.elements import ID, DatasetSchema
from nc_latent_tod.system.durable import move
from nc_latent_tod.system.files import write_whole

CSV, DB, TABLE = "examples.csv", "examples.db", "examples"
FORMATS = ("csv", "db")

_FIELD_CHARS = 2**31 - 1  # csv refuses more than 131,072 by itself
_SQL_TYPES = {"integer": "INTEGER", "boolean": "INTEGER", "float": "REAL"}


@dataclass(frozen=True)
class Table:
    """Rows as they are stored: text in CSV, typed in SQLite. `where[i]` says where row i stands."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    where: list[str]


def read_table(path: Path) -> Table:
    """Read `examples.csv` or `examples.db`. Raises `CorpusError` where it is neither or is damaged."""
    return _read_db(path) if path.suffix == ".db" else _read_csv(path)


def write_table(folder: Path, schema: DatasetSchema, rows: Iterable[Sequence[Any]], format: str) -> Path:
    """Write the examples whole or not at all: a row is the id, then a value an element. Equal rows give equal bytes."""
    columns = (ID, *(element.name for element in schema.elements))
    if format == "db":
        return _write_db(folder / DB, schema, columns, rows)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_whole(folder / CSV, text.getvalue().encode())
    return folder / CSV


def _read_csv(path: Path) -> Table:
    csv.field_size_limit(_FIELD_CHARS)
    found: list[tuple[Any, ...]] = []
    where = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            columns = tuple(next(reader, ()))
            for row in reader:
                found.append(tuple(row))
                where.append(f"{path.name}:{reader.line_num}")
    except (csv.Error, UnicodeDecodeError) as error:
        raise CorpusError(f"{path.name}: not CSV in UTF-8 ({error}).") from error
    return Table(columns, found, where)


def _read_db(path: Path) -> Table:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as base:
            tables = [name for name, in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            if tables != [TABLE]:
                raise CorpusError(f"{path.name}: has to hold one table, {TABLE!r}; it holds {', '.join(tables) or 'none'}.")
            cursor = base.execute(f'SELECT * FROM "{TABLE}" ORDER BY rowid')
            columns = tuple(column[0] for column in cursor.description)
            rows = cursor.fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise CorpusError(f"{path.name}: not a readable SQLite database ({error}).") from error
    return Table(columns, rows, [f"{path.name}, row {number}" for number in range(len(rows))])


def _write_db(path: Path, schema: DatasetSchema, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    kinds = ["TEXT", *(_SQL_TYPES.get(element.type, "TEXT") for element in schema.elements)]
    told = ", ".join(f"{_quoted(name)} {kind}" for name, kind in zip(columns, kinds, strict=True))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        with closing(sqlite3.connect(temporary)) as base, base:
            base.execute(f"CREATE TABLE {TABLE} ({told})")
            base.executemany(f"INSERT INTO {TABLE} VALUES ({', '.join('?' * len(columns))})", rows)
        move(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
