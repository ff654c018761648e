"""The command `calibrate`: does confidence mean what it says, and at which temperature does it?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, ManifestOption, epilog, print_json, remark, standard_output
from nc_latent_tod.cli.publish import GroupOption

if TYPE_CHECKING:
    from rich.table import Table

    from nc_latent_tod.api.calibrate import Calibration

app = typer.Typer()


@app.command(epilog=epilog("nc-latent-tod calibrate --group-id quickstart --manifest quickstart/manifest "
                           "--gold packaged:simulated_gold --to temperature.json --picture reliability.svg",
                           "nc-latent-tod publish --group-id second --to datasets --min-confidence 0.9 "
                           "--temperature temperature.json"))
def calibrate(
    group_id: GroupOption,
    gold: Annotated[str, typer.Option("--gold", show_default=False,
                                      help="Gold labels: an annotated folder, a label file or a folder of them. Dialogues "
                                           "without gold are left out.")],
    gold_format: Annotated[str, typer.Option("--gold-format", help="auto, multiwoz, sgd or labels.")] = "auto",
    schema: Annotated[str | None, typer.Option("--schema", show_default=False,
                                               help="The schema that the labels follow. Default: the schema.json with the "
                                                    "gold, if there.")] = None,
    manifest: ManifestOption = "manifest",
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE.json", show_default=False,
                                            help="Write the temperatures, for publish --temperature.")] = None,
    to_picture: Annotated[Path | None, typer.Option("--picture", metavar="FILE.svg", show_default=False,
                                                    help="Draw accuracy against confidence.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fit the temperatures of confidence to gold, and say how far confidence is from accuracy before and after."""
    from nc_latent_tod.api.calibrate import calibrate_group, write_calibration

    calibration = calibrate_group(manifest, group_id, gold=gold, gold_format=gold_format, schema=schema, tell=remark)
    write_calibration(calibration, group_id, to=to, picture=to_picture)
    if as_json:
        print_json(calibration.to_json())
    else:
        standard_output().print(show_calibration(calibration))


def show_calibration(calibration: Calibration) -> Table:
    """A row for each kind of label, before and after."""
    from rich.table import Table

    from nc_latent_tod.api.calibrate import NAMES

    fitted_at = ", ".join(f"{task} {value:.3g}" for task, value in calibration.temperature.items())
    table = Table("labels", "count", "accuracy", "confidence", "ECE", "Brier", title_justify="left", caption_justify="left",
                  title=f"{calibration.dialogues} dialogues, {calibration.turns} turns; temperatures {fitted_at}",
                  caption="At temperature 1 → at the temperature fitted to the other half of the dialogues.")
    for kind, raw in calibration.raw.items():
        fitted = calibration.fitted[kind]
        table.add_row(NAMES[kind], str(raw.count), f"{raw.accuracy:.3f}", f"{raw.confidence:.3f} → {fitted.confidence:.3f}",
                      f"{raw.ece:.3f} → {fitted.ece:.3f}", f"{raw.brier:.3f} → {fitted.brier:.3f}")
    return table
