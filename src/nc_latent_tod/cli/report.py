"""The command `report`: one page on a group's labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import ManifestOption, epilog, say

app = typer.Typer()


@app.command(epilog=epilog("nc-latent-tod report quickstart --manifest quickstart/manifest --gold packaged:simulated_gold",
                           "nc-latent-tod report my_logs --job job.json --to my_logs.html",
                           "nc-latent-tod report second --round first --job job.json"))
def report(
    group: Annotated[str, typer.Argument(metavar="GROUP", show_default=False, help="The group whose finished runs are shown.")],
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE.html", show_default=False, help="Default: GROUP.html.")]
    = None,
    manifest: ManifestOption = "manifest",
    schema: Annotated[str | None, typer.Option("--schema", show_default=False,
                                               help="The schema that the labels follow. Default: that of the job, with "
                                                    "the gold, or of the group's jobs.")] = None,
    job_file: Annotated[Path | None, typer.Option("--job", metavar="JOB.json", show_default=False,
                                                  help="Take manifest and schema from this job file.")] = None,
    gold: Annotated[str | None, typer.Option("--gold", show_default=False,
                                             help="Gold labels, to score and calibrate: an annotated folder or label files.")]
    = None,
    gold_format: Annotated[str, typer.Option("--gold-format", help="auto, multiwoz, sgd or labels.")] = "auto",
    rounds: Annotated[list[str] | None, typer.Option("--round", metavar="GROUP", show_default=False,
                                                     help="An earlier round over the same dialogues, in the same manifest; may "
                                                          "be repeated, oldest first.")] = None,
    temperature: Annotated[str | None, typer.Option("--temperature", metavar="FILE.json", show_default=False,
                                                    help="Of confidence: what `calibrate --to` wrote, or a number.")] = None,
    max_dialogues: Annotated[int, typer.Option("--max-dialogues", min=1, help="The worst so many are in the page.")] = 1000,
) -> None:
    """Show a group's labels in one HTML file without network: scores, confidence, distributions, worst dialogues."""
    from nc_latent_tod.api.publish import read_temperatures
    from nc_latent_tod.api.report import report_group, write_page

    found = report_group(group, manifest=manifest, schema=schema, job_file=job_file, gold=gold, gold_format=gold_format,
                         rounds=rounds or [], temperatures=read_temperatures(temperature) if temperature else {},
                         max_dialogues=max_dialogues)
    target = to or Path(f"{group}.html")
    size = write_page(found, target)
    say(f"{target}: {found.dialogues} dialogues, {found.turns} turns, {size / 1e6:.1f} MB. Open it in a browser.")
