"""Pools of examples from the labels of finished runs, and the embeddings that are stored beside each label file.

What embeds a turn first is the job that labels it. Jobs that it seeds read the vector; they encode only what nobody stored.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from nc_latent_tod.annotation.overlay import with_corrections
from nc_latent_tod.corpus.label_files import read_for_pool
from nc_latent_tod.errors import DamagedError, RetryableError, storage_failed
from nc_latent_tod.labelling.inference import Inference
from nc_latent_tod.labelling.labeller import Labeller
from nc_latent_tod.labels import Example
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.retrieval import Block
from nc_latent_tod.system.files import read_bytes, resolve, write_bytes

logger = logging.getLogger(__name__)

_READERS = 8  # files at a time: on S3 most of the time is waiting

_Run = tuple[str, str]  # URL and sha256 of a label file


def embeddings_url(labels_url: str, encoder: str) -> str:
    """Where the embeddings of a label file by one encoder are: `RUN-ATTEMPT.ENCODER.vectors` beside it."""
    return f"{labels_url.removesuffix('.gz').removesuffix('.jsonl')}.{encoder[:12]}.vectors"


def stored_embeddings(labels_url: str) -> list[str]:
    """URLs of the embeddings beside a label file, of whatever encoders. Raises `RetryableError` where the storage fails."""
    file_system, path = resolve(labels_url)
    folder, _, name = path.rpartition("/")
    stem = f"{name.removesuffix('.gz').removesuffix('.jsonl')}."
    try:
        found = [other.rpartition("/")[2] for other in file_system.find(folder, maxdepth=1)]
    except OSError as error:
        raise storage_failed(f"look for embeddings beside {labels_url}", error) from error
    beside = labels_url.removesuffix(name)
    return sorted(f"{beside}{other}" for other in found if other.startswith(stem) and other.endswith(".vectors"))


def store_embeddings(labels_url: str, examples: Sequence[Example], labeller: Labeller) -> None:
    """Write what the labeller's encoders gave for these examples. A failure is logged: who reads them encodes instead."""
    by_encoder: dict[str, dict[bytes, Any]] = {}
    for inference in _searching(labeller):
        if inference.retriever.encoder:
            by_encoder.setdefault(inference.retriever.encoder, {}).update(inference.embeddings(examples))
    for encoder, embeddings in by_encoder.items():
        from nc_latent_tod.retrieval.stored import pack

        try:
            write_bytes(embeddings_url(labels_url, encoder), pack(encoder, embeddings))
        except RetryableError as error:
            logger.warning("the embeddings of %s are not stored, others will compute them again: %s", labels_url, error)


class Seeding:
    """Finished runs as blocks of examples with embeddings. Each file is read once in the life of a worker.

    Kept between jobs is what seeded the last one: examples without candidates, and one vector a task.
    """

    def __init__(self) -> None:
        self._examples: dict[_Run, list[Example]] = {}
        self._reading: dict[_Run, Future[list[Example]]] = {}
        self._blocks: dict[tuple[_Run, Any], Block] = {}

    @contextmanager
    def reading(self, entries: Sequence[ManifestEntry]) -> Iterator[None]:
        """Read the label files of `entries` in threads meanwhile, those that were not read before."""
        executor = ThreadPoolExecutor(_READERS, "seeding")
        try:
            self._submit(executor, entries)
            yield
        finally:
            executor.shutdown(wait=False, cancel_futures=True)

    def seed(self, labeller: Labeller, entries: Sequence[ManifestEntry]) -> None:
        """Add the labels of finished runs to the labeller's pools, in the order of `entries`.

        Raises `DamagedError` where a label file is missing or damaged, `RetryableError` where the storage fails. Embeddings
        that are missing, damaged or of another encoder are computed, and a line of the log says so.
        """
        inferences = _searching(labeller)
        runs = [(entry.labels_url, entry.sha256) for entry in entries]
        with ThreadPoolExecutor(_READERS, "seeding") as executor:
            self._submit(executor, entries)
            for run in runs:
                if run not in self._examples:
                    self._examples[run] = self._reading.pop(run).result()
            shown = self._corrected(runs)
            for inference in inferences:
                self._embed(executor, inference, list(shown.values()))
        for name, _ in shown.values():
            for inference in inferences:
                inference.retriever.add_block(self._blocks[name, inference.retriever.kind])
        self._forget_others(runs, {name for name, _ in shown.values()}, {inference.retriever.kind for inference in inferences})

    def _corrected(self, runs: Sequence[_Run]) -> dict[_Run, tuple[_Run, list[Example]]]:
        """For each run what is shown of it, and the name of that: where it is corrected, the runs of corrections are in it.

        Those runs themselves have nothing to show beside what they correct.
        """
        people = {run: self._examples[run] for run in runs if any(e.label.is_human for e in self._examples[run])}
        rows = [example for examples in people.values() for example in examples]
        touched = {example.turn.dialogue_id for example in rows}
        found: dict[_Run, tuple[_Run, list[Example]]] = {}
        for run in runs:
            examples = self._examples[run]
            if run in people:
                found[run] = run, []
            elif any(example.turn.dialogue_id in touched for example in examples):
                name = run[0], "+".join([run[1], *(sha256 for _, sha256 in people)])
                found[run] = name, with_corrections([*examples, *rows])
            else:
                found[run] = run, examples
        return found

    def _submit(self, executor: ThreadPoolExecutor, entries: Sequence[ManifestEntry]) -> None:
        for entry in entries:
            run = (entry.labels_url, entry.sha256)
            if run in self._examples:
                continue
            before = self._reading.get(run)
            if before is None or before.cancelled() or (before.done() and before.exception()):
                self._reading[run] = executor.submit(read_for_pool, *run)

    def _embed(self, executor: ThreadPoolExecutor, inference: Inference, shown: Sequence[tuple[_Run, list[Example]]]) -> None:
        """Make the blocks of one task that are not there yet."""
        kind, encoder = inference.retriever.kind, inference.retriever.encoder
        examples = dict(shown)
        new = [run for run in examples if (run, kind) not in self._blocks]
        without: list[str] = []
        for run, stored in zip(new, executor.map(lambda run: _stored(run[0], encoder), new), strict=True):
            if isinstance(stored, str):
                without.append(f"{run[0]}: {stored}")
                stored = {}
            self._blocks[run, kind] = inference.embed(examples[run], stored)
        if encoder and without:
            logger.warning("%s: %d of %d seeding runs have no usable embeddings of this encoder (%s ...): their turns were "
                           "encoded again", inference.task.name, len(without), len(shown), without[0])

    def _forget_others(self, runs: Sequence[_Run], shown: set[_Run], kinds: set[Any]) -> None:
        self._reading.clear()  # of jobs that failed before they were seeded
        if runs:  # else a job without seeds would make the next one read everything again
            self._examples = {run: self._examples[run] for run in runs}
            self._blocks = {key: block for key, block in self._blocks.items() if key[0] in shown and key[1] in kinds}


def _searching(labeller: Labeller) -> list[Inference]:
    return [inference for inference in (labeller.dst, labeller.act_tag) if isinstance(inference, Inference)]


def _stored(labels_url: str, encoder: str) -> Mapping[bytes, Any] | str:
    """The stored embeddings of a label file, or why there are none."""
    if not encoder:
        return {}
    from nc_latent_tod.retrieval.stored import unpack

    try:
        data = read_bytes(embeddings_url(labels_url, encoder))
    except (DamagedError, RetryableError):
        return "not there"
    try:
        return unpack(data, encoder)
    except DamagedError as error:
        return str(error)
