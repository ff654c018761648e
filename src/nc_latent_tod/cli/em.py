"""The commands `em` and `bootstrap`: rounds of labelling and learning."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, epilog, print_json, remark, say, standard_error, standard_output

if TYPE_CHECKING:
    from nc_latent_tod.config.em import Em
    from nc_latent_tod.rounds.em import Result

app = typer.Typer()

RoundsOption = Annotated[int | None, typer.Option("--rounds", min=1, show_default=False,
                                                  help="Rounds of relabelling after round 0, at most.")]
GoldOption = Annotated[str | None, typer.Option("--gold", show_default=False,
                                                help="Gold labels, for the scores of the table alone.")]


@app.command(epilog=epilog("nc-latent-tod em --config em.json --rounds 2 --out em"))
def em(
    config: Annotated[Path, typer.Option("--config", metavar="EM.json", show_default=False, help="Jobs, fine-tuning, rules.")],
    out: Annotated[Path, typer.Option("--out", help="The folder of all rounds; what is finished there is kept.")] = Path("em"),
    rounds: RoundsOption = None,
    gold: GoldOption = None,
    as_json: JsonOption = False,
) -> None:
    """Label, publish, fine-tune, relabel, and so on, until rounds agree. Kill it anywhere: the same command goes on.

    Writes OUT/rounds.json (lineage and figures), rounds.svg and issues.jsonl: turns that rounds read differently, worst first.
    """
    from nc_latent_tod.config.em import GoldSection, parse_em
    from nc_latent_tod.errors import ConfigError

    try:
        chosen = parse_em(config.read_bytes(), str(config))
    except OSError as error:
        raise ConfigError(f"{config}: the configuration cannot be read: {error.strerror}.") from error
    if gold:
        chosen = chosen.model_copy(update={"gold": GoldSection(path=gold)})
    show(run_rounds(chosen, out, rounds), out, chosen.name, as_json=as_json)


@app.command(epilog=epilog("nc-latent-tod bootstrap --corpus logs.jsonl --schema schema.json --entities entities.json"))
def bootstrap(
    corpus: Annotated[str, typer.Option("--corpus", show_default=False, help="Dialogues without labels: a file, a folder.")],
    schema: Annotated[str, typer.Option("--schema", show_default=False, help="The schema.json of their services.")],
    entities: Annotated[str | None, typer.Option("--entities", show_default=False, help="An entity table.")] = None,
    split: Annotated[str | None, typer.Option("--split", show_default=False,
                                              help="A split, or a part of one: train_0_200.")] = None,
    gold: GoldOption = None,
    rounds: RoundsOption = 2,
    out: Annotated[Path, typer.Option("--out", help="The folder of all rounds; what is finished there is kept.")]
    = Path("bootstrap"),
    model: Annotated[str | None, typer.Option("--model", show_default=False,
                                              help="Fine-tune this model too, such as packaged:tiny-starcoder, and let it "
                                                   "weigh the proposals. Default: no language model.")] = None,
    steps: Annotated[int, typer.Option("--steps", min=4, hidden=True, help="Optimiser steps of each fine-tuning.")] = 600,
    simulated: Annotated[int, typer.Option("--simulated", min=10, hidden=True, help="Simulated dialogues that are mixed in.")]
    = 300,
    min_confidence: Annotated[float, typer.Option("--min-confidence", hidden=True,
                                                  help="Less sure labels are not learnt from.")] = 0.6,
    proposal_weight: Annotated[float, typer.Option("--proposal-weight", min=0.1, hidden=True,
                                                   help="Of a proposal's own score when rounds after the first rank.")] = 8.0,
    corrections: Annotated[str | None, typer.Option("--corrections", metavar="GROUP", show_default=False, help=
                                                    "Learn from what a person corrected in this group too.")] = None,
    corrections_manifest: Annotated[str, typer.Option("--corrections-manifest", help="Where that group is.")] = "manifest",
    correction_weight: Annotated[int, typer.Option("--correction-weight", min=1, hidden=True,
                                                   help="A corrected turn counts as so many others.")] = 5,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes that label.")] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same labels.")] = 0,
    write_only: Annotated[bool, typer.Option("--write-only", help="Write OUT/em.json and run nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Label from nothing, in rounds: proposals first; what is learnt from their labels ranks the proposals anew.

    Learnt are weights of words and acts, in seconds; with --model also a language model, from the sure labels and simulated
    dialogues. The rounds are those of `em`, and OUT/em.json is the configuration: with --write-only it is written and not run,
    to be edited and given to `em --config OUT/em.json --out OUT`.
    """
    from nc_latent_tod.api.simulate import simulate_corpus
    from nc_latent_tod.rounds.bootstrap import bootstrap_config
    from nc_latent_tod.rounds.em import keep_config

    config = bootstrap_config(corpus, schema, entities, out=out, split=split, base=model, steps=steps, gold=gold, seed=seed,
                              min_confidence=min_confidence, proposal_weight=proposal_weight, workers=workers,
                              corrections={"group_id": corrections, "manifest": corrections_manifest,
                                           "weight": correction_weight} if corrections else None)
    if model and not (out / "simulated" / "logs.jsonl").exists():
        simulate_corpus(out / "simulated", dialogues=simulated, seed=seed, schema=schema, entities=entities, templates="all")
    if write_only:
        say(f"{keep_config(config, out)}: edit it, then nc-latent-tod em --config {out / 'em.json'} --out {out}")
        return
    show(run_rounds(config, out, rounds), out, config.name, as_json=as_json)


def run_rounds(config: Em, out: Path, rounds: int | None) -> Result:
    """Run the rounds with workers in processes of their own and fine-tuning in this one."""
    from nc_latent_tod.cli.allowed import options_of
    from nc_latent_tod.cli.stop import orderly_stop
    from nc_latent_tod.cli.views.progress import LiveProgress
    from nc_latent_tod.cli.workers import start_workers
    from nc_latent_tod.config.trust import asked_by
    from nc_latent_tod.errors import InterruptedJobError, require_extra
    from nc_latent_tod.rounds.em import Steps, run_em

    asked = options_of(asked_by(config.job, config.relabel))  # the jobs are the caller's own
    if config.finetune is not None:
        require_extra("fine-tuning in rounds", "train", "mlflow", "peft")
    with orderly_stop() as stop, LiveProgress(standard_error()) as progress:
        def learn(run, folder):  # type: ignore[no-untyped-def]
            from nc_latent_tod.api.finetune import finetune

            return finetune(run, folder, report=progress.training, should_stop=stop.is_asked_for)

        def work(queue: Path, workers: int, threads: int | None) -> int:
            code = 0
            if not stop.is_asked_for():  # since the last round's workers
                code = start_workers(workers, ["work", "--drain", "--queue", str(queue), *asked], threads=threads,
                                     on_signal=stop.ask)
            if stop.is_asked_for():
                raise InterruptedJobError("The workers were stopped.")
            return code

        return run_em(config, out, Steps(work, learn, remark), rounds=rounds)


def show(result: Result, out: Path, name: str, *, as_json: bool) -> None:
    """Print the rounds and draw them."""
    from nc_latent_tod.cli.views.rounds import rounds_table
    from nc_latent_tod.rounds.picture import rounds_svg
    from nc_latent_tod.system.files import write_bytes

    write_bytes(out / "rounds.svg", rounds_svg(result.rounds, name).encode())
    if as_json:
        print_json({"reason": result.reason, "issues": result.issues, "rounds": [asdict(one) for one in result.rounds]})
        return
    standard_output().print(rounds_table(result.rounds))
    say(f"Stopped: {result.reason}.\n{result.issues} turns are read differently by different rounds, worst first: "
               f"{out}/issues.jsonl\nlineage and figures {out}/rounds.json   picture {out}/rounds.svg")
