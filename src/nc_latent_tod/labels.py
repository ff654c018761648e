"""What a turn means: belief states, their changes, system acts, and the label with every candidate that was weighed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nc_latent_tod.dialogue import Turn

BeliefState = Mapping[str, Mapping[str, str]]
"""{service: {slot: value}}. Absent means absent: no empty services, no empty values."""

StateChange = Mapping[str, Mapping[str, str | None]]
"""{service: {slot: new value, or None for a deletion}}."""

ACT_NAMES = (
    "Inform", "Offer", "Confirm", "Affirm", "Negate", "NotifySuccess", "NotifyFailure", "Request",
    "RequestAlternatives", "Acknowledge", "Greeting", "ThankYou", "Goodbye",
)
"""The system dialogue acts, in canonical order."""

ENTITY_ACTS = frozenset({"Inform", "Offer", "Confirm", "NotifySuccess", "NotifyFailure"})
"""Acts about an entity of a service, with slot values: `Offer(entity=Hotel(name="..."))`."""

SERVICE_ACTS = frozenset({"Request", "RequestAlternatives"})
"""Acts about a service: `Request(service=Hotel, slots=["area"])`, `RequestAlternatives(service=Hotel)`."""


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """One slot of one system act. An act without slots has slot "" and value ""; a request has value ""."""

    act: str
    service: str = ""  # "" for acts of no service, such as Greeting
    slot: str = ""
    value: str = ""


def apply_change(state: BeliefState, change: StateChange) -> dict[str, dict[str, str]]:
    """Return `state` after `change`; neither is altered."""
    merged = {service: dict(slots) for service, slots in state.items()}
    for service, slots in change.items():
        target = merged.setdefault(service, {})
        for slot, value in slots.items():
            if value is None:
                target.pop(slot, None)
            else:
                target[slot] = value
    return {service: slots for service, slots in merged.items() if slots}


def state_change(before: BeliefState, after: BeliefState) -> dict[str, dict[str, str | None]]:
    """Return the change that turns `before` into `after`; inverse of `apply_change`."""
    change: dict[str, dict[str, str | None]] = {}
    for service in sorted({*before, *after}):
        old, new = before.get(service, {}), after.get(service, {})
        diff: dict[str, str | None] = {slot: value for slot, value in new.items() if old.get(slot) != value}
        diff.update({slot: None for slot in old if slot not in new})
        if diff:
            change[service] = diff
    return change


@dataclass(frozen=True, slots=True)
class Candidate:
    """One reading of a turn. Log-probabilities are raw (temperature 1), in nats, summed over tokens."""

    text: str  # canonical where it parsed, as the model wrote it otherwise
    logprobs: Mapping[str, float] = field(default_factory=dict)
    """By term: `direct` log p(y|x,z), `prior` log p(y|z), `channel` log p(x|y,z). Terms that were not computed are absent.

    `proposal` is no model's: the log of a pseudo-probability by hand-set weights, which orders readings and is not calibrated.
    """
    score: float | None = None  # what the ranking compared; None where it did not parse
    count: int = 1  # samples that gave this reading; 0 for a proposal that none gave
    source: str = "sample"  # sample, greedy, proposal
    finished: bool = True  # a stop string was reached before the token limit
    error: str | None = None  # why it did not parse
    tokens: Mapping[str, int] = field(default_factory=dict, compare=False)  # as of older files, which lack it
    """By term, the tokens that its log-probability is the sum over. `direct`: those of the likeliest text of this meaning.

    Absent for terms of no model, of older label files, and of a server whose tokenizer is unknown.
    """


@dataclass(frozen=True, slots=True)
class TaskLabel:
    """The outcome of one task on one turn."""

    candidates: tuple[Candidate, ...]  # best first; unparsable ones last
    chosen: int | None  # index into `candidates`; None where none parsed
    failure: str | None = None  # reason code where the task failed
    retrieved: tuple[tuple[str, float], ...] = ()
    """(example id `run_id/dialogue_id/turn_id`, inner product), in prompt order."""
    length_normalization: str = "none"
    """`tokens` where each log-probability of a score was divided by its number of tokens."""


@dataclass(frozen=True, slots=True)
class Label:
    """What was inferred for one turn. A failed task keeps the prior state (or no acts) and says so in `failures`."""

    state: BeliefState
    change: StateChange
    acts: tuple[Act, ...]
    delexicalised_response: str
    tasks: Mapping[str, TaskLabel] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)  # fingerprints: job, model, code

    @property
    def is_human(self) -> bool:
        """Whether a person gave it: a correction."""
        return self.provenance.get("label_source") == "human"

    @property
    def failures(self) -> dict[str, str]:
        """Reason codes by task, for the tasks that failed."""
        return {name: task.failure for name, task in self.tasks.items() if task.failure}


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled turn: a row of a label file. Seeding, publishing and fine-tuning need nothing else."""

    turn: Turn
    prior_state: BeliefState
    label: Label
    run_id: str = ""

    @property
    def example_id(self) -> str:
        return f"{self.run_id}/{self.turn.dialogue_id}/{self.turn.turn_id}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; `from_json` restores an equal example. What younger fields lack is left out."""
        return asdict(self, dict_factory=_without_absent)

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Example:
        label = row["label"]
        return cls(
            turn=Turn(**row["turn"]),
            prior_state=row["prior_state"],
            label=Label(
                state=label["state"],
                change=label["change"],
                acts=tuple(Act(**act) for act in label["acts"]),
                delexicalised_response=label["delexicalised_response"],
                tasks={name: _task_label(task) for name, task in label["tasks"].items()},
                provenance=label["provenance"],
            ),
            run_id=row["run_id"],
        )


_ABSENT: Mapping[str, Any] = {"tokens": {}, "length_normalization": "none"}
"""Fields that label files of older versions do not have, with what is meant where they are left out."""


def _without_absent(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if name not in _ABSENT or value != _ABSENT[name]}


def _task_label(task: Mapping[str, Any]) -> TaskLabel:
    return TaskLabel(
        candidates=tuple(Candidate(**c) for c in task["candidates"]),
        chosen=task["chosen"],
        failure=task["failure"],
        retrieved=tuple((example_id, score) for example_id, score in task["retrieved"]),
        length_normalization=task.get("length_normalization", _ABSENT["length_normalization"]),
    )


def gold_label(state: BeliefState, prior: BeliefState, acts: Iterable[Act], delexicalised: str = "") -> Label:
    """A label that is known rather than inferred: simulated or annotated turns."""
    return Label(state=state, change=state_change(prior, state), acts=tuple(acts), delexicalised_response=delexicalised)


@dataclass(frozen=True, slots=True)
class Gold:
    """What annotators said of a turn. Evaluation reads it; nothing that labels does."""

    label: Label
    alternatives: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """{service: {slot: every accepted value}} for the slots of the state that have more than one."""
    has_acts: bool = True  # False where the turn's acts were not annotated


def by_dialogue(examples: Iterable[Example]) -> dict[str, list[Example]]:
    """Labelled turns by dialogue, in the order of the turns."""
    found: dict[str, list[Example]] = {}
    for example in sorted(examples, key=lambda example: example.turn.turn_id):
        found.setdefault(example.turn.dialogue_id, []).append(example)
    return found


def turns_of(examples: Iterable[Example]) -> tuple[Turn, ...]:
    """The text that was labelled, to be compared with that of a dialogue."""
    return tuple(example.turn for example in examples)
