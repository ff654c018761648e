"""Commands on a group of finished runs: `evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, ManifestOption, epilog, print_json, standard_output

app = typer.Typer()

GroupOption = Annotated[str, typer.Option("--group-id", help="The group whose finished runs are meant.", show_default=False)]


@app.command(epilog=epilog("nc-latent-tod evaluate --group-id initial_labelling --gold data/multiwoz/dev"))
def evaluate(
    group_id: GroupOption,
    gold: Annotated[str, typer.Option("--gold", show_default=False,
                                      help="Gold labels: an annotated folder, a label file or a folder of them.")],
    gold_format: Annotated[str, typer.Option("--gold-format", help="auto, multiwoz, sgd or labels.")] = "auto",
    manifest: ManifestOption = "manifest",
    resamples: Annotated[int, typer.Option("--resamples", min=0, help="Bootstrap resamples for the intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resamples.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Score a group's labels against gold: joint goal accuracy, slots, acts, per service, with bootstrap intervals."""
    from nc_latent_tod.cli.scoring import evaluate_group, show_scores

    scores = evaluate_group(manifest, group_id, gold=gold, gold_format=gold_format, resamples=resamples, seed=seed)
    if as_json:
        print_json(scores.to_json())
    else:
        standard_output().print(show_scores(scores))
