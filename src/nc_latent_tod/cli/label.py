"""Commands on one job and its labels: `plan`, `label`, `explain`."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import (
    JsonOption,
    ManifestOption,
    ReuseOption,
    epilog,
    print_json,
    remark,
    standard_error,
    standard_output,
)

app = typer.Typer()

JobArgument = Annotated[Path, typer.Argument(metavar="JOB.json", show_default=False, help="A job file.")]
SchemaOption = Annotated[str | None, typer.Option("--schema", show_default=False,
                                                  help="Take this schema in place of the job's data.schema_path.")]


@app.command(epilog=epilog("nc-latent-tod plan job_0.json"))
def plan(job_file: JobArgument, schema: SchemaOption = None, as_json: JsonOption = False) -> None:
    """Check a job without loading a model: a real prompt of each task, prompt lengths, tokens that it will cost."""
    from nc_latent_tod.api.jobs import read_job
    from nc_latent_tod.api.plan import plan_job
    from nc_latent_tod.cli.views.plan import show_plan

    worked_out = plan_job(read_job(job_file, schema=schema))
    if as_json:
        print_json({**asdict(worked_out), "tokens_per_turn": worked_out.tokens_per_turn})
    else:
        standard_output().print(show_plan(worked_out))


@app.command(epilog=epilog("nc-latent-tod label job_0.json", "nc-latent-tod label grown.json --reuse-from my_logs",
                     "nc-latent-tod label job_0.json --replay train_0_50-1a2b3c4d"))
def label(
    job_file: JobArgument,
    schema: SchemaOption = None,
    reuse_from: ReuseOption = None,
    replay: Annotated[str | None, typer.Option("--replay", metavar="RUN_ID", show_default=False,
                                               help="Label again what this run labelled, with the examples that it had, "
                                                    "and compare. Nothing is written.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run one job now: label its dialogues, write the labels and record the run in the manifest.

    A job that was stopped goes on where it stopped; one that is in the manifest already is left as it is.
    """
    from nc_latent_tod.api.jobs import read_job
    from nc_latent_tod.api.label import Control, label_job
    from nc_latent_tod.cli.stop import orderly_stop
    from nc_latent_tod.cli.views.progress import LiveProgress
    from nc_latent_tod.config.job import unused_keys
    from nc_latent_tod.config.trust import keys_sent

    job = read_job(job_file, schema=schema, reuse_from=reuse_from)
    for note in (*unused_keys(job), *keys_sent(job, os.environ)):
        remark(f"note: {note}")
    with orderly_stop() as stop, LiveProgress(standard_error()) as progress:
        done = label_job(job, control=Control(should_stop=stop.is_asked_for, report=progress.job), replay=replay)
    for note in done.notes:
        remark(f"note: {note}", level=logging.WARNING)
    result, differing = done.result, done.differing_turns
    if as_json:
        print_json({"entry": asdict(result.entry), "progress": asdict(result.progress) if result.progress else None,
                    "reused": asdict(result.reused) if result.reused else None, "differing_turns": differing})
    else:
        from nc_latent_tod.cli.views.tables import run_result

        standard_output().print(run_result(result, differing))


@app.command(epilog=epilog("nc-latent-tod explain initial_labelling PMUL0698 3 --job job_0.json"))
def explain(
    group: Annotated[str, typer.Argument(help="The group's id.", show_default=False)],
    dialogue_id: Annotated[str, typer.Argument(help="The dialogue.", show_default=False)],
    turn_id: Annotated[int, typer.Argument(min=0, help="The turn, from 0.", show_default=False)],
    job_file: Annotated[Path | None, typer.Option("--job", metavar="JOB.json", show_default=False,
                                                  help="The job that labelled it: manifest, schema and prompts.")] = None,
    manifest: ManifestOption = "manifest",
    schema: Annotated[str | None, typer.Option("--schema", show_default=False,
                                               help="The schema, where no job file is given. Default: that of the "
                                                    "group's jobs.")] = None,
    preamble: Annotated[bool, typer.Option("--preamble", help="Show the schema's part of the prompts too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show why a turn has its label: the examples, the prompts, every candidate with its scores, the choice and why."""
    from nc_latent_tod.api.explain import explain_turn
    from nc_latent_tod.cli.views.explanation import show_explanation

    found = explain_turn(group, dialogue_id, turn_id, job_file=job_file, manifest=manifest, schema=schema)
    for note in found.notes:
        remark(f"note: {note}")
    if as_json:
        print_json({name: value for name, value in asdict(found).items() if name != "notes"})
    else:
        standard_output().print(show_explanation(found, with_preamble=preamble))
