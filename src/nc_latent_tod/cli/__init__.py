"""The command line `nc-latent-tod`: the only reader of arguments and environment. Heavy imports are in the commands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nc_latent_tod.cli import (
    agent as agents,
)
from nc_latent_tod.cli import (
    calibrate as calibrating,
)
from nc_latent_tod.cli import (
    dlq as dead_letters,
)
from nc_latent_tod.cli import (
    em as rounds,
)
from nc_latent_tod.cli import (
    finetune as finetuning,
)
from nc_latent_tod.cli import (
    gc as storing,
)
from nc_latent_tod.cli import (
    label as labelling,
)
from nc_latent_tod.cli import (
    pause as holding,
)
from nc_latent_tod.cli import (
    publish as results,
)
from nc_latent_tod.cli import (
    quickstart as embedded,
)
from nc_latent_tod.cli import (
    report as reporting,
)
from nc_latent_tod.cli import (
    schema as schemas,
)
from nc_latent_tod.cli import (
    score_predictions as benchmarking,
)
from nc_latent_tod.cli import (
    status as monitoring,
)
from nc_latent_tod.cli import (
    version as about,
)
from nc_latent_tod.cli import (
    work as queueing,
)
from nc_latent_tod.cli.console import Commands, epilog, log_to, standard_error

app = typer.Typer(name="nc-latent-tod", cls=Commands, no_args_is_help=True, add_completion=False, rich_markup_mode="rich",
                  pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
                  epilog=epilog("nc-latent-tod quickstart", "nc-latent-tod label job.json"))
PANELS = {
    "Begin": (embedded, schemas),
    "Label": (labelling, results, reporting, calibrating),
    "Many workers": (queueing, monitoring, holding, dead_letters, storing),
    "Improve the labels": (finetuning, rounds),
    "Agent": (agents, benchmarking),
    "About": (about,),
}
NAMED = {dead_letters: "dlq", schemas: "schema"}
for panel, groups in PANELS.items():
    for group in groups:
        for command in group.app.registered_commands if group not in NAMED else ():
            command.rich_help_panel = panel
        app.add_typer(group.app, name=NAMED.get(group), rich_help_panel=panel)


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done, not only warnings.")] = False,
    log_json: Annotated[bool, typer.Option("--log-json", envvar="NC_LATENT_TOD_LOG_JSON", show_envvar=False,
                                           help="Write the log to stderr as JSON, one object a line.")] = False,
) -> None:
    """Label task-oriented dialogues without human labels: a code language model reads, a noisy channel judges."""
    log_to(standard_error(), verbose=verbose or debug, as_json=log_json)


def main(*command: str) -> None:
    """Run the command line, with `command` before its own arguments, and exit."""
    app([*command, *sys.argv[1:]])
