"""Commands on dead letters, of a folder queue or of SQS: `dlq list`, `dlq show`, `dlq redrive`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, QueueOption, epilog, print_json, say, standard_output
from nc_latent_tod.errors import ConfigError

app = typer.Typer(no_args_is_help=True, help="Jobs that were given up: list them, open one, put them back.")


@app.command(name="list", epilog=epilog("nc-latent-tod dlq list"))
def list_letters(queue: QueueOption = "", as_json: JsonOption = False) -> None:
    """List the dead letters with their reasons."""
    from nc_latent_tod.api.connect import open_queue
    from nc_latent_tod.cli.views.tables import dead_letters

    letters = open_queue(queue, must_exist=True).letters()
    if as_json:
        print_json([asdict(letter) for letter in letters])
    elif letters:
        standard_output().print(dead_letters(letters))
    else:
        say("No dead letters.")


@app.command(epilog=epilog("nc-latent-tod dlq show train_50_100-0123456789abcdef"))
def show(
    name: Annotated[str, typer.Argument(help="The dead letter's name in the list.", show_default=False)],
    queue: QueueOption = "",
    as_json: JsonOption = False,
) -> None:
    """Open a dead letter: why it was given up, and the job that it holds."""
    from nc_latent_tod.api.connect import open_queue

    letter = open_queue(queue, must_exist=True).letter(name)
    if letter is None:
        raise ConfigError(f"No dead letter is called {name!r}: see nc-latent-tod dlq list.")
    if as_json:
        print_json(asdict(letter))
        return
    say(f"{letter.name}: given up after {letter.attempts} attempts")
    for reason in letter.reasons:
        say(f"  {reason}")
    say(letter.job if isinstance(letter.job, str) else json.dumps(letter.job, indent=2, ensure_ascii=False))


@app.command(epilog=epilog("nc-latent-tod dlq redrive --all --dry-run",
                           "nc-latent-tod dlq redrive train_50_100-0123456789abcdef"))
def redrive(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", show_default=False,
                                                      help="Dead letters by their names in the list.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be put back, and do nothing.")] = False,
    queue: QueueOption = "",
) -> None:
    """Put dead letters back into the queue, with no attempts counted."""
    from nc_latent_tod.api.connect import open_queue

    if bool(names) == every:
        raise ConfigError("Name the dead letters to put back, or say --all for all of them.")
    opened = open_queue(queue, must_exist=True)
    known = [letter.name for letter in opened.letters()]
    chosen = list(dict.fromkeys(names or known))
    if missing := [name for name in chosen if name not in known]:
        raise ConfigError(f"No dead letter is called {', '.join(map(repr, missing))}: see nc-latent-tod dlq list.")
    if dry_run:
        say("\n".join([*chosen, f"{len(chosen)} would be put back."]))
        return
    say(f"{len(opened.redrive(chosen))} put back.")
