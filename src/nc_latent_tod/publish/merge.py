"""Runs merged into one dataset in the order of its dialogues, with files in place of memory.

The rows of each run are appended to one file, as Arrow batches. Once all dialogues are known, their rows are read from there in
the order of the dialogues, and written to one file a split. Memory holds the labels of one run, and 0.3 kB a dialogue to find
its rows again; the files are mapped, so the system keeps of them what it has room for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_latent_tod.errors import RetryableError
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.publish.card import tenths
from nc_latent_tod.ranking.confidence import TASKS

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, Features

_APPENDED_TURNS = 1_000  # in one batch, at least, where a run has so many
_WRITTEN_TURNS = 2_000  # at a time; the slices that they are made of take more memory than their text
_OPEN_BATCHES = 32


@dataclass(slots=True)
class Counts:
    """What the data card says of the merged turns."""

    turns: int = 0
    failures: Counter[str] = field(default_factory=Counter)  # by "task: reason"
    configurations: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # by job, model, code
    abstained: Counter[str] = field(default_factory=Counter)
    confidences: dict[str, Counter[int | None]] = field(default_factory=lambda: {task: Counter() for task in TASKS})
    has_entropy: bool = False  # some turn has several readings
    corrected: int = 0  # turns that a person corrected

    def add(self, rows: pa.RecordBatch) -> None:
        """Count the turns of a batch."""
        columns = {name: rows.column(name).to_pylist() for name in (
            "failures", "job_fingerprint", "model_fingerprint", "code_version", "abstained",
            *(f"{measure}_{task}" for measure in ("confidence", "entropy") for task in TASKS))}
        self.turns += rows.num_rows
        if "label_source" in rows.schema.names:
            self.corrected += rows.column("label_source").to_pylist().count("human")
        self.failures.update(failure for row in columns["failures"] for failure in row)
        self.configurations.update(zip(columns["job_fingerprint"], columns["model_fingerprint"], columns["code_version"],
                                       strict=True))
        self.abstained.update(what for row in columns["abstained"] for what in row)
        for task in TASKS:
            self.confidences[task].update(tenths(columns[f"confidence_{task}"]))
            self.has_entropy |= any(columns[f"entropy_{task}"])


class Merge:
    """Collects runs, then gives their dialogues in any order. Its files in `folder` must live as long as its datasets.

    Raises `RetryableError` where the disk refuses.
    """

    def __init__(self, folder: Path, features: Features) -> None:
        import pyarrow as pa

        self.counts = Counts()
        self.entries: list[ManifestEntry] = []
        self.repeated: dict[str, list[ManifestEntry]] = {}  # the runs of dialogues that are in several
        self._folder, self._features, self._schema = folder, features, features.arrow_schema
        self._where: dict[str, tuple[int, int, int, int]] = {}  # dialogue id -> run, batch, first row, rows
        self._batches = 0
        with self._on_disk():
            self._writer = pa.ipc.new_file(str(folder / "runs.arrow"), self._schema)

    @property
    def dialogues(self) -> list[str]:
        """The ids of all dialogues, sorted."""
        return sorted(self._where)

    def add(self, entry: ManifestEntry, dialogues: Iterable[list[dict[str, Any]]]) -> None:
        """Append a run: the rows of each of its dialogues."""
        self.entries.append(entry)
        waiting: list[dict[str, Any]] = []
        for rows in dialogues:
            dialogue_id = rows[0]["dialogue_id"]
            if dialogue_id in self._where:
                self.repeated.setdefault(dialogue_id, [self.entries[self._where[dialogue_id][0]]]).append(entry)
            self._where[dialogue_id] = len(self.entries) - 1, self._batches, len(waiting), len(rows)
            waiting += rows
            if len(waiting) >= _APPENDED_TURNS:
                self._append(waiting)
                waiting = []
        if waiting:
            self._append(waiting)

    def end(self) -> None:
        """Close the file of the runs: no other is added."""
        with self._on_disk():
            self._writer.close()

    def dataset(self, split: str, dialogues: Sequence[str]) -> Dataset:
        """These dialogues in this order, in a file of their own. Equal content gives equal bytes."""
        import pyarrow as pa
        from datasets import Dataset, DatasetInfo, NamedSplit

        path = self._folder / f"{split}.arrow"
        with self._on_disk():
            with pa.ipc.new_stream(str(path), self._schema) as writer:
                for table in self._tables(dialogues):
                    writer.write_table(table)
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            rows = pa.ipc.open_stream(pa.memory_map(str(path))).read_all()
        # `datasets` would read all rows for a fingerprint of its own.
        return Dataset(rows, info=DatasetInfo(features=self._features), split=NamedSplit(split), fingerprint=digest[:16])

    def _append(self, rows: list[dict[str, Any]]) -> None:
        import pyarrow as pa

        batch = pa.RecordBatch.from_pylist(rows, schema=self._schema)
        with self._on_disk():
            self._writer.write_batch(batch)
        self._batches += 1
        self.counts.add(batch)

    def _tables(self, dialogues: Sequence[str]) -> Iterator[pa.Table]:
        """The rows of dialogues, some thousands at a time."""
        import pyarrow as pa

        batch = lru_cache(_OPEN_BATCHES)(pa.ipc.open_file(pa.memory_map(str(self._folder / "runs.arrow"))).get_batch)
        slices: list[pa.RecordBatch] = []
        turns = 0
        for dialogue_id in dialogues:
            _, number, start, count = self._where[dialogue_id]
            slices.append(batch(number).slice(start, count))
            turns += count
            if turns >= _WRITTEN_TURNS:
                yield pa.Table.from_batches(slices).combine_chunks()
                slices, turns = [], 0
        if slices:
            yield pa.Table.from_batches(slices).combine_chunks()

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RetryableError(f"Cannot merge the runs in {self._folder}: {error}. Free space there, or set TMPDIR to a "
                                 "folder with room for twice the dataset.") from error
