"""Commands about the program itself: `job-schema`, `version`."""

from __future__ import annotations

import platform

import typer

from nc_latent_tod.cli.console import JsonOption, epilog, print_json

app = typer.Typer()


@app.command(name="job-schema", epilog=epilog("nc-latent-tod job-schema > docs/job.schema.json"))
def job_schema_command() -> None:
    """Print the JSON Schema of job files, for editors."""
    from nc_latent_tod.config.job import job_schema

    print_json(job_schema())


@app.command(epilog=epilog("nc-latent-tod version"))
def version(as_json: JsonOption = False) -> None:
    """Print the version."""
    from nc_latent_tod.system.version import __version__

    if as_json:
        print_json({"version": __version__, "python": platform.python_version()})
    else:
        print(__version__)
