"""Dialogues to labels: waves of turns, both tasks, examples that grow with the job's own labels.

A wave is the turn t of all dialogues of a group. Its labels join the example pool when the wave is over, never earlier, so a
label depends on the dialogues, the pool and the seed, and not on batches, workers or interruptions.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import InterruptedJobError
from nc_latent_tod.labelling import TaskLabeller
from nc_latent_tod.labelling.examples import ExamplePool
from nc_latent_tod.labelling.outcome import Inferred
from nc_latent_tod.labels import BeliefState, Example, Label, apply_change
from nc_latent_tod.notation.delexicalise import delexicalise

logger = logging.getLogger(__name__)

Known = Mapping[tuple[str, int], Example]
"""Labels that exist already, by (dialogue_id, turn_id): what a checkpoint held."""


@dataclass(frozen=True)
class Labeller:
    """Labels groups of dialogues, one group after the other."""

    dst: TaskLabeller
    act_tag: TaskLabeller
    run_id: str
    seed: int = 0
    batch_size: int = 16  # turns that go through the model together, and are reported together
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def pools(self) -> list[ExamplePool]:
        """The pools of the tasks that are shown examples."""
        return [task.pool for task in (self.dst, self.act_tag) if task.pool is not None]

    def label(self, groups: Sequence[Sequence[Dialogue]], *, known: Known | None = None,
              should_stop: Callable[[], bool] = lambda: False) -> Iterator[list[Example]]:
        """Yield new labels, a batch at a time. Labels in `known` are taken over and not yielded.

        Raises `InterruptedJobError` between two batches once `should_stop()`; what was yielded counts.
        """
        for group in groups:
            states: dict[str, BeliefState] = {dialogue.dialogue_id: {} for dialogue in group}
            for t in range(max((len(dialogue.turns) for dialogue in group), default=0)):
                turns = [dialogue.turns[t] for dialogue in group if t < len(dialogue.turns)]
                wave: list[Example] = []
                earlier = {dialogue.dialogue_id: dialogue.turns[:t] for dialogue in group}
                yield from self._label_wave(turns, states, earlier, known or {}, should_stop, wave)
                states.update((example.turn.dialogue_id, example.label.state) for example in wave)
                self._grow_pool(wave)

    def _label_wave(self, turns: Sequence[Turn], states: Mapping[str, BeliefState], earlier: Mapping[str, Sequence[Turn]],
                    known: Known, should_stop: Callable[[], bool], wave: list[Example]) -> Iterator[list[Example]]:
        """Fill `wave` in the order of the dialogues; yield what is new."""
        labelled = {key: known[key] for turn in turns if (key := turn.key) in known}
        todo = [turn for turn in turns if turn.key not in labelled]
        for start in range(0, len(todo), self.batch_size):
            if should_stop():
                raise InterruptedJobError(f"{self.run_id}: asked to stop after {start} of {len(todo)} turns of a wave.")
            batch = self._label_batch(todo[start : start + self.batch_size], states, earlier)
            labelled.update((e.turn.key, e) for e in batch)
            yield batch
        wave.extend(labelled[turn.key] for turn in turns)

    def _label_batch(self, turns: Sequence[Turn], states: Mapping[str, BeliefState],
                     earlier: Mapping[str, Sequence[Turn]]) -> list[Example]:
        priors = [states[turn.dialogue_id] for turn in turns]
        before = [earlier[turn.dialogue_id] for turn in turns]
        changes = self.dst.infer(turns, priors, [self._stream(turn, "dst") for turn in turns], before)
        acts = self.act_tag.infer(turns, priors, [self._stream(turn, "act_tag") for turn in turns], before)
        return [self._example(*row) for row in zip(turns, priors, changes, acts, strict=True)]

    def _example(self, turn: Turn, prior: BeliefState, change: Inferred, acts: Inferred) -> Example:
        effect, said = change.value or {}, acts.value or ()
        label = Label(state=apply_change(prior, effect), change=effect, acts=said,
                      delexicalised_response=delexicalise(turn.system_response, said),
                      tasks={"dst": change.outcome, "act_tag": acts.outcome}, provenance=self.provenance)
        if label.failures:
            logger.debug("%s %s/%d failed: %s", self.run_id, turn.dialogue_id, turn.turn_id, label.failures)
        return Example(turn=turn, prior_state=prior, label=label, run_id=self.run_id)

    def _grow_pool(self, wave: Sequence[Example]) -> None:
        for pool in self.pools:
            if pool.grows:
                pool.learn(wave)

    def _stream(self, turn: Turn, task: str) -> int:
        """The random stream of one task on one turn: 63 bits that depend on the job's seed and the turn's place alone."""
        key = f"{self.seed}/{turn.dialogue_id}/{turn.turn_id}/{task}"
        return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1


def warmup_groups(dialogues: Sequence[Dialogue], warmup: int, partitions: int) -> list[list[Dialogue]]:
    """Split a job's dialogues as `data_warmup` and `data_num_partitions` say.

    The first `warmup` dialogues are a group of their own; the rest make `partitions` groups of nearly equal size. Groups are
    labelled one after the other, so the labels of the first serve as examples for the later ones.
    """
    rest = list(dialogues[warmup:])
    size, extra = divmod(len(rest), max(1, partitions))
    groups, start = [list(dialogues[:warmup])], 0
    for i in range(max(1, partitions)):
        end = start + size + (i < extra)
        groups.append(rest[start:end])
        start = end
    return [group for group in groups if group]
