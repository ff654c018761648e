"""Commands on schema files: `schema draft`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import Commands, JsonOption, epilog, print_json, standard_output

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

    from nc_latent_tod.api.schema import draft as write_draft

    drafted = write_draft(table, out)
    schema, questions = drafted.schema, drafted.questions
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
