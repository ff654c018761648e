"""A manifest group becomes one dataset with its card, in a folder or on the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nc_latent_tod.confidence import TASKS, Temperatures
from nc_latent_tod.errors import ConfigError, DamagedError
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.publish.abstention import Abstention
from nc_latent_tod.publish.card import data_card
from nc_latent_tod.publish.folder import save_whole
from nc_latent_tod.publish.hub import push
from nc_latent_tod.publish.partitions import (
    missing_ranges,
    named,
    read_partition,
    repeated_dialogues,
    short_ranges,
)
from nc_latent_tod.publish.rows import features, rows
from nc_latent_tod.schema import Schema

if TYPE_CHECKING:
    from datasets import DatasetDict
    from pyarrow import Table

logger = logging.getLogger(__name__)

VALIDATION_DIALOGUES = 64  # or a tenth of the corpus, if that is less
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


@dataclass(slots=True)
class _Merged:
    """Dialogues of verified runs, as slices of Arrow tables."""

    entries: list[ManifestEntry] = field(default_factory=list)
    dialogues: dict[str, Table] = field(default_factory=dict)
    runs_of: dict[str, list[ManifestEntry]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # what a merge may go on in spite of
    left_out: list[str] = field(default_factory=list)  # the partitions among these that are not merged


def publish(manifest: Manifest, group_id: str, *, schema: Schema, to: Path | None = None, hf_username: str | None = None,
            public: bool = False, allow_missing: bool = False, validation_dialogues: int | None = None, seed: int = 0,
            license: str | None = None, token: str | None = None, min_confidence: float | None = None,
            temperatures: Temperatures | None = None) -> Published:
    """Merge the runs of a group, verify them and write the dataset to `to`/NAME, to the Hub as `hf_username`/NAME, or both.

    NAME is `manifest_self_labelled_<group>_<dialogues>_<hash of the entries>`; equal entries give equal bytes. An identical
    folder or repository is left as it is. Private on the Hub unless `public`. Validation: `validation_dialogues` whole
    dialogues drawn by `seed` (default 64, or a tenth of fewer than 640). Labels less sure than `min_confidence`, at the
    `temperatures`, are null (`abstention`), and both are part of the hash.

    Raises `DamagedError` naming every missing, damaged or duplicate partition; `allow_missing` goes on without the missing
    and the damaged ones. Raises `ConfigError` where there is nothing to publish, nowhere to publish it, a different folder
    in the way, no token, or labels outside `schema`.
    """
    if to is None and not hf_username:
        raise ConfigError("Say where to publish: a folder (--to FOLDER) or a Hugging Face user name (--hf-username NAME).")
    entries = manifest.entries(group_id)
    if not entries:
        raise ConfigError(f"The manifest has no finished run of group {group_id!r}: check the group id and the manifest.")
    abstention = Abstention(min_confidence, temperatures or {})
    merged = _merge(entries, schema, abstention)
    _refuse(group_id, merged, allow_missing)
    name = dataset_name(group_id, merged.entries, len(merged.dialogues), abstention)
    dataset = _dataset(merged, schema, validation_dialogues, seed)
    abstained = _abstained(dataset, group_id, abstention)
    card = _card(dataset, name, group_id, merged, seed, license, abstention, abstained)
    path, reused = save_whole(dataset, card, Path(to) / name) if to is not None else (None, False)
    url, unchanged = push(dataset, card, f"{hf_username}/{name}", public=public, token=token) if hf_username else (None, False)
    return Published(
        name, len(merged.dialogues), sum(split.num_rows for split in dataset.values()),
        sum(entry.num_failures for entry in merged.entries),
        {split: len(set(data["dialogue_id"])) for split, data in dataset.items()}, path, url, reused, unchanged,
        tuple(merged.left_out), abstained)


def dataset_name(group_id: str, entries: Sequence[ManifestEntry], dialogues: int, abstention: Abstention | None = None) -> str:
    """`manifest_self_labelled_<group>_<dialogues>_<hash>`. The hash is of what the runs hold, not of when they ran."""
    held = [(e.group_id, e.run_id, e.labelled_dataset_split_name, e.num_dialogues, e.num_logs, e.sha256) for e in entries]
    identity = [*sorted(held), *(abstention.identity if abstention else [])]
    digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:8]
    ending = f"_{dialogues}_{digest}"
    prefix = "manifest_self_labelled_"
    group = re.sub(r"[^A-Za-z0-9_-]+|--+", "-", group_id)[: _NAME_CHARACTERS - len(prefix) - len(ending)]
    return f"{prefix}{group}{ending}"


def _merge(entries: Sequence[ManifestEntry], schema: Schema, abstention: Abstention) -> _Merged:
    import pyarrow as pa

    merged, arrow_schema = _Merged(), features(schema).arrow_schema
    merged.left_out += [f"partition {name!r}" for name in missing_ranges(entries)]
    merged.problems += [f"{partition} is missing." for partition in merged.left_out] + short_ranges(entries)
    for entry in sorted(entries, key=lambda entry: entry.run_id):
        try:
            partition = read_partition(entry)
        except DamagedError as error:
            merged.problems.append(f"{named(entry)}: {error}")
            merged.left_out.append(named(entry))
            continue
        merged.entries.append(entry)
        table = pa.Table.from_pylist([row for turns in partition for row in rows(turns, schema, abstention)],
                                     schema=arrow_schema)
        start = 0
        for turns in partition:
            dialogue_id = turns[0].turn.dialogue_id
            merged.runs_of.setdefault(dialogue_id, []).append(entry)
            merged.dialogues[dialogue_id] = table.slice(start, len(turns))
            start += len(turns)
    return merged


def _refuse(group_id: str, merged: _Merged, allow_missing: bool) -> None:
    twice = repeated_dialogues(merged.runs_of)
    found = [*twice, *([] if allow_missing else merged.problems)]
    if found:
        advice = ("Two runs over the same dialogues cannot be merged: publish them as two groups." if twice else
                  "Run the jobs of missing partitions. Restore label files that are damaged or missing, or remove their runs "
                  "from the manifest and run their jobs again. Or publish without all of these (--allow-missing).")
        raise DamagedError(f"Group {group_id!r} cannot be published:\n- " + "\n- ".join(found) + f"\n{advice}")
    for problem in merged.problems:
        logger.warning("%s: published although %s", group_id, problem)
    if not merged.dialogues:
        raise DamagedError(f"Group {group_id!r} has no readable labels at all.")


def _dataset(merged: _Merged, schema: Schema, validation_dialogues: int | None, seed: int) -> DatasetDict:
    import pyarrow as pa
    from datasets import Dataset, DatasetDict, DatasetInfo, NamedSplit

    ids = sorted(merged.dialogues)
    size = min(VALIDATION_DIALOGUES, len(ids) // 10) if validation_dialogues is None else validation_dialogues
    if not 0 <= size < len(ids):
        raise ConfigError(f"{size} validation dialogues of {len(ids)}: at least one must be left to train on.")
    drawn = set(sorted(ids, key=lambda i: hashlib.sha256(f"{seed}/{i}".encode()).digest())[:size])
    parts = {"train": [i for i in ids if i not in drawn], "validation": sorted(drawn)}
    return DatasetDict({
        split: Dataset(pa.concat_tables([merged.dialogues[i] for i in members]).combine_chunks(),
                       info=DatasetInfo(features=features(schema)), split=NamedSplit(split))
        for split, members in parts.items() if members})


def _abstained(dataset: DatasetDict, group_id: str, abstention: Abstention) -> dict[str, int]:
    """Turns by what is left out of them; warns where confidence cannot tell labels apart."""
    if abstention.minimum is None:
        return {}
    if not any(value for split in dataset.values() for task in TASKS for value in split[f"entropy_{task}"]):
        logger.warning("%s: every turn has one reading only, so every confidence is 1 and --min-confidence leaves out failed "
                       "turns alone. Label with several samples, or with proposals.", group_id)
    return dict(sorted(Counter(what for split in dataset.values() for row in split["abstained"] for what in row).items()))


def _card(dataset: DatasetDict, name: str, group_id: str, merged: _Merged, seed: int, license: str | None,
          abstention: Abstention, abstained: Mapping[str, int]) -> str:
    columns = {column: [value for split in dataset.values() for value in split[column]]
               for column in ("failures", "job_fingerprint", "model_fingerprint", "code_version",
                              *(f"confidence_{task}" for task in TASKS))}
    made_by = zip(columns["job_fingerprint"], columns["model_fingerprint"], columns["code_version"], strict=True)
    configuration = Counter(f"job {job[:12]}, model {model[:40]}, code {code}" for job, model, code in made_by)
    return data_card(
        name, group_id=group_id, entries=merged.entries, seed=seed, license=license, left_out=merged.left_out,
        splits={split: (len(set(data["dialogue_id"])), data.num_rows) for split, data in dataset.items()},
        confidences={task: columns[f"confidence_{task}"] for task in TASKS}, abstention=abstention, abstained=abstained,
        failures=dict(sorted(Counter(f for row in columns["failures"] for f in row).items())),
        fingerprints=dict(sorted(configuration.items())))
