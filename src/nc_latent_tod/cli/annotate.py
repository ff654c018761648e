"""Commands for a person's part: `annotate select` and what follows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli import annotate_page, annotate_push
from nc_latent_tod.cli.console import Commands, JsonOption, ManifestOption, epilog, print_json, remark

app = typer.Typer(cls=Commands, no_args_is_help=True, help="A person corrects labels: select turns, correct them, learn.")

RoundArgument = Annotated[Path, typer.Argument(metavar="ROUND", show_default=False, help="A file that `annotate select` made.")]
GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", show_default=False, help="A group of finished runs.")]


@app.callback()
def annotating() -> None:
    """A person corrects labels: select turns, correct them, learn from the corrections."""


@app.command(epilog=epilog("nc-latent-tod annotate select quickstart --manifest quickstart/manifest -n 30"))
def select(
    group: GroupArgument,
    n: Annotated[int, typer.Option("-n", min=1, help="Turns to select.")] = 30,
    manifest: ManifestOption = "manifest",
    strategy: Annotated[str, typer.Option("--strategy", help="random, diversity, uncertainty, margin_diversity or balance.")]
    = "random",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed selects the same turns.")] = 0,
    out: Annotated[Path, typer.Option("--out", help="The folder of all rounds.")] = Path("annotations"),
    strict: Annotated[bool, typer.Option("--strict", help="Refuse where fewer than N turns are left.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Select turns that a person is to correct, into OUT/round-K.json. A turn is never selected twice."""
    from nc_latent_tod.api.annotate import select_round

    made, path = select_round(group, manifest=manifest, n=n, out=out, strategy=strategy, seed=seed, strict=strict, tell=remark)
    if as_json:
        print_json({"path": path, "round": made.number, "turns": len(made.turns), "sha256": made.sha256})
    else:
        typer.echo(f"{path}: {len(made.turns)} turns of {len({turn.dialogue_id for turn in made.turns})} dialogues.")


app.add_typer(annotate_page.app)
app.add_typer(annotate_push.app)
