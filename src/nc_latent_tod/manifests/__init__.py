"""Manifests: which runs of a group have finished, and where their labels are."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One finished job. The first five fields are those of the paper's code release."""

    group_id: str
    run_id: str
    num_logs: int  # labelled turns
    labelled_dataset_path_or_name: str
    labelled_dataset_split_name: str
    labels_url: str = ""
    sha256: str = ""  # of the label file
    num_dialogues: int = 0
    num_failures: int = 0  # turns with at least one failed task
    config_fingerprint: str = ""
    code_version: str = ""
    finished_at: str = ""  # ISO 8601, UTC
    seed_run_ids: tuple[str, ...] = field(default=())  # runs whose labels seeded the example pool, in order
    tokens: int = 0  # computed by the model in the attempt that finished
    seconds: float = 0.0  # that it took to label
    seed_group_id: str = ""  # the group of those runs, where it is another than the run's own
    usage: str = ""  # JSON: seconds and tokens by phase, memory; read by `progress.usage`
    schema_path: str = ""  # of the schema that the labels follow, as the job names it
    schema_sha256: str = ""  # `Schema.sha256`
    made_by: str = ""  # JSON: options, model, code, schema and entity table that decide its labels; read by `reuse`
    reuse_group_id: str = ""  # the group that labels were taken over from
    num_reused: int = 0  # turns whose labels were
    entities_path: str = ""  # of the entity table, as the job names it
    label_source: str = ""  # human: corrections of the group's labels, one row a corrected turn; "" made by a job
    round_number: int = 0  # of those corrections
    round_sha256: str = ""  # of their round file

    def stored(self) -> dict[str, Any]:
        """Its fields by name. Younger ones that say nothing are left out, so that earlier versions read the entry."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value or name not in _YOUNGER}


_YOUNGER = ("entities_path", "label_source", "round_number", "round_sha256")


class Manifest(Protocol):
    """Entries by group. Failures raise; an unreadable manifest never looks like an empty group."""

    def add(self, entry: ManifestEntry) -> bool:
        """Add an entry; False where (group_id, run_id) is already there: the first writer wins."""

    def entry(self, group_id: str, run_id: str) -> ManifestEntry | None:
        """The entry of one run; None where there is none. Costs the same whatever the group holds."""

    def entries(self, group_id: str) -> list[ManifestEntry]:
        """Entries of a group ordered by run_id; [] for an unknown group. Raises `DamagedError` on an unreadable one."""

    def groups(self) -> list[str]:
        """The groups that have entries, in order."""

    def leftovers(self) -> list[str]:
        """Paths of files that killed processes began to write: no entries, and nothing needs them once they are old."""
