"""Corrections back into the loop: files of a round become rows of the group's manifest, once."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nc_latent_tod.annotation.agree import Standing, settled, standing
from nc_latent_tod.annotation.checking import checked
from nc_latent_tod.annotation.corrections import Correction, read_corrections
from nc_latent_tod.annotation.overlay import HUMAN, corrected_example
from nc_latent_tod.annotation.rounds import Round, read_round
from nc_latent_tod.api.annotate_label_studio import corrections_of_export, corrections_on_server
from nc_latent_tod.api.connect import manifest_at
from nc_latent_tod.api.groups import labels_of, runs_of, schema_of_group
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.system.version import __version__

SPLIT = "corrections"
"""What the entry of a round names as its split."""


@dataclass(frozen=True)
class Pulled:
    """What became of a round's corrections."""

    round: int
    group_id: str
    run_id: str
    corrections: int  # turns that are corrected now
    changed: int  # of them, those whose change or acts differ from what was predicted
    unsure: int  # turns that nobody was sure of: they stay as predicted
    missing: int  # turns of the round without a verdict
    left_out: tuple[str, ...]  # corrections that the schema cannot hold, in words
    labels_url: str


def pull_corrections(round_url: str, corrections: Sequence[Correction], *, manifest: str | None = None,
                     schema: str | None = None, annotator: str | None = None, out_of_order: bool = False,
                     tell: Callable[[str], None] = lambda note: None) -> Pulled:
    """Add a round's corrections to its group, as an entry of their own; nothing that is there is changed.

    `manifest`: where the group is now, if not where the round says. Raises, and changes nothing: `ConfigError` where the round
    was pulled before, or an earlier one was not (unless `out_of_order`), or nothing is left to take; `CorpusError` where
    corrections contradict each other, or are of turns or texts that the group does not have.
    """
    made = read_round(round_url)
    place = manifest or made.manifest
    entries = runs_of(place, made.group_id)
    _check_order(made, entries, out_of_order)
    stored = manifest_at(place, made.group_id)
    known = load_schema(schema) if schema else schema_of_group(stored, made.group_id)
    labels = {example.turn.key: example for example in labels_of(entries)}
    chosen = settled(corrections, annotator)
    found = checked(chosen, labels, known)
    for note in found.left_out:
        tell(f"left out: {note}")
    if not found.corrections:
        raise ConfigError(f"No correction of round {made.number} is left to take: of {len(chosen)} turns with a verdict "
                          f"{sum(c.verdict == 'unsure' for c in chosen)} are unsure and {len(found.left_out)} do not fit the "
                          "schema. Nothing was changed.")
    run_id = f"human-round-{made.number}-{made.sha256[:8]}"
    rows = [corrected_example(labels[c.key], c, run_id) for c in sorted(found.corrections, key=lambda c: c.key)]
    first = next(entry for entry in entries if not entry.label_source)
    content = hashlib.sha256(json.dumps([row.to_json() for row in rows], sort_keys=True).encode()).hexdigest()
    url = f"{posixpath.dirname(first.labels_url)}/{run_id}-{content[:8]}.jsonl.gz"  # of these corrections alone
    entry = ManifestEntry(
        made.group_id, run_id, len(rows), url, SPLIT, url, write_examples(url, rows),
        num_dialogues=len({row.turn.dialogue_id for row in rows}), code_version=__version__,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"), schema_path=first.schema_path,
        schema_sha256=known.sha256, label_source=HUMAN, round_number=made.number, round_sha256=made.sha256)
    if not stored.add(entry):
        raise _pulled_before(made, entry)
    changed = sum(row.label.change != labels[row.turn.key].label.change
                  or row.label.acts != tuple(sorted(labels[row.turn.key].label.acts)) for row in rows)
    return Pulled(made.number, made.group_id, run_id, len(rows), changed, sum(c.verdict == "unsure" for c in chosen),
                  len({turn.key for turn in made.turns} - {c.key for c in chosen}), found.left_out, url)


def corrections_in(round_url: str, sources: Sequence[str], *, key: str = "", manifest: str | None = None,
                   schema: str | None = None) -> list[Correction]:
    """The corrections of a round: of corrections files, of exports of Label Studio, and of its servers by URL.

    `key` is an access token of the servers. Raises `CorpusError` where one cannot be taken, and as the server does.
    """
    made = read_round(round_url)
    found: list[Correction] = []
    for source in sources:
        if source.startswith(("http://", "https://")):
            found += corrections_on_server(round_url, url=source, key=key, manifest=manifest, schema=schema)
            continue
        exported = corrections_of_export(round_url, source, manifest=manifest, schema=schema)
        found += read_corrections(source, made) if exported is None else exported
    return found


def round_standing(round_url: str, sources: Sequence[str], *, key: str = "", manifest: str | None = None,
                   schema: str | None = None) -> Standing:
    """How far a round is, by the corrections of its annotators. Raises as `corrections_in` does."""
    return standing(read_round(round_url), corrections_in(round_url, sources, key=key, manifest=manifest, schema=schema))


def _check_order(made: Round, entries: Sequence[ManifestEntry], out_of_order: bool) -> None:
    pulled = {entry.round_sha256: entry for entry in entries if entry.label_source}
    if made.sha256 in pulled:
        raise _pulled_before(made, pulled[made.sha256])
    absent = [number for number, sha256 in enumerate(made.earlier) if sha256 not in pulled]
    if absent and not out_of_order:
        raise ConfigError(f"Round {made.number} comes before its turn: round {', '.join(map(str, absent))} was not pulled into "
                          f"{made.group_id!r} yet. Nothing was changed: pull that first, or, if it was given up, pull this one "
                          "with --out-of-order.")


def _pulled_before(made: Round, entry: ManifestEntry) -> ConfigError:
    return ConfigError(f"Round {made.number} of {made.group_id!r} was pulled already ({entry.num_logs} corrections, "
                       f"{entry.finished_at or 'by another call'}), and corrections are never replaced. Nothing was changed: "
                       "to correct more turns, select another round.")
