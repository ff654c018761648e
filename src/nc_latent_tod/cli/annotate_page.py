"""The command `annotate page`: a round as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import epilog, say

app = typer.Typer()

RoundArgument = Annotated[Path, typer.Argument(metavar="ROUND", show_default=False, help="A file that `annotate select` made.")]
ManifestOfRound = Annotated[str | None, typer.Option("--manifest", show_default=False,
                                                     help="Where the group's manifest is now. Default: that of the round.")]
SchemaOfRound = Annotated[str | None, typer.Option("--schema", show_default=False,
                                                   help="The schema that the labels follow. Default: that of the round.")]


@app.command(epilog=epilog("nc-latent-tod annotate page annotations/round-0.json --out correct.html"))
def page(
    made: RoundArgument,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.html", help="The page.")] = Path("correct.html"),
    manifest: ManifestOfRound = None,
    schema: SchemaOfRound = None,
) -> None:
    """Write a round as one HTML file that is corrected offline in any browser; its button saves the corrections file."""
    from nc_latent_tod.api.annotate_page import write_page

    size = write_page(made, out=out, manifest=manifest, schema=schema)
    say(f"{out}: {size / 1e6:.1f} MB. Open it in a browser, correct, and save the file with its button.")
