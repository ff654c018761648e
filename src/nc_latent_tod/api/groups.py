"""A group of finished runs: its labels, its labels beside gold, and the schema that they follow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from nc_latent_tod.annotation.overlay import with_corrections
from nc_latent_tod.api.connect import manifest_at
from nc_latent_tod.corpus.gold.load import GoldTurns
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.schemas import PACKAGED, load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.evaluation.labels.scores import Pair, pair
from nc_latent_tod.labels import Example
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.schema import Schema


def schema_path_of(manifest: Manifest, group_id: str) -> str | None:
    """The path that the group's jobs named; None where no entry says, as in those of earlier versions.

    Raises `ConfigError` where they named several.
    """
    paths = sorted({entry.schema_path for entry in manifest.entries(group_id)} - {""})
    if len(paths) > 1:
        raise ConfigError(f"The runs of {group_id!r} were labelled with several schemas: {', '.join(paths)}. Name the one that "
                          "all labels fit with --schema.")
    return paths[0] if paths else None


def schema_of_group(manifest: Manifest, group_id: str) -> Schema:
    """The schema that the group's jobs named, or else the packaged one. Raises `ConfigError` where it is gone."""
    path = schema_path_of(manifest, group_id) or f"{PACKAGED}schema"
    try:
        return load_schema(path)
    except ConfigError as error:
        raise ConfigError(f"The runs of {group_id!r} were labelled with the schema {path}: {error} If it is elsewhere now, "
                          "name it with --schema.") from error


def runs_of(manifest: str, group_id: str) -> list[ManifestEntry]:
    """The finished runs of a group, those of corrections too. Raises `ConfigError` where no job has finished one."""
    entries = manifest_at(manifest, group_id).entries(group_id)
    if not any(not entry.label_source for entry in entries):
        raise ConfigError(f"The manifest {manifest!r} has no finished run of group {group_id!r}.")
    return entries


def rows_of(entries: Sequence[ManifestEntry]) -> list[Example]:
    """All rows of the label files of runs, those of corrections too."""
    return [example for entry in entries for example in read_examples(entry.labels_url, entry.sha256)]


def labels_of(entries: Sequence[ManifestEntry]) -> list[Example]:
    """The labels of runs, one a turn: what a person corrected stands before what was predicted."""
    return with_corrections(rows_of(entries))


def group_pairs(manifest: str, group_id: str, gold: GoldTurns, *, part: bool = False,
                tell: Callable[[str], None] = lambda note: None) -> list[Pair]:
    """The labels of all finished runs of a group with their gold; with `part`, of the dialogues that have gold.

    `tell` is told how many are left out. Raises `ConfigError` where there is no run, or gold is missing for a turn.
    """
    entries = runs_of(manifest, group_id)
    examples = labels_of(entries)
    annotated = {dialogue_id for dialogue_id, _ in gold}
    known = [example for example in examples if example.turn.dialogue_id in annotated] if part else examples
    if left_out := len({e.turn.dialogue_id for e in examples} - annotated) if part and known else 0:
        tell(f"note: {left_out} dialogues of the group have no gold and are left out.")
    return pair(known or examples, gold)


def schema_with(gold: str, schema: str | None) -> Schema | None:
    """The schema that is named, else that of the packaged gold, else the `schema.json` with the gold or above, else None."""
    if schema is not None or gold.startswith(PACKAGED):
        return load_schema(schema or f"{PACKAGED}schema")
    path = Path(gold)
    return next((load_schema(place) for place in (path, path.parent) if (place / "schema.json").is_file()), None)


def known_schema(gold: str, schema: str | None) -> Schema:
    """The schema that is named, or that lies with the gold. Raises `ConfigError` where there is none."""
    found = schema_with(gold, schema)
    if found is None:
        raise ConfigError(f"There is no schema.json with {gold}: name the schema that the labels follow with --schema.")
    return found
