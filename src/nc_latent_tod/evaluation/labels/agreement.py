"""What rounds of labels have in common: agreement, self-consistency, and the turns on which they differ, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Act, Example, StateChange
from nc_latent_tod.ranking.confidence import task_confidence

Labels = Mapping[tuple[str, int], Example]
"""One round's labels by (dialogue id, turn id)."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Shares of the turns with equal labels in two rounds."""

    change: float
    state: float
    acts: float


@dataclass(frozen=True, slots=True)
class Health:
    """What a round says of itself, without gold."""

    turns: int
    failed_turns: float  # share of turns with a task that gave no label
    unparsable: float | None  # share of the sampled candidates; None without samples
    consistency: float | None  # mean over turns: samples that gave the chosen change; None without samples
    confidence: float | None  # mean over turns: posterior share of the chosen change


@dataclass(frozen=True, slots=True)
class Issue:
    """A turn that rounds read differently."""

    dialogue_id: str
    turn_id: int
    user_utterance: str
    doubt: float  # 0 to 1: weight of the rounds that read it otherwise than the last, each by its confidence
    readings: tuple[tuple[int, StateChange, float], ...]  # (round, change, confidence)


def agreement(one: Labels, other: Labels) -> Agreement:
    """How much two rounds agree. Raises `ConfigError` where they do not label the same turns."""
    if one.keys() != other.keys():
        only = min(one.keys() ^ other.keys())
        raise ConfigError(f"Turn {only[1]} of dialogue {only[0]!r} is in one round alone: rounds label the same dialogues.")
    pairs = [(one[key].label, other[key].label) for key in one]
    return Agreement(*(sum(same) / len(pairs) for same in zip(*(
        (a.change == b.change, a.state == b.state, _acts(a.acts) == _acts(b.acts)) for a, b in pairs), strict=True)))


def health(labels: Labels, temperature: float = 1.0) -> Health:
    """What a round says of itself."""
    outcomes = [example.label.tasks["dst"] for example in labels.values() if "dst" in example.label.tasks]
    sure = [found for outcome in outcomes if (found := task_confidence(outcome, temperature))]
    samples = [c for e in labels.values() for task in e.label.tasks.values() for c in task.candidates if c.count]
    agreements = [found.agreement for found in sure if found.agreement is not None]
    total = sum(c.count for c in samples)
    return Health(
        turns=len(labels), failed_turns=sum(bool(e.label.failures) for e in labels.values()) / max(1, len(labels)),
        unparsable=sum(c.count for c in samples if c.error) / total if total else None,
        consistency=sum(agreements) / len(agreements) if agreements else None,
        confidence=sum(found.share for found in sure) / len(sure) if sure else None)


def issues(rounds: Sequence[Labels], temperatures: Sequence[float]) -> list[Issue]:
    """The turns whose change of state differs between rounds, those with the surest dissent first."""
    found = []
    for key, last in rounds[-1].items():
        readings = tuple((number, labels[key].label.change, _confidence(labels[key], temperatures[number]))
                         for number, labels in enumerate(rounds) if key in labels)
        total = sum(weight for _, _, weight in readings)
        other = sum(weight for _, change, weight in readings if change != last.label.change)
        if any(change != last.label.change for _, change, _ in readings):
            found.append(Issue(*key, last.turn.user_utterance, other / total if total else 1.0, readings))
    return sorted(found, key=lambda issue: (-issue.doubt, -sum(weight for *_, weight in issue.readings),
                                            issue.dialogue_id, issue.turn_id))


def issue_row(issue: Issue) -> dict[str, Any]:
    """Plain JSON data."""
    readings = [{"round": number, "change": change, "confidence": round(sure, 4)} for number, change, sure in issue.readings]
    return {"dialogue_id": issue.dialogue_id, "turn_id": issue.turn_id, "user_utterance": issue.user_utterance,
            "doubt": round(issue.doubt, 4), "readings": readings}


def _confidence(example: Example, temperature: float) -> float:
    found = task_confidence(example.label.tasks.get("dst"), temperature)
    return found.share if found else 0.0


def _acts(acts: Sequence[Act]) -> list[Act]:
    return sorted(acts)
