"""One job, top to bottom: dialogues in, labels written, manifest entry added."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from nc_latent_tod.config.job import Job
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import ConfigError, InterruptedJobError, RetryableError
from nc_latent_tod.labelling.labeller import Known, Labeller, warmup_groups
from nc_latent_tod.labels import Example
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.pipeline.checkpoint import Checkpoint
from nc_latent_tod.pipeline.progress import Meter, Progress, usage_text
from nc_latent_tod.pipeline.reuse import Reuse, Reused, is_reused, usable_runs
from nc_latent_tod.pipeline.seeding import Seeding, store_embeddings
from nc_latent_tod.system.version import __version__

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backends:
    """What a job works with, made by `build`. The callables load when they are called, so a finished job loads nothing."""

    manifest: Manifest
    dialogues: Callable[[], Sequence[Dialogue]]
    labeller: Callable[[], Labeller]
    labels: Callable[[ManifestEntry], Sequence[Example]]  # of an earlier run
    seeding: Seeding = field(default_factory=Seeding)
    reuse: Reuse = field(default_factory=Reuse)
    schema_sha256: str = ""
    entities_sha256: Callable[[], str] = lambda: ""  # "" where the job names no entity table


@dataclass(frozen=True)
class Control:
    """How a worker talks to a running job."""

    should_stop: Callable[[], bool] = lambda: False
    check_lease: Callable[[], None] = lambda: None  # raises `LeaseLostError`
    report: Callable[[Progress], None] = lambda progress: None


@dataclass(frozen=True)
class Result:
    """What became of a job."""

    entry: ManifestEntry
    examples: Sequence[Example]  # empty where the run was in the manifest already
    progress: Progress | None = None
    reused: Reused | None = None  # where the job names a group to take labels over from


def run_job(job: Job, backends: Backends, control: Control | None = None) -> Result:
    """Label the job's split and add the run to the manifest; a run that is there already is returned as it is.

    Resumes from the run's checkpoint. The label file is written before the manifest entry, so whatever is killed when, an
    entry always has its labels. Raises `InterruptedJobError` or `LeaseLostError` (what is finished is checkpointed),
    `PermanentError` where the job can never work.
    """
    control = control or Control()
    if job.manifest.write_to_manifest and (known := backends.manifest.entry(job.manifest.group_id, job.run)):
        logger.info("%s: already in the manifest", job.run)
        if known.schema_sha256 not in ("", backends.schema_sha256):
            logger.warning("%s: is in the manifest already, and the schema has changed since: its labels follow the earlier "
                           "one. For new labels give the job another run_id or group_id.", job.run)
        return Result(known, ())
    # A large group is read only where it is needed, or each job would cost more than the one before.
    seeds_itself = job.manifest.seed_retrievers_from_manifest and job.manifest.seed_group_id is None
    is_read = seeds_itself or job.manifest.group_id_must_exist
    finished = _finished(backends.manifest, job.manifest.group_id) if is_read else {}
    if job.manifest.group_id_must_exist and not finished:
        raise ConfigError(f"The group {job.manifest.group_id!r} has no finished run and manifest.group_id_must_exist is true. "
                          "Run the group's first job (job_0) to its end, then this one.")
    seeds = _seeds(job, backends.manifest, finished)
    inputs = {"schema": backends.schema_sha256, "entities": backends.entities_sha256()}  # files change in place
    earlier = _reusable(job, backends.manifest, {"job": job.label_options, "inputs": inputs})
    checkpoint = Checkpoint(f"{job.labels_url}/checkpoints/{job.run}")  # before what takes long: the URL may be wrong
    with backends.seeding.reading(list(seeds.values())):
        dialogues, labeller = backends.dialogues(), backends.labeller()
    control.check_lease()
    made_by = {"job": job.labelling_options, **{key: of for key, of in labeller.provenance.items() if key != "job"},
               "inputs": inputs}
    of_labels = {**made_by, "job": job.label_options}  # wherever their dialogues are
    taken, reused = _take_over(job, backends, dialogues, earlier, of_labels, control)
    header = checkpoint.open({**made_by, "seed_run_ids": sorted(seeds)}, fixed=tuple(made_by))
    entries = _entries(seeds, header["seed_run_ids"])
    backends.seeding.seed(labeller, entries)
    try:
        examples, progress = _label(job, dialogues, labeller, checkpoint, control, taken)
    except RetryableError:  # a worker that finished this run first took the checkpoint away
        if not (job.manifest.write_to_manifest and backends.manifest.entry(job.manifest.group_id, job.run)):
            raise
        return _of_another(job, backends, checkpoint)
    control.check_lease()
    entry = replace(_store(job, examples, tuple(header["seed_run_ids"]), progress), schema_sha256=backends.schema_sha256,
                    made_by=json.dumps(of_labels, sort_keys=True))
    store_embeddings(entry.labels_url, examples, labeller)
    control.check_lease()
    if job.manifest.write_to_manifest and not backends.manifest.add(entry):
        return _of_another(job, backends, checkpoint)
    checkpoint.remove()
    return Result(entry, examples, progress, reused)


def _of_another(job: Job, backends: Backends, checkpoint: Checkpoint) -> Result:
    """The run as another worker finished it first."""
    logger.warning("%s: another worker finished this run first; its labels stand", job.run)
    entry = _finished(backends.manifest, job.manifest.group_id)[job.run]
    checkpoint.remove()
    return Result(entry, list(backends.labels(entry)))


def replay_job(job: Job, backends: Backends, run_id: str, control: Control | None = None) -> Result:
    """Label again what `run_id` labelled, with the same examples in the pool; nothing is written.

    Raises `ConfigError` where the run is unknown or `job` is not the job it ran.
    """
    finished = _finished(backends.manifest, job.manifest.group_id)
    if run_id not in finished:
        raise ConfigError(f"Group {job.manifest.group_id!r} has no run {run_id!r}. It has: {sorted(finished)}.")
    entry = finished[run_id]
    if entry.config_fingerprint != job.fingerprint:
        raise ConfigError(f"Run {run_id!r} was made by a job with fingerprint {entry.config_fingerprint[:12]}, this file has "
                          f"{job.fingerprint[:12]}. Give the job file that the run was made with.")
    seeds = _seeds(job, backends.manifest, finished)
    labeller = replace(backends.labeller(), run_id=run_id)
    backends.seeding.seed(labeller, _entries(seeds, entry.seed_run_ids))
    taken = {e.turn.key: e for e in (backends.labels(entry) if entry.num_reused else ())
             if is_reused(e)}
    examples, progress = _label(job, backends.dialogues(), labeller, None, control or Control(), taken)
    return Result(entry, examples, progress)


def _finished(manifest: Manifest, group_id: str) -> dict[str, ManifestEntry]:
    return {entry.run_id: entry for entry in manifest.entries(group_id)}


def _seeds(job: Job, manifest: Manifest, finished: dict[str, ManifestEntry]) -> dict[str, ManifestEntry]:
    """The runs whose labels may seed `job`; `finished` are those of its own group."""
    if not job.manifest.seed_retrievers_from_manifest:
        return {}
    if job.manifest.seed_group_id is None:
        own = job.run  # it never learns from itself
        return {run_id: entry for run_id, entry in finished.items() if run_id != own}
    seeds = _finished(manifest, job.manifest.seed_group_id)
    if not seeds:
        raise ConfigError(f"The group {job.manifest.seed_group_id!r} (manifest.seed_group_id) has no finished run. Run its "
                          "jobs to the end first, or correct the name.")
    if job.run in seeds and job.manifest.seed_group_id != job.manifest.group_id:
        raise ConfigError(f"run_id {job.run!r} is also the name of a run of {job.manifest.seed_group_id!r} that seeds this "
                          "job: examples of the two could not be told apart. Give this job another run_id.")
    return seeds


def _entries(finished: dict[str, ManifestEntry], run_ids: Sequence[str]) -> list[ManifestEntry]:
    missing = [run_id for run_id in run_ids if run_id not in finished]
    if missing:
        raise ConfigError(f"Runs that seeded this job are no longer in the manifest: {', '.join(missing)}. Restore them, or "
                          "delete the job's checkpoint to start afresh.")
    return [finished[run_id] for run_id in run_ids]


def _reusable(job: Job, manifest: Manifest, made_by: Mapping[str, Any]) -> list[ManifestEntry]:
    """The runs of the group to take labels over from, all of them: raises `ConfigError` at once where none is of use."""
    if job.manifest.reuse_group_id is None:
        return []
    entries = [entry for entry in manifest.entries(job.manifest.reuse_group_id) if not entry.label_source]
    usable_runs(job.manifest.reuse_group_id, entries, made_by)
    return entries


def _take_over(job: Job, backends: Backends, dialogues: Sequence[Dialogue], earlier: Sequence[ManifestEntry],
               made_by: Mapping[str, Any], control: Control) -> tuple[Known, Reused | None]:
    """The labels that another group made of the same, and what to say of them."""
    if job.manifest.reuse_group_id is None:
        return {}, None
    taken, reused = backends.reuse.take(job, dialogues, earlier, made_by, backends.labels, lambda: _go_on(job, control))
    logger.info("%s: %s", job.run, reused)
    return taken, reused


def _label(job: Job, dialogues: Sequence[Dialogue], labeller: Labeller, checkpoint: Checkpoint | None, control: Control,
           taken: Known) -> tuple[list[Example], Progress]:
    known = checkpoint.labels(lambda: _go_on(job, control)) if checkpoint else {}
    _check_turns(job, dialogues, known)
    if known:
        logger.info("%s: resumes with %d turns from its checkpoint", job.run, len(known))
    begun = {dialogue_id for dialogue_id, _ in known}  # is labelled to its end: the states of its turns follow each other
    known = {**known, **{key: example for key, example in taken.items() if key[0] not in begun}}
    meter = Meter(job.run, dialogues, labeller, known)
    control.report(meter.progress())
    labels = dict(known)
    groups = warmup_groups(dialogues, job.data_warmup, job.data_num_partitions)
    for batch in labeller.label(groups, known=known, should_stop=control.should_stop):
        if checkpoint:
            control.check_lease()
            checkpoint.add(batch)
        labels.update((e.turn.key, e) for e in batch)
        meter.count(batch)
        control.report(meter.progress())
    ordered = [labels[turn.key] for dialogue in dialogues for turn in dialogue.turns]
    return ordered, meter.progress()


def _go_on(job: Job, control: Control) -> None:
    """Raise `LeaseLostError`, or `InterruptedJobError` where the worker is asked to stop."""
    control.check_lease()
    if control.should_stop():
        raise InterruptedJobError(f"{job.run}: asked to stop while stored labels were read")


def _check_turns(job: Job, dialogues: Sequence[Dialogue], known: Known) -> None:
    """Raise `ConfigError` where a checkpoint holds the label of a turn that is not in the corpus, or reads otherwise there."""
    turns = {turn.key: turn for dialogue in dialogues for turn in dialogue.turns}
    other = [f"{key[0]}/{key[1]}" for key, example in known.items() if turns.get(key) != example.turn]
    if other:
        raise ConfigError(f"The checkpoint of {job.run} holds {len(other)} turns ({', '.join(other[:5])}) that the corpus "
                          "lacks or tells otherwise: it is of other dialogues. Restore the corpus, give the job another "
                          "run_id, or delete the checkpoint to start afresh.")


def _store(job: Job, examples: Sequence[Example], seeds: tuple[str, ...], progress: Progress) -> ManifestEntry:
    url = f"{job.labels_url}/labels/{job.run}-{uuid.uuid4().hex[:8]}.jsonl.gz"  # of this attempt alone
    return ManifestEntry(
        group_id=job.manifest.group_id, run_id=job.run, num_logs=len(examples),
        labelled_dataset_path_or_name=url, labelled_dataset_split_name=job.data.eval_set_split_name,
        labels_url=url, sha256=write_examples(url, examples),
        num_dialogues=len({example.turn.dialogue_id for example in examples}),
        num_failures=sum(bool(example.label.failures) for example in examples),
        config_fingerprint=job.fingerprint, code_version=__version__,
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"), seed_run_ids=seeds,
        tokens=progress.tokens.computed, seconds=round(progress.seconds, 3), usage=usage_text(progress),
        seed_group_id=(job.manifest.seed_group_id or "") if seeds else "", schema_path=job.data.schema_path or "",
        entities_path=job.data.entities_path or "",
        reuse_group_id=job.manifest.reuse_group_id or "", num_reused=sum(map(is_reused, examples)))
