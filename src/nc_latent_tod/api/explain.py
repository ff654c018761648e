"""Why a turn has its label: the examples, the prompts, every candidate with its scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nc_latent_tod.annotation.overlay import corrections_of
from nc_latent_tod.api.backends import Builder, act_tagging, schema_of, state_tracking
from nc_latent_tod.api.connect import manifest_at, manifest_section
from nc_latent_tod.api.groups import runs_of, schema_path_of
from nc_latent_tod.api.jobs import read_job
from nc_latent_tod.api.label import JobLike, as_job
from nc_latent_tod.api.labels import Labels, group_of
from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.labels import Example, TaskLabel
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.pipeline.reuse import TAKEN_FROM
from nc_latent_tod.ranking.noisy_channel import posterior
from nc_latent_tod.ranking.reasons import reason
from nc_latent_tod.tasks import Task


@dataclass(frozen=True)
class TaskExplanation:
    """One task on one turn. `shares` are the posterior shares of the candidates, in their order."""

    name: str
    outcome: TaskLabel
    shares: Sequence[float]
    examples: Sequence[tuple[Example, float]]  # in prompt order, nearest last, with inner products
    lost_examples: Sequence[str]  # ids whose run is no longer in the manifest
    preamble: str
    direct_prompt: str  # without the preamble
    channel_prompt: str
    reason: str  # why this candidate was chosen, as a sentence

    @property
    def asked_model(self) -> bool:
        """Whether a language model read the turn, or was to."""
        drawn = self.outcome.candidates
        return any("direct" in candidate.logprobs for candidate in drawn) or bool(self.outcome.failure and not drawn)


@dataclass(frozen=True)
class Explanation:
    """A labelled turn and how it came to be."""

    example: Example
    entry: ManifestEntry
    tasks: Sequence[TaskExplanation]
    notes: tuple[str, ...] = ()  # where the prompts may not be those of the job
    correction: Example | None = None  # what a person gave in place of it


def explain(labels: Labels | str, dialogue_id: str, turn_id: int, *, manifest: str | Path | None = None,
            job: JobLike | None = None, schema: str | None = None) -> Explanation:
    """Why a turn has its label: the examples, the prompts, every candidate with its scores (nats), the choice and why.

    `labels`: what `label` returned, or a group's id with its `manifest`; then `job` or `schema` says how prompts were made.
    Raises `ConfigError` naming the nearest dialogue, or the turns that there are.
    """
    if isinstance(labels, Labels):
        return _explained(labels.job, labels.group_id, dialogue_id, turn_id)
    group_id, named = group_of(labels, manifest) if job is None else (labels, "")
    return _explained(as_job(job) if job is not None else _job(group_id, named, schema), group_id, dialogue_id, turn_id)


def explain_turn(group_id: str, dialogue_id: str, turn_id: int, *, job_file: Path | None, manifest: str,
                 schema: str | None) -> Explanation:
    """Find a turn and rebuild its prompts, as `job_file` makes them or else from `manifest` and `schema`.

    `notes` of what is returned say where the prompts may have been others. Raises as `explain_label` does.
    """
    job = read_job(job_file, schema=schema) if job_file else _job(group_id, manifest, schema)
    found = _explained(job, group_id, dialogue_id, turn_id)
    notes = []
    if not job_file and any(task.asked_model for task in found.tasks):
        notes.append("prompts are shown as the default options make them: --job JOB.json shows them as the job had them.")
    if job_file and found.entry.config_fingerprint != job.fingerprint:
        notes.append(f"run {found.entry.run_id} was made by another job than {job_file}: its prompts may have been others.")
    return replace(found, notes=tuple(notes))


def _explained(job: Job, group_id: str, dialogue_id: str, turn_id: int) -> Explanation:
    schema, backends = schema_of(job), Builder().backends(job)
    return explain_label(backends.manifest, backends.labels, [state_tracking(job, schema), act_tagging(job, schema)], group_id,
                         dialogue_id, turn_id)


def _job(group_id: str, manifest: str, schema: str | None) -> Job:
    stored = manifest_at(manifest, group_id)  # says so where there is none
    schema = schema or schema_path_of(stored, group_id)
    if schema is None:
        raise ConfigError("To show prompts, name the job file (--job JOB.json), or the schema (--schema).")
    return parse_job({"data": {"eval_set_path_or_name": "-", "eval_set_split_name": "-", "schema_path": schema},
                      "manifest": manifest_section(manifest, group_id).model_dump(exclude_defaults=True)}, "explain")


def explain_label(manifest: Manifest, labels: Callable[[ManifestEntry], Sequence[Example]], tasks: Sequence[Task[Any]],
                  group_id: str, dialogue_id: str, turn_id: int) -> Explanation:
    """Find a turn's label in a group and rebuild its prompts from what was recorded.

    Raises `ConfigError` naming the nearest dialogue, or the turns that there are.
    """
    entries = runs_of(manifest, group_id)
    by_run = {entry.run_id: entry for entry in entries}
    dialogues: dict[str, list[int]] = {}
    corrected = corrections_of(example for entry in entries if entry.label_source for example in labels(entry))
    for entry in (entry for entry in entries if not entry.label_source):
        for example in labels(entry):
            if example.turn.key == (dialogue_id, turn_id):
                pool = _Pool(_runs_shown(manifest, by_run, entry, example), labels)
                return Explanation(example, entry, [
                    _task(task, example, pool) for task in tasks if task.name in example.label.tasks],
                    correction=corrected.get(example.turn.key))
            dialogues.setdefault(example.turn.dialogue_id, []).append(example.turn.turn_id)
    if dialogue_id in dialogues:
        raise ConfigError(f"Dialogue {dialogue_id!r} has the turns {min(dialogues[dialogue_id])} to "
                          f"{max(dialogues[dialogue_id])}, not {turn_id}.")
    raise ConfigError(f"Group {group_id!r} has no dialogue {dialogue_id!r}.{nearest(dialogue_id, dialogues)}")


def _runs_shown(manifest: Manifest, by_run: Mapping[str, ManifestEntry], entry: ManifestEntry,
                example: Example) -> Mapping[str, ManifestEntry]:
    """The runs whose labels the turn's prompts may show, by name; `by_run` are those of the run's own group."""
    if maker := example.label.provenance.get(TAKEN_FROM):  # its examples are those of the run that made it
        group_id, _, run_id = maker.partition("/")
        by_run = {e.run_id: e for e in manifest.entries(group_id)}
        if run_id not in by_run:
            return {}
        entry = by_run[run_id]
    if entry.seed_group_id:  # its examples are of that group or its own, never of its neighbours
        return {**{e.run_id: e for e in manifest.entries(entry.seed_group_id)}, entry.run_id: entry}
    return by_run


class _Pool:
    """Examples by id, read from the label files of the runs that they name."""

    def __init__(self, entries: Mapping[str, ManifestEntry], labels: Callable[[ManifestEntry], Sequence[Example]]) -> None:
        self._entries, self._labels = entries, labels
        self._found: dict[str, dict[str, Example]] = {}

    def get(self, example_id: str) -> Example | None:
        run_id = example_id.rsplit("/", 2)[0]
        if run_id not in self._entries:
            return None
        if run_id not in self._found:
            self._found[run_id] = {example.example_id: example for example in self._labels(self._entries[run_id])}
        return self._found[run_id].get(example_id)


def _task(task: Task[Any], example: Example, pool: _Pool) -> TaskExplanation:
    outcome = example.label.tasks[task.name]
    found = [(pool.get(example_id), example_id, score) for example_id, score in outcome.retrieved]
    examples = [(e, score) for e, _, score in found if e is not None]
    question = {order: "".join([*(task.example(e, order) for e, _ in examples),
                                task.opening(example, order)]) for order in ("direct", "channel")}
    return TaskExplanation(
        name=task.name, outcome=outcome, shares=posterior(outcome.candidates), examples=examples,
        lost_examples=[example_id for e, example_id, _ in found if e is None], preamble=task.preamble,
        direct_prompt=question["direct"], channel_prompt=question["channel"], reason=reason(outcome))
