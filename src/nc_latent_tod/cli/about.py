"""Commands about the program itself: `job-schema`, `version`."""

from __future__ import annotations

import typer

from nc_latent_tod.cli.console import epilog, print_json

app = typer.Typer()


@app.command(name="job-schema", epilog=epilog("nc-latent-tod job-schema > docs/job.schema.json"))
def job_schema_command() -> None:
    """Print the JSON Schema of job files, for editors."""
    from nc_latent_tod.job import job_schema

    print_json(job_schema())


@app.command(epilog=epilog("nc-latent-tod version"))
def version() -> None:
    """Print the version."""
    from nc_latent_tod import __version__

    print(__version__)
