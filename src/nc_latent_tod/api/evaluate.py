"""A group's labels scored against gold, alone or beside those of another group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nc_latent_tod.api.groups import group_pairs, labels_of, runs_of, schema_with
from nc_latent_tod.api.labels import Labels, group_of
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.evaluation.labels.bootstrap import Estimate
from nc_latent_tod.evaluation.labels.scores import PER_SERVICE, PER_TURN, Pair, Scores, compare, pair, score
from nc_latent_tod.labels import Example, Gold
from nc_latent_tod.schema import Schema

__all__ = ["PER_SERVICE", "PER_TURN", "Comparison", "Evaluation", "Scores", "evaluate", "evaluate_groups"]


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


def evaluate(labels: Labels | str, gold: str | Path | Iterable[Example], *, gold_format: str = "auto",
             against: Labels | str | None = None, manifest: str | Path | None = None, schema: str | Schema | None = None,
             resamples: int = 1000, seed: int = 0) -> Evaluation:
    """Score labels against gold: joint goal accuracy, slots, acts, per service, with bootstrap intervals over dialogues (95 %).

    `gold`: an annotated folder, label files, `packaged:simulated_gold`, or examples whose labels are known, such as those of
    `simulate`. `against`: other labels of the same turns; the differences are paired. Raises `ConfigError` where there is no
    finished run, gold is missing for a turn, or the two do not label the same turns.
    """
    ours = _examples(labels, manifest)
    known = schema if isinstance(schema, Schema) else labels.schema if schema is None and isinstance(labels, Labels) else (
        schema_with(str(gold) if isinstance(gold, str | Path) else "", schema))
    turns = load_gold(gold, gold_format, known) if isinstance(gold, str | Path) else {
        example.turn.key: Gold(example.label) for example in gold}
    theirs = None if against is None else (against if isinstance(against, str) else against.group_id,
                                           _examples(against, manifest))
    return _evaluated(pair(ours, turns), theirs and (theirs[0], pair(theirs[1], turns)), known, resamples=resamples, seed=seed)


def _examples(labels: Labels | str, manifest: str | Path | None) -> Sequence[Example]:
    if isinstance(labels, Labels):
        return labels.examples
    group_id, named = group_of(labels, manifest)
    return labels_of(runs_of(named, group_id))


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
    theirs = None if against is None else (against, group_pairs(manifest, against, known))
    return _evaluated(ours, theirs, chosen, notes=tuple(notes), resamples=resamples, seed=seed)


def _evaluated(ours: Sequence[Pair], theirs: tuple[str, Sequence[Pair]] | None, schema: Schema | None, *,
               notes: tuple[str, ...] = (), resamples: int, seed: int) -> Evaluation:
    scores = score(ours, schema=schema, resamples=resamples, seed=seed)
    if theirs is None:
        return Evaluation(scores, notes=notes)
    group_id, pairs = theirs
    difference = compare(ours, pairs, schema=schema, resamples=resamples, seed=seed)
    return Evaluation(scores, Comparison(group_id, score(pairs, schema=schema, resamples=0).overall, difference), notes)


def _slots(pairs: Sequence[Pair]) -> set[tuple[str, str]]:
    """(service, slot) of the labels' states."""
    return {(service, slot) for example, _ in pairs for service, slots in example.label.state.items() for slot in slots}
