"""One job run now, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from nc_latent_tod.api.backends import Builder
from nc_latent_tod.config.job import Job
from nc_latent_tod.errors import DamagedError, NcLatentTodError
from nc_latent_tod.labels import Example, by_dialogue, turns_of
from nc_latent_tod.pipeline.run import Backends, Control, Result, replay_job, run_job


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a job left. `differing_turns`: of a replay, those whose labels are not the stored ones; else None."""

    result: Result
    differing_turns: int | None = None
    notes: tuple[str, ...] = ()  # where a finished run is not of the dialogues as they are now


def label_job(job: Job, *, control: Control | None = None, replay: str | None = None) -> Labelled:
    """Label the job's dialogues, write the labels and record the run; a finished run is returned as it is.

    `replay`: the run id of a finished run that is labelled again, with the examples that it had, and compared; nothing is
    written. Raises as `run_job` does.
    """
    backends, control = Builder().backends(job), control or Control()
    if replay is not None:
        result = replay_job(job, backends, replay, control)
        return Labelled(result, _differing(result, backends))
    result = run_job(job, backends, control)
    if result.progress is not None:
        return Labelled(result)
    return Labelled(result, notes=tuple(_changed_text(result, _labels_of(result, backends), backends, job)))


def _labels_of(result: Result, backends: Backends) -> Sequence[Example]:
    """The labels of a run that was finished before. Raises `DamagedError` where they are not there any more."""
    try:
        return backends.labels(result.entry)
    except DamagedError as error:
        raise DamagedError(f"{error} The run {result.entry.run_id!r} is in the manifest, so it is not labelled again: restore "
                           "the file, or remove the run's entry from the manifest.") from error


def _changed_text(result: Result, labels: Sequence[Example], backends: Backends, job: Job) -> list[str]:
    """What to say where the dialogues are not those that a finished run labelled, as far as they are here and can be read."""
    if not os.path.exists(job.data.eval_set_path_or_name):  # of the Hub, or gone: the run is finished all the same
        return []
    try:
        now = {dialogue.dialogue_id: dialogue.turns for dialogue in backends.dialogues()}
    except (NcLatentTodError, OSError) as error:
        return [f"whether the text changed since {result.entry.run_id} was labelled is not known: {error}"]
    then = {dialogue_id: turns_of(examples) for dialogue_id, examples in by_dialogue(labels).items()}
    counts = {"changed": sum(now[key] != then[key] for key in now.keys() & then.keys()),
              "are new": len(now.keys() - then.keys()), "are gone": len(then.keys() - now.keys())}
    if not any(counts.values()):
        return []
    return [f"the text changed since {result.entry.run_id} was labelled: of {len(then)} dialogues "
            f"{', '.join(f'{count} {what}' for what, count in counts.items() if count)}. Its labels are of the earlier "
            f"text. For new ones give the job another group_id; --reuse-from {result.entry.group_id} takes over what is "
            "the same."]


def _differing(result: Result, backends: Backends) -> int:
    stored = {e.turn.key: e for e in backends.labels(result.entry)}
    again = {e.turn.key: e for e in result.examples}
    return sum(stored.get(key) != again.get(key) for key in stored.keys() | again.keys())
