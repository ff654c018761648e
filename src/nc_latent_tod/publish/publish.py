"""A manifest group becomes one dataset with its card, in a folder or on the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.errors import ConfigError, DamagedError
from nc_latent_tod.labels import Example
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.publish.abstention import Abstention
from nc_latent_tod.publish.card import data_card
from nc_latent_tod.publish.folder import save_whole
from nc_latent_tod.publish.hub import push
from nc_latent_tod.publish.merge import Counts, Merge
from nc_latent_tod.publish.partitions import (
    corrected_partition,
    missing_ranges,
    mixed_schemas,
    named,
    read_partition,
    repeated_dialogues,
    short_ranges,
)
from nc_latent_tod.publish.rows import features, rows
from nc_latent_tod.ranking.confidence import Temperatures
from nc_latent_tod.schema import Schema

logger = logging.getLogger(__name__)

VALIDATION_DIALOGUES = 64  # or a tenth of the corpus, if that is less
_TWICE = "Two runs over the same dialogues cannot be merged: publish them as two groups."
_DAMAGED = ("Run the jobs of missing partitions. Restore label files that are damaged or missing, or remove their runs from "
            "the manifest and run their jobs again. Or publish without all of these (--allow-missing).")
_MIXED = ("Remove the runs of the earlier schema from the manifest and run their jobs again. Or publish all schemas as one "
          "(--allow-mixed-schemas).")
_NAME_CHARACTERS = 96  # of a Hub repository, https://huggingface.co/docs/huggingface_hub/package_reference/hf_api


@dataclass(frozen=True, slots=True)
class Published:
    """What was published, and where."""

    name: str
    dialogues: int
    turns: int
    failed_turns: int
    splits: dict[str, int]  # dialogues by split
    path: Path | None = None
    url: str | None = None
    reused: bool = False  # an identical folder was there already
    unchanged: bool = False  # the Hub held these files already: nothing was uploaded
    left_out: tuple[str, ...] = ()  # what is missing, in words
    abstained: dict[str, int] = field(default_factory=dict)  # turns whose dst, act_tag or state is left out as too unsure


def publish(manifest: Manifest, group_id: str, *, schema: Schema, to: Path | None = None, hf_username: str | None = None,
            public: bool = False, allow_missing: bool = False, allow_mixed_schemas: bool = False,
            validation_dialogues: int | None = None, seed: int = 0, license: str | None = None, token: str | None = None,
            min_confidence: float | None = None, temperatures: Temperatures | None = None) -> Published:
    """Merge the runs of a group, verify them and write the dataset to `to`/NAME, to the Hub as `hf_username`/NAME, or both.

    NAME is `manifest_self_labelled_<group>_<dialogues>_<hash of the entries>`; equal entries give equal bytes. An identical
    folder or repository is left as it is. Private on the Hub unless `public`. Validation: `validation_dialogues` whole
    dialogues drawn by `seed` (default 64, or a tenth of fewer than 640). Labels less sure than `min_confidence`, at the
    `temperatures`, are null (`abstention`), and both are part of the hash.

    Raises `DamagedError` naming every missing, damaged or duplicate partition, and the runs of each schema where there are
    several; `allow_missing` goes on without the missing and the damaged ones, `allow_mixed_schemas` with all schemas. Raises
    `ConfigError` where there is nothing to publish, nowhere to publish it, a different folder in the way, no token, or labels
    outside `schema`.
    """
    from datasets import DatasetDict

    if to is None and not hf_username:
        raise ConfigError("Say where to publish: a folder (--to FOLDER) or a Hugging Face user name (--hf-username NAME).")
    entries = manifest.entries(group_id)
    if not entries:
        raise ConfigError(f"The manifest has no finished run of group {group_id!r}: check the group id and the manifest.")
    abstention = Abstention(min_confidence, temperatures or {})
    with tempfile.TemporaryDirectory(prefix="nc-latent-tod-") as folder:
        people = [entry for entry in entries if entry.label_source]
        merge = Merge(Path(folder), features(schema, with_source=bool(people)))
        left_out = _collect(merge, entries, schema, abstention, group_id, allow_missing=allow_missing,
                            allow_mixed_schemas=allow_mixed_schemas)
        ids = merge.dialogues
        name = dataset_name(group_id, [*merge.entries, *people], len(ids), abstention)
        splits = _splits(ids, validation_dialogues, seed)
        dataset = DatasetDict({split: merge.dataset(split, dialogues) for split, dialogues in splits.items()})
        abstained = _abstained(merge.counts, group_id, abstention)
        card = data_card(
            name, group_id=group_id, entries=merge.entries, seed=seed, license=license, left_out=left_out,
            splits={split: (len(splits[split]), rows.num_rows) for split, rows in dataset.items()},
            confidences=merge.counts.confidences, abstention=abstention, abstained=abstained,
            corrected=merge.counts.corrected,
            failures=dict(sorted(merge.counts.failures.items())), fingerprints=_configurations(merge.counts))
        path, reused = save_whole(dataset, card, Path(to) / name) if to is not None else (None, False)
        url, unchanged = (push(dataset, card, f"{hf_username}/{name}", public=public, token=token) if hf_username
                          else (None, False))
    return Published(
        name, len(ids), merge.counts.turns, sum(entry.num_failures for entry in merge.entries),
        {split: len(members) for split, members in splits.items()}, path, url, reused, unchanged, tuple(left_out), abstained)


def dataset_name(group_id: str, entries: Sequence[ManifestEntry], dialogues: int, abstention: Abstention | None = None) -> str:
    """`manifest_self_labelled_<group>_<dialogues>_<hash>`. The hash is of what the runs hold, not of when they ran."""
    held = [(e.group_id, e.run_id, e.labelled_dataset_split_name, e.num_dialogues, e.num_logs, e.sha256) for e in entries]
    identity = [*sorted(held), *(abstention.identity if abstention else [])]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    ending = f"_{dialogues}_{digest}"
    prefix = "manifest_self_labelled_"
    group = re.sub(r"[^A-Za-z0-9_-]+|--+", "-", group_id)[: _NAME_CHARACTERS - len(prefix) - len(ending)]
    return f"{prefix}{group}{ending}"


def _collect(merge: Merge, entries: Sequence[ManifestEntry], schema: Schema, abstention: Abstention, group_id: str, *,
             allow_missing: bool, allow_mixed_schemas: bool) -> list[str]:
    """Add all runs that can be read; what is left out, in words."""
    left_out = [f"partition {name!r}" for name in missing_ranges(entries)]  # those of corrections name no range
    problems = [f"{partition} is missing." for partition in left_out] + short_ranges(entries)
    corrected = _corrected(entries)
    for entry in sorted((e for e in entries if not e.label_source), key=lambda entry: entry.run_id):
        try:
            partition = corrected_partition(read_partition(entry), corrected)
        except DamagedError as error:
            problems.append(f"{named(entry)}: {error}")
            left_out.append(named(entry))
            continue
        merge.add(entry, (rows(turns, schema, abstention, with_source=bool(corrected)) for turns in partition))
    merge.end()
    mixed = mixed_schemas(merge.entries)
    _refuse(group_id, merge, [] if allow_missing else problems, [] if allow_mixed_schemas else mixed)
    for problem in [*problems, *mixed]:
        logger.warning("%s: published although: %s", group_id, problem)
    return left_out


def _corrected(entries: Sequence[ManifestEntry]) -> list[Example]:
    """The corrections among the runs. Raises `DamagedError` where they cannot be read: nothing is published without them."""
    found: list[Example] = []
    for entry in entries:
        if entry.label_source:
            found += read_examples(entry.labels_url, entry.sha256)
    return found


def _refuse(group_id: str, merge: Merge, problems: Sequence[str], mixed: Sequence[str]) -> None:
    """Raise `DamagedError` where there are problems that a merge may not go on in spite of."""
    twice = repeated_dialogues(merge.repeated)
    if twice or problems or mixed:
        advice = [_TWICE] if twice else [*([_DAMAGED] if problems else []), *([_MIXED] if mixed else [])]
        raise DamagedError(f"Group {group_id!r} cannot be published:\n- " + "\n- ".join([*twice, *problems, *mixed])
                           + "\n" + " ".join(advice))
    if not merge.entries:
        raise DamagedError(f"Group {group_id!r} has no readable labels at all.")


def _splits(ids: Sequence[str], validation_dialogues: int | None, seed: int) -> dict[str, list[str]]:
    """Dialogues by split, in order."""
    size = min(VALIDATION_DIALOGUES, len(ids) // 10) if validation_dialogues is None else validation_dialogues
    if not 0 <= size < len(ids):
        raise ConfigError(f"{size} validation dialogues of {len(ids)}: at least one must be left to train on.")
    drawn = set(sorted(ids, key=lambda i: hashlib.sha256(f"{seed}/{i}".encode()).digest())[:size])
    parts = {"train": [i for i in ids if i not in drawn], "validation": sorted(drawn)}
    return {split: members for split, members in parts.items() if members}


def _abstained(counts: Counts, group_id: str, abstention: Abstention) -> dict[str, int]:
    """Turns by what is left out of them; warns where confidence cannot tell labels apart."""
    if abstention.minimum is None:
        return {}
    if not counts.has_entropy:
        logger.warning("%s: every turn has one reading only, so every confidence is 1 and --min-confidence leaves out failed "
                       "turns alone. Label with several samples, or with proposals.", group_id)
    return dict(sorted(counts.abstained.items()))


def _configurations(counts: Counts) -> dict[str, int]:
    """Turns by what made them."""
    found = Counter[str]()
    for (job, model, code), turns in counts.configurations.items():
        found[f"job {job[:12]}, model {model[:40]}, code {code}"] += turns
    return dict(sorted(found.items()))
