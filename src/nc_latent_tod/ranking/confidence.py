"""How sure a label is, from the candidates that were weighed for it.

The posterior of a candidate y with ranking score s_y (nats) is the softmax over the distinct readings that parsed, at a
temperature T: p_y = exp(s_y / T) / sum of exp(s_z / T) over z. Log-probabilities summed over tokens are overconfident, so T is
fitted where gold is given (`metrics.calibration`): temperature scaling, Guo et al. 2017, "On Calibration of Modern Neural
Networks", section 4.2. A slot value or an act is as probable as the readings that hold it are together, a marginal of the same
posterior. Readings that nobody proposed have no share, so a reading without rivals has confidence 1 at every temperature.

Scores of proposals without a model are pseudo-scores: confidence orders them, and means a probability only once T is fitted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from nc_latent_tod.errors import ConfigError, ParseError
from nc_latent_tod.labels import Example, StateChange, TaskLabel
from nc_latent_tod.notation.parsing import parse_acts, parse_change
from nc_latent_tod.ranking.noisy_channel import posterior
from nc_latent_tod.schema import Schema

TASKS = ("dst", "act_tag")

Temperatures = Mapping[str, float]
"""By task; a task that is absent has 1, the raw posterior."""


@dataclass(frozen=True, slots=True)
class TaskConfidence:
    """How sure the chosen reading of one task is. All but `entropy` in [0, 1]."""

    share: float  # posterior of the chosen reading
    margin: float  # `share` less the largest posterior of another reading: negative where another one leads
    entropy: float  # of the posterior over distinct readings, in nats
    agreement: float | None  # samples that gave the chosen reading, of all samples, unparsable ones too; None without samples
    readings: int  # distinct ones that parsed


@dataclass(frozen=True, slots=True)
class TurnConfidence:
    """How sure a turn's label is, part by part."""

    tasks: Mapping[str, TaskConfidence]  # without tasks that chose nothing
    slots: Mapping[tuple[str, str], float]  # marginal of every value (or deletion) of the change, by (service, slot)
    acts: tuple[float, ...]  # marginal of every act, in the order of the label's acts


def shares(outcome: TaskLabel, temperature: float = 1.0) -> list[float]:
    """The posterior of each candidate, 0.0 for those that did not parse; all equal where no score is finite."""
    found = posterior(outcome.candidates, temperature)
    parsed = [c.error is None for c in outcome.candidates]
    if any(found) or not any(parsed):
        return found
    return [is_parsed / sum(parsed) for is_parsed in parsed]


def task_confidence(outcome: TaskLabel | None, temperature: float = 1.0) -> TaskConfidence | None:
    """How sure the chosen reading is; None where nothing was chosen, or nothing was weighed (gold)."""
    if outcome is None or outcome.chosen is None:
        return None
    found = shares(outcome, temperature)
    share, chosen = found[outcome.chosen], outcome.candidates[outcome.chosen]
    samples = sum(c.count for c in outcome.candidates)
    others = [p for i, p in enumerate(found) if i != outcome.chosen]
    return TaskConfidence(
        share=share, margin=share - max(others, default=0.0), entropy=sum(-p * math.log(p) for p in found if p > 0),
        agreement=chosen.count / samples if samples else None, readings=sum(c.error is None for c in outcome.candidates))


def turn_confidence(example: Example, schema: Schema, temperatures: Temperatures | None = None) -> TurnConfidence:
    """How sure a label, its slots and its acts are.

    Raises `ConfigError` where a candidate does not fit `schema`: it is not the one that the label was made with.
    """
    label, prior = example.label, example.prior_state
    temperature = {**dict.fromkeys(TASKS, 1.0), **(temperatures or {})}
    tasks = {task: found for task in TASKS if (found := task_confidence(label.tasks.get(task), temperature[task]))}
    changes = _readings(example, "dst", _flat(label.change).items(), temperature["dst"],
                        lambda text: _flat(parse_change(text, schema, prior, normalise=False)).items())
    said = _readings(example, "act_tag", label.acts, temperature["act_tag"],
                     lambda text: parse_acts(text, schema, normalise=False))  # canonical text is normalised already
    return TurnConfidence(
        tasks, {key: _marginal((key, value), changes) for key, value in _flat(label.change).items()} if changes else {},
        tuple(_marginal(act, said) for act in label.acts) if said else ())


def state_confidence(turns: Sequence[Example], temperatures: Temperatures | None = None) -> list[float | None]:
    """For each turn of one dialogue in order, the product of the shares of its changes so far.

    The probability that the whole state is right, if turns err independently. None from a turn without a reading on.
    """
    product: float | None = 1.0
    found: list[float | None] = []
    for example in turns:
        sure = task_confidence(example.label.tasks.get("dst"), (temperatures or {}).get("dst", 1.0))
        product = product * sure.share if product is not None and sure else None
        found.append(product)
    return found


def unsure_tasks(example: Example, minimum: float, temperatures: Temperatures | None = None) -> tuple[str, ...]:
    """The tasks whose chosen reading has a smaller share than `minimum`, or that failed.

    A task that had nothing to read is not unsure, and neither is gold.
    """
    unsure = []
    for task, outcome in example.label.tasks.items():
        sure = task_confidence(outcome, (temperatures or {}).get(task, 1.0))
        if outcome.failure or (sure and sure.share < minimum):
            unsure.append(task)
    return tuple(unsure)


def _readings(example: Example, task: str, chosen: Collection, temperature: float,
              parse: Callable[[str], Collection]) -> list[tuple[frozenset, float]]:
    """The parts of every reading with its share: `chosen` for the chosen one, whatever `parse` gives for the others."""
    outcome = example.label.tasks.get(task)
    if outcome is None or outcome.chosen is None:
        return []
    found = []
    for i, (candidate, share) in enumerate(zip(outcome.candidates, shares(outcome, temperature), strict=True)):
        if candidate.error is None:
            try:
                found.append((frozenset(chosen if i == outcome.chosen else parse(candidate.text)), share))
            except ParseError as error:
                raise ConfigError(
                    f"A candidate of turn {example.turn.turn_id} of dialogue {example.turn.dialogue_id!r}, "
                    f"{candidate.text[:80]!r}, does not fit the schema ({error.reason}). Name the schema that the jobs used "
                    "(--schema, or --job).") from error
    return found


def _marginal(part: object, readings: Sequence[tuple[frozenset, float]]) -> float:
    return min(1.0, math.fsum(share for parts, share in readings if part in parts))


def _flat(change: StateChange) -> dict[tuple[str, str], str | None]:
    return {(service, slot): value for service, slots in change.items() for slot, value in slots.items()}
