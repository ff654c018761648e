"""Commands for a person's part: `annotate select` and what follows."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli import annotate_page, annotate_push
from nc_latent_tod.cli.annotate_push import label_studio_key
from nc_latent_tod.cli.console import Commands, JsonOption, ManifestOption, epilog, print_json, remark, say, standard_output

app = typer.Typer(cls=Commands, no_args_is_help=True, help="A person corrects labels: select turns, correct them, learn.")

RoundArgument = Annotated[Path, typer.Argument(metavar="ROUND", show_default=False, help="A file that `annotate select` made.")]
GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", show_default=False, help="A group of finished runs.")]
SchemaOption = Annotated[str | None, typer.Option("--schema", show_default=False,
                                                  help="The schema that the labels follow. Default: that of the group's jobs.")]
EntitiesOption = Annotated[str | None, typer.Option("--entities", show_default=False,
                                                    help="The entity table of the jobs. Default: what the manifest names.")]

FromOption = Annotated[list[str], typer.Option("--from", metavar="FILE", show_default=False,
                                               help="A corrections file, an export of Label Studio (JSON or JSON-MIN), or the "
                                                    "URL of its server (LABEL_STUDIO_API_KEY has your access token there); "
                                                    "may be repeated, one an annotator.")]
RoundManifestOption = Annotated[str | None, typer.Option("--manifest", show_default=False,
                                                         help="Where the group is now. Default: where the round says.")]


@app.callback()
def annotating() -> None:
    """A person corrects labels: select turns, correct them, learn from the corrections."""


@app.command(epilog=epilog("nc-latent-tod annotate select quickstart --manifest quickstart/manifest -n 30"))
def select(
    group: GroupArgument,
    n: Annotated[int, typer.Option("-n", min=1, help="Turns to select; dialogues with --mode dialogue.")] = 30,
    manifest: ManifestOption = "manifest",
    strategy: Annotated[str, typer.Option("--strategy", help="random, diversity, uncertainty, margin_diversity or balance.")]
    = "margin_diversity",
    measure: Annotated[str, typer.Option("--measure", help="Of `uncertainty`: least_confidence, margin, entropy, slots (the "
                                                           "least sure one), or disagreement (of direct and channel).")]
    = "entropy",
    strengths: Annotated[list[str] | None, typer.Option("--strength", metavar="OBJECTIVE=X", show_default=False, help=
                                                        "Weigh margin, uncertainty, diversity, reach or balance otherwise; "
                                                        "may be repeated.")] = None,
    per_dialogue: Annotated[int | None, typer.Option("--per-dialogue", min=1, show_default=False,
                                                     help="Turns of one dialogue, at most.")] = None,
    temperature: Annotated[str | None, typer.Option("--temperature", metavar="FILE.json", show_default=False, help=
                                                    "Of confidence: what `calibrate --to` wrote, or a number. Default: the "
                                                    "shares of samples; without samples 1, or a model's nats a token.")] = None,
    mode: Annotated[str, typer.Option("--mode", help="turn, or dialogue: whole dialogues.")] = "turn",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed selects the same turns.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="The folder of all rounds.")] = Path("annotations"),
    strict: Annotated[bool, typer.Option("--strict", help="Refuse where fewer than N are left.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Select turns that a person is to correct, into OUT/round-K.json. A turn is never selected twice."""
    from nc_latent_tod.api.annotate import Strategy, select_round, strengths_of
    from nc_latent_tod.api.publish import read_temperatures

    at = read_temperatures(temperature).get("dst") if temperature else None
    chosen = Strategy(strategy, measure, strengths_of(strengths or []), per_dialogue, at)
    made, path = select_round(group, manifest=manifest, n=n, out=out, strategy=chosen, seed=seed, mode=mode, strict=strict,
                              tell=remark)
    if as_json:
        print_json({"path": path, "round": made.number, "turns": len(made.turns), "sha256": made.sha256})
    else:
        say(f"{path}: {len(made.turns)} turns of {len({turn.dialogue_id for turn in made.turns})} dialogues.")


app.add_typer(annotate_page.app)
app.add_typer(annotate_push.app)


@app.command(epilog=epilog("nc-latent-tod annotate pull annotations/round-0.json --from corrections-0.json"))
def pull(
    round_file: RoundArgument,
    sources: FromOption,
    manifest: RoundManifestOption = None,
    schema: SchemaOption = None,
    annotator: Annotated[str | None, typer.Option("--annotator", metavar="NAME", show_default=False,
                                                  help="Take this person's corrections. Default: the majority's.")] = None,
    out_of_order: Annotated[bool, typer.Option("--out-of-order", help="Although an earlier round was not pulled.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring a round's corrections into its group, once: they stand before what was predicted, and later states follow."""
    from nc_latent_tod.api.pull import corrections_in, pull_corrections

    found = corrections_in(str(round_file), sources, key=label_studio_key(), manifest=manifest, schema=schema)
    done = pull_corrections(str(round_file), found, manifest=manifest, schema=schema, annotator=annotator,
                            out_of_order=out_of_order, tell=remark)
    if as_json:
        print_json(asdict(done))
    else:
        say(f"{done.run_id}: {done.corrections} corrections in group {done.group_id}, {done.changed} of them other than "
                   f"predicted; {done.unsure} unsure, {done.missing} without a verdict, {len(done.left_out)} left out.")


@app.command(epilog=epilog("nc-latent-tod annotate status annotations/round-0.json --from ann.json --from bob.json"))
def status(round_file: RoundArgument, sources: FromOption, manifest: RoundManifestOption = None, schema: SchemaOption = None,
           as_json: JsonOption = False) -> None:
    """How far a round is: turns labelled, median time a turn, Cohen's kappa a slot where several annotated."""
    from nc_latent_tod.api.pull import round_standing
    from nc_latent_tod.cli.views.curve import standing_table

    found = round_standing(str(round_file), sources, key=label_studio_key(), manifest=manifest, schema=schema)
    if as_json:
        print_json(asdict(found))
    else:
        standard_output().print(standing_table(found))


@app.command(epilog=epilog("nc-latent-tod annotate apply quickstart --out-group corrected --manifest quickstart/manifest"))
def apply(
    group: GroupArgument,
    out_group: Annotated[str, typer.Option("--out-group", show_default=False, help="The group of the new labels.")],
    manifest: ManifestOption = "manifest",
    schema: SchemaOption = None,
    entities: EntitiesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Learn from a group's corrections and label it anew, in minutes and without a model. The corrections go along."""
    from nc_latent_tod.api.apply import apply_corrections

    done = apply_corrections(group, out_group, manifest=manifest, schema=schema, entities=entities, tell=remark)
    if as_json:
        print_json(asdict(done))
    else:
        say(f"{done.group_id}: {done.turns} turns of {done.runs} runs labelled anew by {done.corrections} corrections, "
                   f"{done.changed} of them otherwise than before. What was learnt: {done.weights_url}")


@app.command(epilog=epilog("nc-latent-tod annotate predictions quickstart --manifest quickstart/manifest --out predictions"))
def predictions(
    group: GroupArgument,
    out: Annotated[Path, typer.Option("--out", show_default=False, help="A new folder.")],
    manifest: ManifestOption = "manifest",
) -> None:
    """Write all candidates with their probabilities in the layout of Lightly, for who selects elsewhere."""
    from nc_latent_tod.api.annotate import predictions as write

    say(f"{out}: predictions of {write(group, manifest=manifest, out=out)} turns.")


@app.command(epilog=epilog("nc-latent-tod annotate simulate --group my_logs --gold gold --rounds 6 --per-round 30 "
                           "--strategies random,margin_diversity --out curve"))
def simulate(
    group: Annotated[str, typer.Option("--group", show_default=False, help="A group of finished runs.")],
    gold: Annotated[str, typer.Option("--gold", show_default=False, help="Gold labels of all its turns.")],
    manifest: ManifestOption = "manifest",
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of correction.")] = 6,
    per_round: Annotated[int, typer.Option("--per-round", min=1, help="Turns a round.")] = 30,
    strategies: Annotated[str, typer.Option("--strategies", help="Names with commas between.")]
    = "random,diversity,uncertainty,margin_diversity",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Repetitions with other seeds.")] = 5,
    error_rate: Annotated[float, typer.Option("--error-rate", min=0, max=1, help="Share of corrections that are wrong.")] = 0.0,
    seconds_a_turn: Annotated[float, typer.Option("--seconds-a-turn", min=0, help="Of the person.")] = 30.0,
    untouched: Annotated[int, typer.Option("--untouched", min=1, help="Dialogues that nothing is selected from.")] = 300,
    gold_format: Annotated[str, typer.Option("--gold-format", help="auto, multiwoz, sgd or labels.")] = "auto",
    schema: SchemaOption = None,
    entities: EntitiesOption = None,
    out: Annotated[Path, typer.Option("--out", help="The folder of the curve.")] = Path("curve"),
    as_json: JsonOption = False,
) -> None:
    """What would corrections buy? An oracle corrects in place of a person; writes OUT/curve.json, .csv and .svg."""
    from nc_latent_tod.cli.views.curve import curve_table
    from nc_latent_tod.rounds.active import Plan
    from nc_latent_tod.rounds.curve import simulate_rounds

    plan = Plan([name.strip() for name in strategies.split(",")], rounds, per_round, seeds, error_rate, untouched)
    found = simulate_rounds(group, plan, manifest=manifest, gold=gold, out=out, gold_format=gold_format, schema=schema,
                            entities=entities, seconds_a_turn=seconds_a_turn, report=remark)
    if as_json:
        print_json(found)
    else:
        standard_output().print(curve_table(found))
        say(f"{out}/curve.json   {out}/curve.csv   {out}/intervals.json   picture {out}/curve.svg")
