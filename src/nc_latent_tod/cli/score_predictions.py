"""Commands that score a system's responses: `score-predictions`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, epilog, print_json, standard_output

app = typer.Typer()


class DomainSource(StrEnum):
    """Where the active domains of a turn come from."""

    auto = "auto"
    given = "given"
    states = "states"
    placeholders = "placeholders"


@app.command("score-predictions", epilog=epilog("nc-latent-tod score-predictions predictions.json --data multiwoz"))
def score_predictions(
    file: Annotated[Path, typer.Argument(metavar="FILE", show_default=False,
                                         help="Predictions (.json, .json.gz): dialogue -> turns with response and state.")],
    data: Annotated[Path, typer.Option("--data", metavar="FOLDER", show_default=False,
                                       help="Holds goals_SPLIT.json, booked_domains.json and db/.")],
    split: Annotated[str, typer.Option("--split", help="Which goals_SPLIT.json.")] = "test",
    references: Annotated[Path | None, typer.Option("--references", metavar="PATH", show_default=False,
                                                    help="For BLEU: a folder in the MultiWOZ 2.2 layout, or a JSON file of "
                                                         "delexicalised responses.")] = None,
    domains: Annotated[DomainSource, typer.Option("--domains", help="Where active domains come from; auto: the file, where "
                                                                    "it has them, else changes of the states.")]
    = DomainSource.auto,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Score what is there; missing dialogues and turns "
                                                                        "are counted, not scored.")] = False,
    allow_unknown: Annotated[bool, typer.Option("--allow-unknown-placeholders", help="Leave them out, and count them.")]
    = False,
    resamples: Annotated[int, typer.Option("--resamples", min=0, help="Bootstrap resamples for the intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resamples.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Score a system's MultiWOZ responses as the community does: Inform, Success, BLEU, lexical richness."""
    from nc_latent_tod.api.score_predictions import score_file
    from nc_latent_tod.cli.views.predictions import show_prediction_scores

    scores = score_file(file, data=data, split=split, references=references, domains=domains.value, allow_missing=allow_missing,
                        allow_unknown=allow_unknown, resamples=resamples, seed=seed)
    if as_json:
        print_json(scores.to_json())
    else:
        standard_output().print(show_prediction_scores(scores))
