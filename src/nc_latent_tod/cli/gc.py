"""Commands on stored runs: `migrate` a group to another manifest, `gc` what nothing needs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, epilog, print_json, say

app = typer.Typer()


@app.command(epilog=epilog("nc-latent-tod migrate initial_labelling --from manifest --to dynamo:TABLE --labels-to s3://BUCKET/labels"))
def migrate(
    group: Annotated[str, typer.Argument(help="The group's id.", show_default=False)],
    source: Annotated[str, typer.Option("--from", metavar="MANIFEST", show_default=False, help="A folder, or dynamo:TABLE.")],
    target: Annotated[str, typer.Option("--to", metavar="MANIFEST", show_default=False, help="A folder, or dynamo:TABLE.")],
    labels_to: Annotated[str, typer.Option("--labels-to", metavar="URL", show_default=False,
                                           help="Copy the label files there too, as other machines need them.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Copy a group of finished runs to another manifest, and compare the two afterwards. The source is left as it is."""
    from nc_latent_tod.api.connect import manifest_at, manifest_section, open_manifest
    from nc_latent_tod.api.migrate import migrate as copy

    done = copy(manifest_at(source, group), open_manifest(manifest_section(target, group)), group, labels_to=labels_to)
    if as_json:
        print_json(asdict(done))
    else:
        say(f"{len(done.copied)} runs copied, {len(done.already_there)} were there already. Both manifests agree.")


@app.command(epilog=epilog("nc-latent-tod gc job_0.json --dry-run"))
def gc(
    job_file: Annotated[Path, typer.Argument(metavar="JOB.json", show_default=False,
                                             help="A job of the group: it names manifest, group and place of labels.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List the files, and delete nothing.")] = False,
    older_than: Annotated[float, typer.Option("--older-than", metavar="HOURS", min=0.0,
                                              help="Younger files may be in use.")] = 24.0,
    unfinished: Annotated[bool, typer.Option("--unfinished", help="Delete labels of runs that are not in the manifest too. "
                                                                  "Only where no other manifest uses this place.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete what killed workers left: label files that no run names, checkpoints of finished runs, half-written files."""
    from nc_latent_tod.api.connect import open_manifest
    from nc_latent_tod.api.gc import find_orphans, remove_orphans
    from nc_latent_tod.api.jobs import read_job

    job = read_job(job_file)
    found = find_orphans(open_manifest(job.manifest), job.manifest.group_id, job.labels_url, older_than_s=older_than * 3600)
    doomed = [orphan for orphan in found if unfinished or orphan.kind != "unfinished"]
    if not dry_run:
        remove_orphans(job.labels_url, doomed)
    if as_json:
        print_json({"orphans": [asdict(orphan) for orphan in found], "deleted": 0 if dry_run else len(doomed)})
        return
    for orphan in found:
        say(f"{orphan.kind:<10}  {orphan.size:>12,} bytes  {orphan.age_s / 3600:>8.1f} h  {orphan.path}")
    size = sum(orphan.size for orphan in doomed)
    say(f"{len(doomed)} files with {size:,} bytes {'would be deleted' if dry_run else 'deleted'}"
               + (f", {len(found) - len(doomed)} of unfinished runs kept." if len(found) > len(doomed) else "."))
