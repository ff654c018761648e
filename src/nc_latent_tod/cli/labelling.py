"""Commands on one job: `label`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nc_latent_tod.cli.console import JsonOption, epilog, print_json, remark, standard_error, standard_output
from nc_latent_tod.errors import InterruptedJobError

if TYPE_CHECKING:
    from nc_latent_tod.job import Job
    from nc_latent_tod.pipeline import Backends, Result

app = typer.Typer()

JobArgument = Annotated[Path, typer.Argument(metavar="JOB.json", show_default=False, help="A job file.")]
SchemaOption = Annotated[str | None, typer.Option("--schema", show_default=False,
                                                  help="Take this schema in place of the job's data.schema_path.")]


@app.command(epilog=epilog("nc-latent-tod label job_0.json", "nc-latent-tod label job_0.json --replay train_0_50-1a2b3c4d"))
def label(
    job_file: JobArgument,
    schema: SchemaOption = None,
    replay: Annotated[str | None, typer.Option("--replay", metavar="RUN_ID", show_default=False,
                                               help="Label again what this run labelled, with the examples that it had, "
                                                    "and compare. Nothing is written.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run one job now: label its dialogues, write the labels and record the run in the manifest.

    A job that was stopped goes on where it stopped; one that is in the manifest already is left as it is.
    """
    from nc_latent_tod.cli.job_files import read_job
    from nc_latent_tod.cli.signals import OrderlyStop
    from nc_latent_tod.job import unused_keys

    job = read_job(job_file, schema=schema)
    for note in unused_keys(job):
        remark(f"note: {note}")
    with OrderlyStop() as stop:
        try:
            result, differing = _run(job, stop.is_asked_for, replay)
        except InterruptedJobError as error:
            if not stop.is_asked_for():
                raise
            remark(f"{error} What is finished is kept: the same command goes on from there.")
            raise typer.Exit(stop.exit_code) from None
    if as_json:
        print_json({"entry": asdict(result.entry), "progress": asdict(result.progress) if result.progress else None,
                    "differing_turns": differing})
    else:
        from nc_latent_tod.cli.tables import run_result

        standard_output().print(run_result(result, differing))


def _run(job: Job, should_stop: Any, replay: str | None) -> tuple[Result, int | None]:
    """Run or replay the job; for a replay, the number of turns whose labels differ from the stored ones."""
    from nc_latent_tod.build import Builder
    from nc_latent_tod.cli.progress import LiveProgress
    from nc_latent_tod.pipeline import Control, replay_job, run_job

    backends = Builder().backends(job)
    with LiveProgress(standard_error()) as progress:
        control = Control(should_stop=should_stop, report=progress.update)
        if replay is None:
            return run_job(job, backends, control), None
        result = replay_job(job, backends, replay, control)
    return result, _differing(result, backends)


def _differing(result: Result, backends: Backends) -> int:
    stored = {(e.turn.dialogue_id, e.turn.turn_id): e for e in backends.labels(result.entry)}
    again = {(e.turn.dialogue_id, e.turn.turn_id): e for e in result.examples}
    return sum(stored.get(key) != again.get(key) for key in stored.keys() | again.keys())
