"""A person's part, before it: select turns to correct, and predictions for who selects elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nc_latent_tod.annotation.lightly import write_predictions
from nc_latent_tod.annotation.overlay import corrections_of, with_corrections
from nc_latent_tod.annotation.pool import Pool, pool_of
from nc_latent_tod.annotation.rounds import MODES, Round, Selected, read_round, text_sha256, write_round
from nc_latent_tod.annotation.selection import Picked, Strategy, select, strengths_of, whole_dialogues
from nc_latent_tod.api.connect import manifest_at
from nc_latent_tod.api.groups import labels_of, rows_of, runs_of, schema_of_group, schema_path_of
from nc_latent_tod.corpus.schemas import PACKAGED
from nc_latent_tod.errors import ConfigError, DamagedError, RetryableError
from nc_latent_tod.labels import Example
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.pipeline.seeding import stored_embeddings
from nc_latent_tod.schema import Schema
from nc_latent_tod.system.files import read_bytes
from nc_latent_tod.tasks.dst import StateTracking

__all__ = ["Strategy", "select_round", "strengths_of"]

logger = logging.getLogger(__name__)

Tell = Callable[[str], None]


def select_round(group_id: str, *, manifest: str, n: int, out: Path, strategy: Strategy | None = None, seed: int = 0,
                 mode: str = "turn", strict: bool = False, tell: Tell = lambda note: None) -> tuple[Round, str]:
    """Select `n` turns (or dialogues, in mode `dialogue`) of a group into the next `out`/round-K.json; the round and its path.

    Equal labels, earlier rounds, strategies and seeds give equal files. Raises `ConfigError` where the group has no run, the
    strategy is unknown, nothing is left, or with `strict` fewer are left than `n`.
    """
    strategy = strategy or Strategy()
    objectives = strategy.objectives
    if mode not in MODES:
        raise ConfigError(f"There is no mode {mode!r}: select by turn or by dialogue.")
    entries, before = runs_of(manifest, group_id), rounds_in(out)
    rows = rows_of(entries)
    pool = pool_of(with_corrections(rows), {*corrections_of(rows), *(turn.key for one in before for turn in one.turns)})
    left = len(pool.turns) if mode == "turn" else len({e.turn.dialogue_id for e in pool.turns})
    if left < n:
        told = f"{left} {mode}s of {group_id!r} are left to select from, {n} were asked for"
        if strict or not left:
            raise ConfigError(f"{told}. Ask for fewer with -n, or label more dialogues.")
        tell(f"note: {told}: all of them are selected.")
    stored = manifest_at(manifest, group_id)
    if strategy.measure == "slots":
        strategy = replace(strategy, schema=schema_of_group(stored, group_id))
    vectors = vectors_of((*pool.turns, *pool.earlier), entries, schema_of_group(stored, group_id), tell) if (
        "diversity" in objectives) else None
    picked = _picked(pool, n, strategy, seed, mode, vectors)
    turns = tuple(Selected(*one.example.turn.key, text_sha256(one.example.turn), one.scores) for one in picked)
    made = Round(len(before), group_id, manifest, strategy.name, seed, n, mode, pool.sha256,
                 tuple(one.sha256 for one in before),
                 schema_path_of(stored, group_id) or f"{PACKAGED}schema", turns)
    return made, write_round(made, out)


def rounds_in(folder: Path) -> list[Round]:
    """The rounds of a folder, by number. Raises `ConfigError` where one is missing between them."""
    found = sorted((read_round(path) for path in folder.glob("round-*.json")), key=lambda made: made.number)
    if [made.number for made in found] != list(range(len(found))):
        raise ConfigError(f"{folder} holds the rounds {', '.join(str(made.number) for made in found)}: one is missing, and its "
                          "turns would be selected again. Restore it, or name another folder with --out.")
    return found


def predictions(group_id: str, *, manifest: str, out: Path) -> int:
    """Write a group's candidates in Lightly's layout into a new folder `out`; the number of turns.

    Raises `ConfigError` where the folder holds something already.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out} is not empty: predictions of several groups would mix. Name a new folder with --out.")
    return write_predictions(labels_of(runs_of(manifest, group_id)), out)


def vectors_of(turns: Sequence[Example], entries: Sequence[ManifestEntry], schema: Schema, tell: Tell) -> np.ndarray:
    """Unit vectors of turns, (turns, dimension): those stored with the group's labels, if all turns have one of one encoder.

    Else all are computed by the packaged encoder, and `tell` is told why: minutes for ten thousand turns.
    """
    from nc_latent_tod.retrieval.stored import text_key

    task = StateTracking(schema, "none")
    keys = [text_key(task.retrieval_text(e.turn, e.prior_state)) for e in turns]
    for stored in _stored(entries).values():
        if all(key in stored for key in keys):
            return np.stack([stored[key] for key in keys])
    from nc_latent_tod.retrieval.plain_encoder import PlainEncoder

    tell(f"note: {len(turns)} turns are embedded with the packaged encoder: no embeddings of all of them are stored with "
         "the labels (without a model, or without retrieval, a job stores none).")
    return PlainEncoder().encode([f"system: {e.turn.last_system_utterance} user: {e.turn.user_utterance}" for e in turns])


def _stored(entries: Sequence[ManifestEntry]) -> dict[str, dict[bytes, Any]]:
    """Stored vectors by encoder. What cannot be read is as good as absent, and logged."""
    from nc_latent_tod.retrieval.stored import unpack

    found: dict[str, dict[bytes, Any]] = {}
    for entry in entries:
        try:
            for url in stored_embeddings(entry.labels_url) if not entry.label_source else ():
                data = read_bytes(url)
                encoder = str(_header(data).get("encoder", ""))
                found.setdefault(encoder, {}).update(unpack(data, encoder))
        except (DamagedError, RetryableError) as error:
            logger.warning("%s: its embeddings cannot be used: %s", entry.run_id, error)
    return found


def _header(data: bytes) -> Mapping[str, Any]:
    import json

    try:
        header = json.loads(data.partition(b"\n")[0])
    except ValueError:
        return {}
    return header if isinstance(header, dict) else {}


def _picked(pool: Pool, n: int, strategy: Strategy, seed: int, mode: str, vectors: np.ndarray | None) -> list[Picked]:
    own, known = (None, None) if vectors is None else (vectors[: len(pool.turns)], vectors[len(pool.turns):])
    if mode == "dialogue":
        return whole_dialogues(pool.turns, n, strategy, seed=seed, vectors=own, known=known)
    return select(pool.turns, n, strategy, seed=seed, vectors=own, known=known)
