"""A first schema, drafted from a table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nc_latent_tod.corpus.entities import read_tables
from nc_latent_tod.corpus.schema_draft import draft_schema, open_questions
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.schema import Schema


@dataclass(frozen=True, slots=True)
class Draft:
    """A schema that was written, and what a person has to decide: question to the places that it stands at."""

    path: Path
    schema: Schema
    questions: Mapping[str, Sequence[str]]


def draft(table: Path, out: Path) -> Draft:
    """Draft a schema from an entity table, and write it to `out`.

    Raises `ConfigError` where the table cannot be read or has no column with values, or `out` is there already.
    """
    drafted = draft_schema(read_tables(table))
    if not any(service["slots"] for service in drafted):
        raise ConfigError(f"{table} has no column with values to make slots of. {len(drafted)} tables were read.")
    schema = Schema.from_json(drafted)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(json.dumps(drafted, indent=2, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise ConfigError(f"{out} is there already and is left as it is: give another file with --out.") from None
    return Draft(out, schema, open_questions(drafted))
