"""What corrections taught, applied to a whole group: new labels without a model."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from nc_latent_tod.annotation.menus import Menus
from nc_latent_tod.annotation.overlay import corrections_of, with_corrections
from nc_latent_tod.annotation.relabel import Taught, learnt, relabelled
from nc_latent_tod.api.backends import Builder
from nc_latent_tod.api.connect import manifest_at, manifest_section
from nc_latent_tod.api.groups import rows_of, runs_of, schema_of_group
from nc_latent_tod.corpus.entities import load_entities
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Example, by_dialogue
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.schema import Schema
from nc_latent_tod.system.files import write_bytes
from nc_latent_tod.system.version import __version__

_FEW = 150  # corrected turns: with fewer, SGD's labels became worse and MultiWOZ's better


@dataclass(frozen=True)
class Applied:
    """What became of a group."""

    group_id: str
    runs: int
    turns: int
    corrections: int
    changed: int  # turns whose change of state is another now
    weights_url: str  # what was learnt, as JSON


def apply_corrections(group_id: str, out_group: str, *, manifest: str, schema: str | None = None, entities: str | None = None,
                      tell: Callable[[str], None] = lambda note: None) -> Applied:
    """Learn from a group's corrections and label all its turns anew as the group `out_group`, which takes the corrections over.

    Readings are those that rules propose, or those that a model gave before. Runs that are in `out_group` already by the same
    corrections are left as they are, so a killed call goes on. Raises `ConfigError` where there is nothing to learn from,
    `out_group` is of something else, or the schema or entity table is not that of the labels.
    """
    manifest_section(manifest, out_group)  # refuses a name that no group can have
    if out_group == group_id:
        raise ConfigError(f"--out-group is {out_group!r}, the group itself, whose runs are never replaced: name a new group.")
    stored, entries = manifest_at(manifest, group_id), runs_of(manifest, group_id)
    rows = rows_of(entries)
    corrected = corrections_of(rows)
    if not corrected:
        raise ConfigError(f"Nobody has corrected a turn of {group_id!r} yet: `annotate pull` brings corrections.")
    known = load_schema(schema) if schema else schema_of_group(stored, group_id)
    menus = menus_of(entries, known, entities)
    tell(f"learning from {len(corrected)} corrected turns")
    if len(corrected) < _FEW:
        tell(f"note: in trials fewer than {_FEW} corrected turns helped one corpus and harmed another (docs/annotation.md): "
             "compare the two groups where you know the truth, or correct more.")
    labels = list(by_dialogue(with_corrections(rows)).values())
    taught = learnt(menus, labels, corrected)
    made = [_relabelled_run(stored, entry, rows, menus, taught, corrected, out_group)
            for entry in entries if not entry.label_source]
    for entry in entries:
        if entry.label_source:
            stored.add(replace(entry, group_id=out_group))
    return Applied(out_group, len(made), sum(turns for turns, _ in made), len(corrected), sum(changed for _, changed in made),
                   _store_weights(entries[0], taught, out_group))


def menus_of(entries: Sequence[ManifestEntry], schema: Schema, entities: str | None) -> Menus:
    """What reads the turns of a group again. Raises `ConfigError` where its entity table is not known, or has changed."""
    machine = [entry for entry in entries if not entry.label_source]
    wanted = {str(json.loads(entry.made_by).get("inputs", {}).get("entities", "")) for entry in machine if entry.made_by}
    path = entities or next((entry.entities_path for entry in machine if entry.entities_path), None)
    if wanted - {""} and path is None:
        raise ConfigError("The labels were made with an entity table, and the manifest does not say where it is: name it with "
                          "--entities.")
    if path and wanted:
        table = json.dumps(load_entities(path, schema), sort_keys=True)
        if hashlib.sha256(table.encode()).hexdigest() not in wanted:
            raise ConfigError(f"{path} is not the entity table that the labels were made with, or it has changed since: "
                              "name that one with --entities.")
    return Menus(Builder().proposer(path, schema), schema)


def _relabelled_run(stored: Manifest, entry: ManifestEntry, rows: Sequence[Example], menus: Menus, taught: Taught,
                    corrected: Mapping[tuple[str, int], Example], out_group: str) -> tuple[int, int]:
    """Label one run's dialogues anew and add it to the group; its turns, and those whose change differs."""
    before = [e for e in rows if e.run_id == entry.run_id and not e.label.is_human]
    provenance = {"job": entry.config_fingerprint, "model": "corrections", "code": __version__}
    new = [e for turns in relabelled(menus, list(by_dialogue(before).values()), taught, corrected, run_id=entry.run_id,
                                     provenance=provenance) for e in turns]
    was = {e.turn.key: e.label.change for e in before}
    changed = sum(e.label.change != was[e.turn.key] for e in new)
    folder = posixpath.dirname(entry.labels_url)
    made_from = json.dumps([out_group, entry.sha256, dict(taught.changes), dict(taught.acts)], sort_keys=True)
    url = f"{folder}/{entry.run_id}-{out_group}-{hashlib.sha256(made_from.encode()).hexdigest()[:12]}.jsonl.gz"
    if known := stored.entry(out_group, entry.run_id):
        if known.labels_url != url:
            raise ConfigError(f"The group {out_group!r} holds labels already, and by other corrections: it is left as it is. "
                              "Name a new group with --out-group.")
        return len(new), changed
    order = {e.turn.key: place for place, e in enumerate(before)}
    sha256 = write_examples(url, sorted(new, key=lambda e: order[e.turn.key]))
    stored.add(replace(
        entry, group_id=out_group, labels_url=url, labelled_dataset_path_or_name=url, sha256=sha256,
        num_failures=sum(bool(e.label.failures) for e in new), code_version=__version__, made_by="", usage="", tokens=0,
        seconds=0.0, seed_run_ids=(), seed_group_id="", reuse_group_id="", num_reused=0,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds")))
    return len(new), changed


def _store_weights(entry: ManifestEntry, taught: Taught, out_group: str) -> str:
    url = f"{posixpath.dirname(entry.labels_url)}/taught-{out_group}.json"
    data = {"changes": dict(taught.changes), "acts": dict(taught.acts)}
    write_bytes(url, f"{json.dumps(data, indent=1, ensure_ascii=False)}\n".encode())
    return url

