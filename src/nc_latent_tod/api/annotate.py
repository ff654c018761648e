"""A person's part: select turns to correct."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nc_latent_tod.annotation.pool import Pool, pool_of
from nc_latent_tod.annotation.rounds import Round, Selected, read_round, text_sha256, write_round
from nc_latent_tod.annotation.selection import STRATEGIES, shuffled
from nc_latent_tod.api.connect import manifest_at
from nc_latent_tod.api.groups import schema_path_of
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.schemas import PACKAGED
from nc_latent_tod.errors import ConfigError, nearest


def select_round(group_id: str, *, manifest: str, n: int, out: Path, strategy: str = "random", seed: int = 0,
                 strict: bool = False, tell: Callable[[str], None] = lambda note: None) -> tuple[Round, str]:
    """Select `n` turns of a group into the next `out`/round-K.json; the round and its path. The same call, the same file.

    Raises `ConfigError` where the group has no run, or with `strict` fewer turns than `n`.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(f"There is no strategy {strategy!r}.{nearest(strategy, STRATEGIES)} There are: "
                          f"{', '.join(STRATEGIES)}.")
    stored = manifest_at(manifest, group_id)
    entries = stored.entries(group_id)
    if not entries:
        raise ConfigError(f"The manifest {manifest!r} has no finished run of group {group_id!r}.")
    before = rounds_in(out)
    pool = pool_of([e for entry in entries for e in read_examples(entry.labels_url, entry.sha256)],
                   {turn.key for one in before for turn in one.turns})
    if len(pool.turns) < n:
        told = f"{len(pool.turns)} turns of {group_id!r} are left to select from, {n} were asked for"
        if strict or not pool.turns:
            raise ConfigError(f"{told}. Ask for fewer with -n, or label more dialogues.")
        tell(f"note: {told}: all of them are selected.")
    made = Round(len(before), group_id, manifest, strategy, seed, n, "turn", pool.sha256, tuple(one.sha256 for one in before),
                 schema_path_of(stored, group_id) or f"{PACKAGED}schema", _selected(pool, n, seed))
    return made, write_round(made, out)


def rounds_in(folder: Path) -> list[Round]:
    """The rounds of a folder, by number."""
    return sorted((read_round(path) for path in folder.glob("round-*.json")), key=lambda made: made.number)


def _selected(pool: Pool, n: int, seed: int) -> tuple[Selected, ...]:
    return tuple(Selected(*e.turn.key, text_sha256(e.turn)) for e in shuffled(pool.turns, seed)[:n])
