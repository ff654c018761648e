"""Why a turn has its label: the examples, the prompts, every candidate with its scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nc_latent_tod.annotation.overlay import corrections_of
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
    correction: Example | None = None  # what a person gave in place of it


def explain(manifest: Manifest, labels: Callable[[ManifestEntry], Sequence[Example]], tasks: Sequence[Task], group_id: str,
            dialogue_id: str, turn_id: int) -> Explanation:
    """Find a turn's label in a group and rebuild its prompts from what was recorded.

    Raises `ConfigError` naming the nearest dialogue, or the turns that there are.
    """
    entries = manifest.entries(group_id)
    if not entries:
        raise ConfigError(f"The manifest has no group {group_id!r} with a finished run.")
    by_run = {entry.run_id: entry for entry in entries}
    dialogues: dict[str, list[int]] = {}
    corrected = corrections_of(example for entry in entries if entry.label_source for example in labels(entry))
    for entry in (entry for entry in entries if not entry.label_source):
        for example in labels(entry):
            if example.turn.key == (dialogue_id, turn_id):
                pool = _Pool(_runs_shown(manifest, by_run, entry, example), labels)
                return Explanation(example, entry, [
                    _task(task, example, pool) for task in tasks if task.name in example.label.tasks],
                    corrected.get(example.turn.key))
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


def _task(task: Task, example: Example, pool: _Pool) -> TaskExplanation:
    outcome = example.label.tasks[task.name]
    found = [(pool.get(example_id), example_id, score) for example_id, score in outcome.retrieved]
    examples = [(e, score) for e, _, score in found if e is not None]
    question = {order: "".join([*(task.example(e, order) for e, _ in examples),
                                task.opening(example, order)]) for order in ("direct", "channel")}
    return TaskExplanation(
        name=task.name, outcome=outcome, shares=posterior(outcome.candidates), examples=examples,
        lost_examples=[example_id for e, example_id, _ in found if e is None], preamble=task.preamble,
        direct_prompt=question["direct"], channel_prompt=question["channel"], reason=reason(outcome))
