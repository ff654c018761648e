"""A group's labels scored against gold, alone or beside those of another group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nc_latent_tod.api.groups import group_pairs, schema_with
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.evaluation.labels.bootstrap import Estimate
from nc_latent_tod.evaluation.labels.scores import PER_SERVICE, PER_TURN, Pair, Scores, compare, score

__all__ = ["PER_SERVICE", "PER_TURN", "Comparison", "Evaluation", "Scores", "evaluate_groups"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What another group scores on the same turns."""

    group_id: str
    overall: Mapping[str, Estimate]
    difference: Mapping[str, Estimate]  # ours minus theirs, paired by dialogue


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a group, alone or beside another."""

    scores: Scores
    against: Comparison | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data: the scores, and `against` where there is another group."""
        return {**self.scores.to_json(), **({"against": asdict(self.against)} if self.against else {})}


def evaluate_groups(manifest: str, group_id: str, against: str | None, *, gold: str, gold_format: str, schema: str | None,
                    resamples: int, seed: int) -> Evaluation:
    """Score a group's finished runs, and compare with those of `against`.

    Raises `ConfigError` where a group has no finished run, gold is missing, or the two do not label the same turns.
    """
    chosen = schema_with(gold, schema)
    known = load_gold(gold, gold_format, chosen)
    ours = group_pairs(manifest, group_id, known)
    notes: list[str] = []
    offered = {(service.name, slot) for service in (chosen.services if chosen else ()) for slot in service.slots_by_name}
    if chosen and (foreign := sorted(_slots(ours) - offered)):
        service, slot = foreign[0]
        notes.append(f"labels of {group_id!r} have slots that the schema lacks, such as {slot!r} of {service!r}. Were they "
               "made with another one? Name that with --schema.")
    scores = score(ours, schema=chosen, resamples=resamples, seed=seed)
    if against is None:
        return Evaluation(scores, notes=tuple(notes))
    theirs = group_pairs(manifest, against, known)
    difference = compare(ours, theirs, schema=chosen, resamples=resamples, seed=seed)
    return Evaluation(scores, Comparison(against, score(theirs, schema=chosen, resamples=0).overall, difference), tuple(notes))


def _slots(pairs: Sequence[Pair]) -> set[tuple[str, str]]:
    """(service, slot) of the labels' states."""
    return {(service, slot) for example, _ in pairs for service, slots in example.label.state.items() for slot in slots}
