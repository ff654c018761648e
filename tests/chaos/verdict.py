"""What must hold after a chaos run, whatever happened in it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import fsspec
from typer.testing import CliRunner

from chaos.site import FIRST, GROUP, Site, Work
from nc_latent_tod.cli import app
from nc_latent_tod.corpus.packaged import packaged_schema
from nc_latent_tod.publishing.folder import differing_file
from nc_latent_tod.publishing.publish import publish
from nc_latent_tod.system.s3 import register

register()


def problems(site: Site, work: Work, folder: Path, calm: Path) -> list[str]:
    """Sentences on what is wrong; [] is what everybody hopes for. `calm`: the dataset of the undisturbed run."""
    return [*_lost_or_twice(site, work), *_unsettled(site, work), *_undetected(site, work, folder),
            *_other_labels(site, folder, calm)]


def _lost_or_twice(site: Site, work: Work) -> list[str]:
    found = Counter(entry.labelled_dataset_split_name for entry in site.open_manifest().entries(GROUP))
    return [f"{split}: {found[split]} entries in the manifest" for split in sorted({*work.splits(), *found})
            if found[split] != 1 or split not in work.splits()]


def _unsettled(site: Site, work: Work) -> list[str]:
    status = site.open_queue().status()
    left = [f"{status.ready} jobs ready"] * bool(status.ready)
    left += [f"{job.name} is in flight with {job.worker}" for job in status.in_flight]
    left += [f"{letter.name} is dead: {letter.reason}" for letter in status.dead]
    return left + [f"{status.done} jobs are done, not {work.jobs}"] * (status.done != work.jobs)


def orphans(site: Site, work: Work, folder: Path) -> list[str]:
    """What `nc-latent-tod gc --dry-run` names, of both groups."""
    named: set[str] = set()
    for group in (FIRST, GROUP):
        job = folder / f"{group}.json"
        job.write_text(json.dumps(site.job(work, work.splits()[0], group)))
        told = CliRunner().invoke(app, ["gc", str(job), "--dry-run", "--older-than", "0", "--json"])
        assert told.exit_code == 0, told.output
        named |= {orphan["path"] for orphan in json.loads(told.stdout)["orphans"]}
    return sorted(named)


def _undetected(site: Site, work: Work, folder: Path) -> list[str]:
    """Every file below the place of labels is named by the manifest or by `gc`, and none by both."""
    system, root = fsspec.core.url_to_fs(site.labels_url)
    stored = set(system.find(root))
    manifest = site.open_manifest()
    needed = {fsspec.core.url_to_fs(entry.labels_url)[1] for group in (FIRST, GROUP) for entry in manifest.entries(group)}
    named = set(orphans(site, work, folder))
    return [*(f"{path}: an orphan that gc does not name" for path in sorted(stored - needed - named)),
            *(f"{path}: needed, and named by gc" for path in sorted(needed & named)),
            *(f"{path}: named by the manifest, and missing" for path in sorted(needed - stored))]


def _other_labels(site: Site, folder: Path, calm: Path) -> list[str]:
    """Two datasets are compared file by file: the Arrow data, the descriptions and the card."""
    path = publish(site.open_manifest(), GROUP, schema=packaged_schema(), to=folder / "datasets").path
    assert path is not None
    if path.name != calm.name:
        return [f"the dataset is {path.name}, undisturbed it is {calm.name}: labels differ"]
    different = differing_file(path, calm)
    return [f"{different} of the dataset differs from the undisturbed one"] if different else []

