"""Commands on the embedded default: `quickstart`, `simulate`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, epilog, print_json, program, remark, say, standard_error, standard_output
from nc_latent_tod.errors import ConfigError

app = typer.Typer()

WORKERS = 2  # of the quickstart
SHOWN = ("joint_goal_accuracy", "turn_accuracy", "slot_f1", "act_f1", "act_slot_value_f1", "failed_turns")


class Part(StrEnum):
    """Which part of the utterance templates or entities is used."""

    train = "train"
    heldout = "heldout"
    all = "all"


SchemaOption = Annotated[str, typer.Option("--schema", help="A schema.json, or packaged:schema.")]
EntitiesOption = Annotated[str | None, typer.Option("--entities", show_default=False,
                                                    help="An entity table, as in jobs. Default: the packaged one for the "
                                                         "packaged schema, else none: values are those that the schema lists.")]
WordingOption = Annotated[str | None, typer.Option("--wording", show_default=False,
                                                   help="Phrases as JSON. Default: the packaged ones for the packaged "
                                                        "schema, else made from the schema's names.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same result.")]


@app.command(epilog=epilog("nc-latent-tod quickstart", "nc-latent-tod quickstart --logs logs.jsonl --schema schema.json"))
def quickstart(
    out: Annotated[Path | None, typer.Option("--out", show_default=False, help="The folder of everything that it writes. "
                                             "Default: quickstart, or own_logs with --logs.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Start over instead of reusing finished runs. With --logs it always "
                                                        "does, and this deletes what other jobs made there too.")]
    = False,
    logs: Annotated[str | None, typer.Option("--logs", metavar="FILE", show_default=False,
                                             help="Label these dialogues (JSONL, CSV or a folder) instead of the packaged "
                                                  "ones, without a model: schema, entity table and rules.")] = None,
    schema: Annotated[str | None, typer.Option("--schema", metavar="FILE", show_default=False,
                                               help="The schema of --logs.")] = None,
    entities: Annotated[str | None, typer.Option("--entities", metavar="TABLE", show_default=False,
                                                 help="The entity table of --logs: names and other values that the schema "
                                                      "leaves open.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Label, publish and score packaged dialogues with the packaged model; or label your own logs with no model at all."""
    if logs is not None:
        from nc_latent_tod.cli.views.own_logs import label_own_logs

        label_own_logs(out or Path("own_logs"), logs, schema, entities, fresh=fresh, as_json=as_json)
        return
    if schema or entities:
        raise ConfigError("--schema and --entities go with --logs: the packaged dialogues have a schema of their own.")
    _packaged_quickstart(out or Path("quickstart"), fresh=fresh, as_json=as_json)


def _packaged_quickstart(out: Path, *, fresh: bool, as_json: bool) -> None:
    from nc_latent_tod.api.quickstart import GOLD, GROUP, Control, shown_dialogue
    from nc_latent_tod.api.quickstart import quickstart as run
    from nc_latent_tod.cli.stop import orderly_stop
    from nc_latent_tod.cli.views.progress import LiveProgress
    from nc_latent_tod.cli.views.scores import show_scores
    from nc_latent_tod.cli.workers import start_workers

    with orderly_stop() as stop, LiveProgress(standard_error()) as progress:
        done = run(out, lambda queue: start_workers(WORKERS, ["work", "--drain", "--queue", str(queue)], threads=None,
                                               on_signal=stop.ask),
                   control=Control(should_stop=stop.is_asked_for, report=progress.job), fresh=fresh, say=remark)
    if as_json:
        print_json(dict(done.summary))
        return
    standard_output().print(show_scores(done.scores, only=SHOWN))
    say(f"""
dataset  {done.summary['dataset']}
figures  {done.folder}/summary.json

Next:
  {program()} explain {GROUP} {shown_dialogue()} 2 --job {done.folder}/jobs/dependents/train_30_40.json
  {program()} plan {done.folder}/jobs/job_0.json
  {program()} evaluate --group-id {GROUP} --manifest {done.folder}/manifest --gold {GOLD}""")


@app.command(epilog=epilog("nc-latent-tod simulate --dialogues 40 --out simulated"))
def simulate(
    out: Annotated[Path, typer.Option("--out", show_default=False, help="A folder for logs.jsonl and gold.jsonl.gz.")],
    dialogues: Annotated[int, typer.Option("--dialogues", min=1, help="How many.")] = 40,
    seed: SeedOption = 0,
    schema: SchemaOption = "packaged:schema",
    entities: EntitiesOption = None,
    wording: WordingOption = None,
    templates: Annotated[Part, typer.Option("--templates", help="Utterance templates: those for training, or others.")]
    = Part.heldout,
    entity_split: Annotated[Part, typer.Option("--entity-split", help="Entities: those for training, or others.")] = Part.all,
    max_services: Annotated[int, typer.Option("--max-services", min=1, help="Services a dialogue, at most.")] = 3,
    with_goals: Annotated[bool, typer.Option("--with-goals", help="Also write goals, bookings, database and references to "
                                                                  "OUT/data, for evaluate-agent and score-predictions.")]
    = False,
    as_json: JsonOption = False,
) -> None:
    """Write simulated dialogues and their gold labels, from any schema and entity table."""
    from nc_latent_tod.api.simulate import simulate_corpus

    written = simulate_corpus(out, dialogues=dialogues, seed=seed, schema=schema, entities=entities, wording=wording,
                              templates=templates.value, entity_split=entity_split.value, max_services=max_services,
                              with_goals=with_goals)
    if as_json:
        print_json(written)
    else:
        say("{dialogues} dialogues with {turns} turns in {logs}, gold labels in {gold}".format(**written)
                   + (f", goals and database in {written['data']}" if with_goals else ""))
