"""Labels of an earlier group, taken over where nothing has changed that they were made from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nc_latent_tod.config.job import Job
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labelling.labeller import Known
from nc_latent_tod.labels import Example, by_dialogue, turns_of
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.pipeline.checkpoint import differences

TAKEN_FROM = "taken_from"
"""The provenance of a label that was taken over names the run that made it: `group_id/run_id`."""

_OLDER = "of an earlier version, which did not record what its labels were made from"


@dataclass(frozen=True, slots=True)
class Reused:
    """What a job took over from another group. Counts are of dialogues, if not said otherwise."""

    group_id: str
    dialogues: int  # of the job
    taken: int
    changed: int  # of which the group labelled other text
    absent: int  # which its usable runs lack
    runs: int  # of the group, usable or not
    differing: Mapping[str, int]  # runs whose labels are of no use, by what differs

    def __str__(self) -> str:
        left = [text for count, text in ((self.changed, f"{self.changed} whose text changed"),
                                         (self.absent, f"{self.absent} not there")) if count]
        labelled = f"; {self.changed + self.absent} labelled: {', '.join(left)}" if left else ""
        unused = f". Not used: {_reasons(self.differing)}" if self.differing else ""
        return f"{self.taken} of {self.dialogues} dialogues taken over from {self.group_id}{labelled}{unused}"


def usable_runs(group_id: str, entries: Iterable[ManifestEntry], made_by: Mapping[str, Any]) -> list[ManifestEntry]:
    """The runs of a group whose labels were made by what is in `made_by`.

    Raises `ConfigError` where there is none, with what differs: who asks for labels does not mean to pay for them again.
    """
    entries = list(entries)
    if not entries:
        raise ConfigError(f"The group {group_id!r} (manifest.reuse_group_id) has no finished run in this manifest. "
                          "Correct the name, or leave the key out to label everything.")
    usable = [entry for entry in entries if not _difference(entry, made_by)]
    if not usable:
        reasons = _reasons(Counter(_difference(entry, made_by) for entry in entries))
        raise ConfigError(f"Nothing of the group {group_id!r} (manifest.reuse_group_id) can be taken over: {reasons}. Restore "
                          "what its labels were made with, or leave the key out to label everything.")
    return usable


def is_reused(example: Example) -> bool:
    """Whether the label was taken over from another group."""
    return TAKEN_FROM in example.label.provenance


class Reuse:
    """Finds the dialogues of a job in the runs of another group. Remembers which dialogues each run has, for the next job."""

    def __init__(self) -> None:
        self._dialogues: dict[str, frozenset[str]] = {}  # by the label file's sha256

    def take(self, job: Job, dialogues: Sequence[Dialogue], entries: Sequence[ManifestEntry], made_by: Mapping[str, Any],
             read: Callable[[ManifestEntry], Sequence[Example]], check: Callable[[], None]) -> tuple[Known, Reused]:
        """The labels of the dialogues whose text is the same in a usable run, as labels of `job`.

        `check` is called before a label file is read. Raises as `usable_runs` and `read` do.
        """
        group_id = job.manifest.reuse_group_id or ""
        wanted = {dialogue.dialogue_id: dialogue.turns for dialogue in dialogues}
        found: dict[str, list[Example]] = {}
        changed: set[str] = set()
        # The run of the same split first: where the logs have grown, the others need not be read.
        for entry in sorted(usable_runs(group_id, entries, made_by), key=lambda entry: (
                entry.labelled_dataset_split_name != job.data.eval_set_split_name, entry.run_id)):
            missing = wanted.keys() - found.keys()
            if missing.isdisjoint(self._dialogues.get(entry.sha256, missing)):
                continue
            check()
            for dialogue_id, examples in self._read(entry, read).items():
                if dialogue_id in missing and turns_of(examples) == wanted[dialogue_id]:
                    found[dialogue_id] = [_taken(example, entry, job.run) for example in examples]
                elif dialogue_id in missing:
                    changed.add(dialogue_id)
        changed -= found.keys()
        differing = Counter(reason for entry in entries if (reason := _difference(entry, made_by)))
        known = {e.turn.key: e for examples in found.values() for e in examples}
        return known, Reused(group_id, len(wanted), len(found), len(changed), len(wanted) - len(found) - len(changed),
                             len(entries), dict(differing))

    def _read(self, entry: ManifestEntry, read: Callable[[ManifestEntry], Sequence[Example]]) -> dict[str, list[Example]]:
        """The labels of a run by dialogue, in the order of the turns."""
        found = by_dialogue(read(entry))
        self._dialogues[entry.sha256] = frozenset(found)
        return found


def _taken(example: Example, entry: ManifestEntry, run_id: str) -> Example:
    provenance = {TAKEN_FROM: f"{entry.group_id}/{entry.run_id}", **example.label.provenance}  # whoever made it first
    return replace(example, run_id=run_id, label=replace(example.label, provenance=provenance))


def _difference(entry: ManifestEntry, made_by: Mapping[str, Any]) -> str:
    """What keeps the labels of a run from being taken over; "" where nothing does."""
    if not (entry.made_by and entry.sha256):
        return _OLDER
    then = json.loads(entry.made_by)
    return "; ".join(difference for key, now in made_by.items() for difference in differences(key, then.get(key), now))


def _reasons(differing: Mapping[str, int]) -> str:
    return "; ".join(f"{count} run{'s' if count > 1 else ''} ({reason})" for reason, count in sorted(differing.items()))
