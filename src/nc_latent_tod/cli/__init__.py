"""The command line `nc-latent-tod`: the only reader of arguments and environment. Heavy imports are in the commands."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nc_latent_tod.cli import (
    agent,
    annotate,
    calibrate,
    dataset,
    dlq,
    em,
    finetune,
    gc,
    label,
    pause,
    publish,
    quickstart,
    report,
    schema,
    score_predictions,
    status,
    train,
    version,
    work,
)
from nc_latent_tod.cli.console import Commands, epilog, log_to, standard_error

app = typer.Typer(name="nc-latent-tod", cls=Commands, no_args_is_help=True, add_completion=False, rich_markup_mode="rich",
                  pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]},
                  epilog=epilog("nc-latent-tod quickstart", "nc-latent-tod label job.json"))
PANELS = {
    "Begin": (quickstart, train, schema),
    "Label": (label, publish, report, calibrate),
    "Many workers": (work, status, pause, dlq, gc),
    "Datasets": (dataset,),
    "Improve the labels": (annotate, finetune, em),
    "Agent": (agent, score_predictions),
    "About": (version,),
}
NAMED = {annotate: "annotate", dataset: "dataset", dlq: "dlq", schema: "schema"}
for panel, commands in PANELS.items():
    for file in commands:
        for command in file.app.registered_commands if file not in NAMED else ():
            command.rich_help_panel = panel
        app.add_typer(file.app, name=NAMED.get(file), rich_help_panel=panel)


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
