"""Commands on a group of finished runs: `publish`, `evaluate`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from nc_latent_tod.cli.console import JsonOption, ManifestOption, epilog, print_json, remark, standard_output

app = typer.Typer()

_SPELLINGS = {"true": "--private", "1": "--private", "yes": "--private",
              "false": "--public", "0": "--public", "no": "--public"}

GroupOption = Annotated[str, typer.Option("--group-id", help="The group whose finished runs are meant.", show_default=False)]


class PublishCommand(TyperCommand):
    """Takes `--private True` and `--private False` too, as the original instructions have them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, plain_flags(args))


def plain_flags(arguments: list[str]) -> list[str]:
    """`--private VALUE` and `--private=VALUE` as `--private` or `--public`; everything else as it is."""
    plain: list[str] = []
    rest = [part for argument in arguments for part in (
        argument.split("=", 1) if argument.startswith("--private=") else [argument])]
    for argument in rest:
        if plain and plain[-1] == "--private" and argument.lower() in _SPELLINGS:
            plain[-1] = _SPELLINGS[argument.lower()]
        else:
            plain.append(argument)
    return plain


@app.command(cls=PublishCommand, epilog=epilog("nc-latent-tod publish --group-id initial_labelling --to datasets",
                                               "nc-latent-tod publish --group-id initial_labelling --hf-username me --public",
                                               "nc-latent-tod publish --group-id second --to datasets --min-confidence 0.9"))
def publish(
    group_id: GroupOption,
    to: Annotated[Path | None, typer.Option("--to", metavar="FOLDER", show_default=False,
                                            help="Write the dataset into this folder.")] = None,
    hf_username: Annotated[str | None, typer.Option("--hf-username", show_default=False,
                                                    help="Push it to the Hugging Face Hub under this name. The token is "
                                                         "that of `hf auth login`.")] = None,
    private: Annotated[bool, typer.Option("--private/--public", help="Who may see it on the Hub.")] = True,
    manifest: ManifestOption = "manifest",
    schema: Annotated[str | None, typer.Option("--schema", show_default=False,
                                               help="The schema that the labels follow. Default: that of the jobs.")] = None,
    job_file: Annotated[Path | None, typer.Option("--job", metavar="JOB.json", show_default=False,
                                                  help="Take manifest and schema from this job file.")] = None,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="Go on without missing or damaged partitions.")]
    = False,
    allow_mixed_schemas: Annotated[bool, typer.Option("--allow-mixed-schemas", hidden=True,
                                                      help="Go on although the schema changed between the runs.")] = False,
    validation: Annotated[int | None, typer.Option("--validation-dialogues", min=0, show_default=False,
                                                   help="Default: 64, or a tenth of a small corpus.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, hidden=True, help="Draws the validation dialogues.")] = 0,
    license: Annotated[str | None, typer.Option("--license", show_default=False, help="For the data card.")] = None,
    min_confidence: Annotated[float | None, typer.Option("--min-confidence", metavar="SHARE", show_default=False, help=
                                                         "Leave out labels that are less sure: above 0, at most 1.")] = None,
    temperature: Annotated[str | None, typer.Option("--temperature", metavar="FILE.json", show_default=False, help=
                                                    "Compute confidence at the temperatures that `calibrate` fitted, or at "
                                                    "one number. Default: 1.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Merge a group's runs into one dataset, verified, in a folder or on the Hub (private unless --public)."""
    from nc_latent_tod.api.publish import publish_group, read_temperatures
    from nc_latent_tod.cli.views.published import show_published

    published = publish_group(group_id, job_file=job_file, manifest=manifest, schema=schema, to=to, hf_username=hf_username,
                              public=not private, allow_missing=allow_missing, allow_mixed_schemas=allow_mixed_schemas,
                              validation_dialogues=validation, seed=seed, license=license, min_confidence=min_confidence,
                              temperatures=read_temperatures(temperature) if temperature else None)
    if as_json:
        print_json({**asdict(published), "path": str(published.path) if published.path else None})
    else:
        standard_output().print(show_published(published))


@app.command(epilog=epilog("nc-latent-tod evaluate --group-id initial_labelling --gold data/multiwoz/dev",
                           "nc-latent-tod evaluate --group-id second --against first --gold data/multiwoz/dev"))
def evaluate(
    group_id: GroupOption,
    gold: Annotated[str, typer.Option("--gold", show_default=False,
                                      help="Gold labels: an annotated folder, a label file or a folder of them.")],
    gold_format: Annotated[str, typer.Option("--gold-format", help="auto, multiwoz, sgd or labels.")] = "auto",
    against: Annotated[str | None, typer.Option("--against", metavar="GROUP", show_default=False,
                                                help="Compare with this group of the same manifest, which has to label the "
                                                     "same turns: differences with paired intervals.")] = None,
    schema: Annotated[str | None, typer.Option("--schema", show_default=False,
                                               help="Says which slots are categorical, for the fuzzy metric, and which slots "
                                                    "of a MultiWOZ data.json count. Default: the schema.json with the gold, "
                                                    "if there; else all slots count as open.")]
    = None,
    manifest: ManifestOption = "manifest",
    resamples: Annotated[int, typer.Option("--resamples", min=0, help="Bootstrap resamples for the intervals.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the resamples.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Score a group's labels against gold: joint goal accuracy, slots, acts, per service, with bootstrap intervals."""
    from nc_latent_tod.api.evaluate import evaluate_groups
    from nc_latent_tod.cli.views.comparison import show_evaluation

    evaluation = evaluate_groups(manifest, group_id, against, gold=gold, gold_format=gold_format, schema=schema,
                                 resamples=resamples, seed=seed)
    for note in evaluation.notes:
        remark(f"note: {note}")
    if as_json:
        print_json(evaluation.to_json())
    else:
        standard_output().print(show_evaluation(evaluation))
