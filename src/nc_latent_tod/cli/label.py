"""Commands on one job and its labels: `plan`, `label`, `explain`."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from nc_latent_tod.errors import DamagedError, NcLatentTodError

if TYPE_CHECKING:
    from nc_latent_tod.config.job import Job
    from nc_latent_tod.labels import Example
    from nc_latent_tod.pipeline.run import Backends, Result

app = typer.Typer()

JobArgument = Annotated[Path, typer.Argument(metavar="JOB.json", show_default=False, help="A job file.")]
SchemaOption = Annotated[str | None, typer.Option("--schema", show_default=False,
                                                  help="Take this schema in place of the job's data.schema_path.")]


@app.command(epilog=epilog("nc-latent-tod plan job_0.json"))
def plan(job_file: JobArgument, schema: SchemaOption = None, as_json: JsonOption = False) -> None:
    """Check a job without loading a model: a real prompt of each task, prompt lengths, tokens that it will cost."""
    from nc_latent_tod.api.jobs import read_job
    from nc_latent_tod.cli.views.plan import plan_job, show_plan

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
    from nc_latent_tod.cli.stop import orderly_stop
    from nc_latent_tod.config.job import unused_keys
    from nc_latent_tod.config.trust import keys_sent

    job = read_job(job_file, schema=schema, reuse_from=reuse_from)
    for note in (*unused_keys(job), *keys_sent(job, os.environ)):
        remark(f"note: {note}")
    with orderly_stop() as stop:
        result, differing = _run(job, stop.is_asked_for, replay)
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
    from nc_latent_tod.cli.views.explanation import explain_turn, show_explanation

    found = explain_turn(group, dialogue_id, turn_id, job_file=job_file, manifest=manifest, schema=schema)
    if as_json:
        print_json(asdict(found))
    else:
        standard_output().print(show_explanation(found, with_preamble=preamble))


def _run(job: Job, should_stop: Callable[[], bool], replay: str | None) -> tuple[Result, int | None]:
    """Run or replay the job; for a replay, the number of turns whose labels differ from the stored ones."""
    from nc_latent_tod.api.backends import Builder
    from nc_latent_tod.cli.views.progress import LiveProgress
    from nc_latent_tod.pipeline.run import Control, replay_job, run_job

    backends = Builder().backends(job)
    with LiveProgress(standard_error()) as progress:
        control = Control(should_stop=should_stop, report=progress.job)
        if replay is None:
            result = run_job(job, backends, control)
            if result.progress is None:
                _note_changed_text(result, _labels_of(result, backends), backends, job)
            return result, None
        result = replay_job(job, backends, replay, control)
    return result, _differing(result, backends)


def _labels_of(result: Result, backends: Backends) -> Sequence[Example]:
    """The labels of a run that was finished before. Raises `DamagedError` where they are not there any more."""
    try:
        return backends.labels(result.entry)
    except DamagedError as error:
        raise DamagedError(f"{error} The run {result.entry.run_id!r} is in the manifest, so it is not labelled again: restore "
                           "the file, or remove the run's entry from the manifest.") from error


def _note_changed_text(result: Result, labels: Sequence[Example], backends: Backends, job: Job) -> None:
    """Say so where the dialogues are not those that a finished run labelled, as far as they are here and can be read."""
    from nc_latent_tod.labels import by_dialogue, turns_of

    if not os.path.exists(job.data.eval_set_path_or_name):  # of the Hub, or gone: the run is finished all the same
        return
    try:
        now = {dialogue.dialogue_id: dialogue.turns for dialogue in backends.dialogues()}
    except (NcLatentTodError, OSError) as error:
        remark(f"note: whether the text changed since {result.entry.run_id} was labelled is not known: {error}")
        return
    then = {dialogue_id: turns_of(examples) for dialogue_id, examples in by_dialogue(labels).items()}
    counts = {"changed": sum(now[key] != then[key] for key in now.keys() & then.keys()),
              "are new": len(now.keys() - then.keys()), "are gone": len(then.keys() - now.keys())}
    if any(counts.values()):
        remark(f"note: the text changed since {result.entry.run_id} was labelled: of {len(then)} dialogues "
               f"{', '.join(f'{count} {what}' for what, count in counts.items() if count)}. Its labels are of the earlier "
               f"text. For new ones give the job another group_id; --reuse-from {result.entry.group_id} takes over what is "
               "the same.",
               level=logging.WARNING)


def _differing(result: Result, backends: Backends) -> int:
    stored = {e.turn.key: e for e in backends.labels(result.entry)}
    again = {e.turn.key: e for e in result.examples}
    return sum(stored.get(key) != again.get(key) for key in stored.keys() | again.keys())
