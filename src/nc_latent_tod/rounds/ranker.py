"""Weights of proposals from a round's labels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from nc_latent_tod.errors import ParseError
from nc_latent_tod.labels import Example
from nc_latent_tod.notation.parsing import parse_change
from nc_latent_tod.proposals.ranker import Reading, features, learn
from nc_latent_tod.ranking.confidence import shares
from nc_latent_tod.schema import Schema
from nc_latent_tod.system.files import write_bytes


def learn_ranker(labels: Mapping[tuple[str, int], Example], schema: Schema, folder: Path, temperature: float = 1.0, *,
                 corrected: Mapping[tuple[str, int], Example] | None = None, weight: int = 1) -> str:
    """Learn from a round's candidates and their shares; the path of the file, which is called after what it holds.

    Of a turn that a person corrected the right candidate has all the share, and the turn counts `weight` times; where no
    candidate is right it is left out.
    """
    turns = []
    for (dialogue_id, turn_id), example in sorted(labels.items()):
        before, person = labels.get((dialogue_id, turn_id - 1)), (corrected or {}).get((dialogue_id, turn_id))
        readings = _readings(example, before, schema, temperature, person)
        turns += [(dialogue_id, readings)] * (weight if person else 1)
    text = json.dumps({"weights": learn(turns).weights}, indent=1, ensure_ascii=False).encode()
    path = folder / f"ranker-{hashlib.sha256(text).hexdigest()[:12]}.json"
    write_bytes(path, text)
    return str(path)


def _readings(example: Example, before: Example | None, schema: Schema, temperature: float,
              person: Example | None = None) -> list[Reading]:
    outcome = example.label.tasks.get("dst")
    if outcome is None or outcome.chosen is None:
        return []
    said, earlier = example.label.acts, before.label.acts if before else ()
    found: list[Reading] = []
    for candidate, share in zip(outcome.candidates, shares(outcome, temperature), strict=True):
        if candidate.error is None:
            try:
                change = parse_change(candidate.text, schema, example.prior_state, normalise=False)
            except ParseError:
                continue  # a reference whose value is gone: not a reading of this turn any more
            share = float(change == person.label.change) if person else share
            found.append((share, features(change, example.prior_state, example.turn, said, earlier)))
    return found if person is None or any(share for share, _ in found) else []
