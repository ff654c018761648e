"""The labelled turns that a round is selected from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from nc_latent_tod.annotation.rounds import text_sha256
from nc_latent_tod.labels import Example


@dataclass(frozen=True)
class Pool:
    """Turns that may be selected, by dialogue and turn, and those that were selected before."""

    turns: tuple[Example, ...]  # ordered by key
    earlier: tuple[Example, ...] = ()

    @property
    def sha256(self) -> str:
        """Of what selection reads: keys, texts and labels with their candidates, as hex."""
        digest = hashlib.sha256()
        for example in (*self.turns, *self.earlier):
            row = example.to_json()
            digest.update(json.dumps([row["turn"], row["label"]["change"], row["label"]["acts"], row["label"]["tasks"]],
                                     sort_keys=True).encode())
        return digest.hexdigest()


def pool_of(examples: Sequence[Example], taken: Collection[tuple[str, int]] = ()) -> Pool:
    """The pool of labelled turns; `taken` ones were selected or corrected before. Turns without any text are left out."""
    ordered = sorted((e for e in examples if e.turn.user_utterance.strip() or e.turn.system_response.strip()),
                     key=lambda e: e.turn.key)
    return Pool(tuple(e for e in ordered if e.turn.key not in taken), tuple(e for e in ordered if e.turn.key in taken))


def hashes(pool: Pool) -> dict[tuple[str, int], str]:
    """`text_sha256` of every turn by its key."""
    return {e.turn.key: text_sha256(e.turn) for e in (*pool.turns, *pool.earlier)}
