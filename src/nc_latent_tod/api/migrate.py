"""A group copied from one manifest to another, whatever their kinds, and compared afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nc_latent_tod.errors import ConfigError, DamagedError
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.pipeline.seeding import stored_embeddings
from nc_latent_tod.system.files import read_bytes, write_bytes


@dataclass(frozen=True, slots=True)
class Migrated:
    """What became of the runs of a group."""

    copied: tuple[str, ...]
    already_there: tuple[str, ...]


def migrate(source: Manifest, target: Manifest, group_id: str, *, labels_to: str = "") -> Migrated:
    """Copy a group's entries, with `labels_to` also its label files to that folder or URL; the source is left as it is.

    May be repeated: what is there already is left alone. Raises `ConfigError` where the group is empty, `DamagedError` where
    a label file is damaged, or the target holds other labels for a run; then nothing was copied, or what was copied stays.
    """
    entries = source.entries(group_id)
    if not entries:
        raise ConfigError(f"The manifest has no finished run of group {group_id!r}: nothing to copy. Check the group id.")
    before = {entry.run_id: entry for entry in target.entries(group_id)}
    _refuse(entries, before)
    missing = [entry for entry in entries if entry.run_id not in before]
    for entry in missing:
        target.add(_with_labels(entry, labels_to) if labels_to else entry)
    stored = {entry.run_id: entry for entry in target.entries(group_id)}
    _refuse(entries, stored)
    if lost := [entry.run_id for entry in entries if entry.run_id not in stored]:
        raise DamagedError(f"The target does not hold the runs {', '.join(lost)} after they were copied. Try again.")
    return Migrated(tuple(entry.run_id for entry in missing), tuple(sorted(before.keys() & {e.run_id for e in entries})))


def _with_labels(entry: ManifestEntry, labels_to: str) -> ManifestEntry:
    """Copy the label file of an entry and the embeddings beside it; the entry with its new URL."""
    if not (entry.labels_url and entry.sha256):
        raise DamagedError(f"Run {entry.run_id!r} names no label file, or no sha256 of it: leave out the copy of the labels.")
    folder = f"{labels_to.rstrip('/')}/labels"
    url = f"{folder}/{entry.labels_url.rpartition('/')[2]}"
    write_bytes(url, read_bytes(entry.labels_url, entry.sha256))
    read_bytes(url, entry.sha256)
    for embeddings in stored_embeddings(entry.labels_url):
        write_bytes(f"{folder}/{embeddings.rpartition('/')[2]}", read_bytes(embeddings))
    return replace(entry, labels_url=url, labelled_dataset_path_or_name=url)


def _refuse(entries: Sequence[ManifestEntry], others: dict[str, ManifestEntry]) -> None:
    """Raise `DamagedError` where two entries of one run differ in more than the place of their labels."""
    both = [(entry, others[entry.run_id]) for entry in entries if entry.run_id in others]
    differing = [entry.run_id for entry, other in both if _placeless(entry) != _placeless(other)]
    if differing:
        raise DamagedError(f"The target holds other labels for {len(differing)} runs: {', '.join(differing[:5])}. Copy into an "
                           "empty group, or remove these entries from one of the two manifests.")


def _placeless(entry: ManifestEntry) -> ManifestEntry:
    return replace(entry, labels_url="", labelled_dataset_path_or_name="")
