"""What one turn adds to the numerator and the denominator of every metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from rapidfuzz import fuzz, utils

from nc_latent_tod.labels import Act, Gold, Label, StateChange
from nc_latent_tod.schema import Schema

MAX_TURN_POSITION = 20  # later turns are counted together under this position

Sums = dict[tuple[str, str], list[float]]
"""{(scope, metric): [numerator, denominator]}; scope is "", "service:NAME" or "turn:NUMBER"."""

_DONTCARE = frozenset({"dontcare", "dont care", "don't care", "do not care", "doesn't care", "does not care"})


def normalised(value: str) -> str:
    """A value as it is compared."""
    folded = " ".join(value.casefold().split())
    return "dontcare" if folded in _DONTCARE else folded


def categorical_slots(schema: Schema | None) -> frozenset[tuple[str, str]]:
    """(service, slot) of the slots with fixed values: they are right or wrong, never nearly right."""
    services = schema.services if schema else ()
    return frozenset((service.name, slot.name) for service in services for slot in service.slots if slot.is_categorical)


def add_turn(sums: Sums, turn_id: int, label: Label, gold: Gold, categorical: frozenset[tuple[str, str]]) -> None:
    """Add what one turn contributes to every metric of its dialogue."""
    position = min(turn_id, MAX_TURN_POSITION)
    predicted, expected = flat(label.state), flat(gold.label.state)
    right = {key for key, value in predicted.items() if key in expected and value in accepted(gold, key, expected)}
    acts_predicted, acts_expected = (label.acts, gold.label.acts) if gold.has_acts else ((), ())
    similarity, is_same = _similarity(predicted, expected, gold, categorical), same_change(label.change, gold)
    for scope in ("", f"turn:{position}"):
        _add_state(sums, scope, predicted, expected, right)
        _add_acts(sums, scope, acts_predicted, acts_expected)
        for name, value in (("fuzzy_joint_goal_accuracy", similarity), ("turn_accuracy", is_same),
                            ("failed_turns", bool(label.failures))):
            sums[scope, name][0] += value
            sums[scope, name][1] += 1
    for service in {service for service, _ in {**predicted, **expected}}:
        mine, theirs = ({k: v for k, v in part.items() if k[0] == service} for part in (predicted, expected))
        _add_state(sums, f"service:{service}", mine, theirs, {key for key in right if key[0] == service})
    for service in {act.service for act in (*acts_predicted, *acts_expected) if act.service}:
        _add_acts(sums, f"service:{service}", *([a for a in acts if a.service == service]
                                                for acts in (acts_predicted, acts_expected)))


def _add_state(sums: Sums, scope: str, predicted: Mapping, expected: Mapping, right: set) -> None:
    exact = len(right) == len(predicted) == len(expected)
    for name, numerator, denominator in (
            ("joint_goal_accuracy", exact, 1), ("slot_precision", len(right), len(predicted)),
            ("slot_recall", len(right), len(expected)), ("slot_f1", 2 * len(right), len(predicted) + len(expected))):
        sums[scope, name][0] += numerator
        sums[scope, name][1] += denominator


def _similarity(predicted: Mapping, expected: Mapping, gold: Gold, categorical: frozenset) -> float:
    """The product over slots of how alike the values are, 0 where a slot is missing or superfluous.

    An open slot's value counts by the token sort ratio to the nearest accepted value, as in the evaluation of the
    schema-guided dialogue challenge (google-research/schema_guided_dst), which averages over services and not over turns.
    """
    if predicted.keys() != expected.keys():
        return 0.0
    product = 1.0
    for key, value in predicted.items():
        right = accepted(gold, key, expected)
        if value not in right:
            product *= 0.0 if key in categorical else max(
                fuzz.token_sort_ratio(value, one, processor=utils.default_process) for one in right) / 100
    return product


def act_key(act: Act) -> tuple[str, ...]:
    """An act as it is compared, with its value."""
    return act.act, act.service, act.slot, normalised(act.value)


_LEVELS: Mapping[str, Callable[[Act], tuple[str, ...]]] = {
    "act": lambda act: (act.act, act.service),
    "act_slot": lambda act: (act.act, act.service, act.slot),
    "act_slot_value": act_key,
}


def _add_acts(sums: Sums, scope: str, predicted: Iterable[Act], expected: Iterable[Act]) -> None:
    for level, key in _LEVELS.items():
        mine, theirs = set(map(key, predicted)), set(map(key, expected))
        both = len(mine & theirs)
        for name, numerator, denominator in (("precision", both, len(mine)), ("recall", both, len(theirs)),
                                             ("f1", 2 * both, len(mine) + len(theirs))):
            sums[scope, f"{level}_{name}"][0] += numerator
            sums[scope, f"{level}_{name}"][1] += denominator


def flat(state: Mapping[str, Mapping[str, str]]) -> dict[tuple[str, str], str]:
    """A state as normalised values by (service, slot)."""
    return {(service, slot): normalised(value) for service, slots in state.items() for slot, value in slots.items()}


def accepted(gold: Gold, key: tuple[str, str], expected: Mapping[tuple[str, str], str]) -> set[str]:
    """The normalised values that are right for a slot of the gold state; `expected` is that state, flat."""
    service, slot = key
    return {expected[key], *map(normalised, gold.alternatives.get(service, {}).get(slot, ()))}


def same_change(change: StateChange, gold: Gold) -> bool:
    """Whether a change is the annotated one: the same slots, each with an accepted value."""
    mine, theirs = ({(service, slot): value for service, slots in part.items() for slot, value in slots.items()}
                    for part in (change, gold.label.change))
    expected = flat(gold.label.state)
    return mine.keys() == theirs.keys() and all(
        (value is None) == (theirs[key] is None)
        and (value is None or normalised(value) in accepted(gold, key, expected)) for key, value in mine.items())
