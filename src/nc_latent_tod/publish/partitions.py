"""Label files of a group, checked one by one and against each other: nothing missing, twice or damaged goes unnamed."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from nc_latent_tod.annotation.overlay import with_corrections
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.errors import DamagedError
from nc_latent_tod.labels import Example
from nc_latent_tod.manifests import ManifestEntry

_NAMED = 20  # runs of one schema
_RANGE = re.compile(r"(?P<base>.+)_(?P<start>\d+)_(?P<end>\d+)")


def read_partition(entry: ManifestEntry) -> list[list[Example]]:
    """The labels of one run, verified: a list of dialogues, each a list of its turns in order.

    Raises `DamagedError` where the file is missing, differs from its sha256 or from the entry's counts, or lacks turns.
    """
    if not (entry.labels_url and entry.sha256):
        raise DamagedError("the manifest entry names no label file, or no sha256 of it.")
    examples = read_examples(entry.labels_url, entry.sha256)
    by_dialogue: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_dialogue[example.turn.dialogue_id].append(example)
    failed = sum(bool(example.label.failures) for example in examples)
    for what, found, expected in (("turns", len(examples), entry.num_logs),
                                  ("dialogues", len(by_dialogue), entry.num_dialogues),
                                  ("failed turns", failed, entry.num_failures)):
        if found != expected:
            raise DamagedError(f"the label file {entry.labels_url} has {found} {what}, the manifest says {expected}.")
    for dialogue_id, turns in by_dialogue.items():
        turns.sort(key=lambda example: example.turn.turn_id)
        if [example.turn.turn_id for example in turns] != list(range(len(turns))):
            raise DamagedError(f"the label file {entry.labels_url} lacks turns of dialogue {dialogue_id!r} or repeats them.")
    return list(by_dialogue.values())


def corrected_partition(dialogues: list[list[Example]], corrections: Sequence[Example]) -> list[list[Example]]:
    """The labels of one run with corrections in their place."""
    touched = {example.turn.dialogue_id for example in corrections}
    return [with_corrections([*turns, *corrections]) if turns[0].turn.dialogue_id in touched else turns for turns in dialogues]


def missing_ranges(entries: Sequence[ManifestEntry]) -> list[str]:
    """Names of the partitions that should lie between those of `entries`, from dialogue 0 on: `train_50_100`.

    Where the corpus ends is not known here, so what is missing at the end is not named.
    """
    missing = []
    for base, ranges in sorted(_ranges(entries).items()):
        widths = Counter(end - start for start, end, _ in ranges)
        width = max(widths, key=lambda w: (widths[w], w))
        covered = 0
        for start, end, _ in sorted(ranges, key=lambda item: item[:2]):
            missing += [f"{base}_{a}_{min(a + width, start)}" for a in range(covered, start, max(1, width))]
            covered = max(covered, end)
    return missing


def short_ranges(entries: Sequence[ManifestEntry]) -> list[str]:
    """A message for every partition, but the last of its corpus, that has fewer dialogues than its name says."""
    messages = []
    for ranges in _ranges(entries).values():
        last = max(end for _, end, _ in ranges)
        messages += [f"{named(entry)}: {entry.num_dialogues} of {end - start} dialogues, and it is not the last partition."
                     for start, end, entry in ranges if end < last and entry.num_dialogues < end - start]
    return messages


def repeated_dialogues(runs_of: dict[str, list[ManifestEntry]]) -> list[str]:
    """A message for every set of runs that labelled the same dialogues; `runs_of` has the runs of each dialogue id."""
    shared: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for dialogue_id, entries in runs_of.items():
        if len(entries) > 1:
            shared[tuple(map(named, entries))].append(dialogue_id)
    return [f"{' and '.join(runs)}: {len(ids)} dialogues labelled more than once, {min(ids)!r} for one."
            for runs, ids in sorted(shared.items())]


def schemas_differ(entries: Iterable[ManifestEntry]) -> bool:
    """Whether labels follow several schemas. Runs of earlier versions do not say theirs."""
    return len({entry.schema_sha256 for entry in entries} - {""}) > 1


def mixed_schemas(entries: Sequence[ManifestEntry]) -> list[str]:
    """A message that names the runs of each schema, where they differ."""
    if not schemas_differ(entries):
        return []
    runs_of: dict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (entry.finished_at, entry.run_id)):
        if entry.schema_sha256:
            runs_of[entry.schema_sha256, entry.schema_path].append(entry.run_id)
    parts = [f"{path} of sha256 {sha256[:12]}: {len(runs)} ({', '.join(runs[:_NAMED])}"
             f"{', ...' if len(runs) > _NAMED else ''})" for (sha256, path), runs in runs_of.items()]
    return ["The schema changed between the runs, whose labels may contradict each other. Runs by schema, oldest first: "
            f"{'; '.join(parts)}."]


def named(entry: ManifestEntry) -> str:
    """How a run is called in messages."""
    return f"run {entry.run_id!r} (split {entry.labelled_dataset_split_name!r})"


def _ranges(entries: Sequence[ManifestEntry]) -> dict[str, list[tuple[int, int, ManifestEntry]]]:
    ranges: dict[str, list[tuple[int, int, ManifestEntry]]] = defaultdict(list)
    for base, start, end, entry in _matched(entries):
        ranges[base].append((start, end, entry))
    return ranges


def _matched(entries: Sequence[ManifestEntry]) -> Iterator[tuple[str, int, int, ManifestEntry]]:
    """The entries of ranges. A split's own name may look like one (`logs_2024_05`): it cannot be one if nothing lies between
    its numbers, or more dialogues than it says."""
    for entry in entries:
        if match := _RANGE.fullmatch(entry.labelled_dataset_split_name):
            start, end = int(match["start"]), int(match["end"])
            if start < end and entry.num_dialogues <= end - start:
                yield match["base"], start, end, entry
