"""Commands on schema files: `schema draft`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import Commands, JsonOption, epilog, print_json, standard_output
from nc_latent_tod.errors import ConfigError

app = typer.Typer(cls=Commands, no_args_is_help=True, help="Schema files: draft a first one from an entity table.")


@app.callback()
def schemas() -> None:
    """Schema files: draft a first one from an entity table."""


@app.command(epilog=epilog("nc-latent-tod schema draft clinic.csv", "nc-latent-tod schema draft tables --out schema.json"))
def draft(
    table: Annotated[Path, typer.Argument(metavar="TABLE", show_default=False,
                                          help="A CSV or JSON file of one service's rows, a JSON file {service: rows}, or a "
                                               "folder of such files.")],
    out: Annotated[Path, typer.Option("--out", help="The schema file to write, never one that is there.")]
    = Path("schema.json"),
    as_json: JsonOption = False,
) -> None:
    """Draft a schema from an entity table: columns become slots, and what a person must decide stands under "comment"."""
    from rich.table import Table
    from rich.text import Text

    from nc_latent_tod.corpus.entities import read_tables
    from nc_latent_tod.corpus.schema_draft import draft_schema, open_questions
    from nc_latent_tod.schema import Schema

    drafted = draft_schema(read_tables(table))
    if not any(service["slots"] for service in drafted):
        raise ConfigError(f"{table} has no column with values to make slots of. {len(drafted)} tables were read.")
    schema = Schema.from_json(drafted)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(json.dumps(drafted, indent=2, ensure_ascii=False) + "\n")
    except FileExistsError:
        raise ConfigError(f"{out} is there already and is left as it is: give another file with --out.") from None
    questions = open_questions(drafted)
    if as_json:
        print_json({"schema": str(out), "services": [service.name for service in schema.services],
                    "questions": [{"where": where, "question": question} for question, where in questions.items()]})
        return
    table_of_questions = Table("decide", "", title=Text(f"{out}: {len(schema.services)} service(s), "
                               f"{sum(len(s.slots) for s in schema.services)} slots. Edit it where it asks:"),
                               title_justify="left", show_lines=True)
    for question, where in questions.items():
        table_of_questions.add_row(Text(", ".join(where)), Text(question))
    standard_output().print(table_of_questions)
