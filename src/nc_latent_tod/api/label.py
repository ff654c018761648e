"""One job run now, and what became of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

from nc_latent_tod.api.backends import Builder, schema_of
from nc_latent_tod.api.inputs import Dialogues, EntitiesLike, SchemaLike, make_job
from nc_latent_tod.api.jobs import read_job
from nc_latent_tod.api.labels import Labels
from nc_latent_tod.config.job import Job, parse_job, unused_keys
from nc_latent_tod.errors import ConfigError, DamagedError, NcLatentTodError
from nc_latent_tod.labels import Example, by_dialogue, turns_of
from nc_latent_tod.pipeline.progress import Progress
from nc_latent_tod.pipeline.run import Backends, Control, Result, replay_job, run_job

JobLike: TypeAlias = Job | Mapping[str, Any] | str | Path
"""A job, what a job file says as decoded JSON, or a job file."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a job left. `differing_turns`: of a replay, those whose labels are not the stored ones; else None."""

    result: Result
    differing_turns: int | None = None
    notes: tuple[str, ...] = ()  # where a finished run is not of the dialogues as they are now


def label(dialogues: Dialogues | None = None, schema: SchemaLike | None = None, *, entities: EntitiesLike = None,
          model: str = "none", job: JobLike | None = None, options: Mapping[str, Any] | None = None,
          group_id: str = "labels", split: str | None = None, folder: str | Path | None = None, seed: int = 0,
          progress: Callable[[Progress], None] | None = None, should_stop: Callable[[], bool] | None = None) -> Labels:
    """Label dialogues: belief states, their changes, system acts and delexicalised responses, one `Example` a turn.

    `dialogues`: a list of dicts `{"dialogue_id": ..., "turns": [{"speaker": "user", "utterance": ...}, ...]}`, a DataFrame
    with the columns dialogue_id, speaker, utterance, a turn-level `datasets.Dataset`, `Dialogue`s, or a path as in a job file.
    `schema`: a list of services in the schema-guided format, a `Schema`, a path or `packaged:schema`. `entities`: rows by
    service, a path, or a DataFrame, for values that the schema leaves open.

    `model`: `none` for rules without a model, `packaged:tiny-starcoder`, or a folder or Hub id of a causal language model.
    `options`: what a job file would say else, such as `{"dst": {"generation_cfg": {"proposals": 8}}}`; or give the whole `job`
    in place of all of these, as a path, a dict or a `Job`.

    With `folder`, labels and manifest are kept there, and the same call again goes on where it stopped, or returns what is
    finished; without it they go with what is returned. `progress` is told of dialogues, turns and tokens after each batch;
    once `should_stop()`, `InterruptedJobError` is raised after the turns in hand. Raises `ConfigError`, `CorpusError` and
    `ModelError` before anything is labelled. Nothing is printed.

    >>> said = [{"speaker": "user", "utterance": "a cheap hotel, please"}]
    >>> labels = label([{"dialogue_id": "d", "turns": said}], "packaged:schema")
    >>> labels.examples[0].label.state
    {'hotel': {'price': 'cheap'}}
    """
    kept = None
    if job is not None:
        asked = as_job(job)
    else:
        if dialogues is None:
            raise ConfigError("What is to be labelled? Give dialogues and a schema, or a job.")
        kept = None if folder else TemporaryDirectory(prefix="nc_latent_tod-")
        place = Path(kept.name if kept else str(folder))
        asked = make_job(dialogues, schema, place, entities=entities, model=model, options=options, group_id=group_id,
                         split=split, seed=seed)
    control = Control(should_stop=should_stop or (lambda: False), report=progress or (lambda of: None))
    done = label_job(asked, control=control)
    examples = done.result.examples or Builder().backends(asked).labels(done.result.entry)
    return Labels(tuple(examples), schema_of(asked), asked, done.result.entry, (*unused_keys(asked), *done.notes), kept)


def as_job(job: JobLike) -> Job:
    """A job of a file, of decoded JSON, or as it is. Raises `ConfigError`."""
    if isinstance(job, Job):
        return job
    return parse_job(job) if isinstance(job, Mapping) else read_job(Path(job))


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
