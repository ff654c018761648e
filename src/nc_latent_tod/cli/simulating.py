"""Simulated dialogues to files, and the tables that they are made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.examples import write_examples
from nc_latent_tod.corpus.packaged import packaged_entities, packaged_wording
from nc_latent_tod.corpus.schemas import PACKAGED, load_schema
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.schema import Schema
from nc_latent_tod.simulate import SimulatedDialogue, Wording, examples

Entities = Mapping[str, Sequence[Mapping[str, str]]]


def world(schema: str, entities: str, wording: str | None) -> tuple[Schema, Entities, Wording]:
    """Read schema, entity table and wording; `packaged:NAME` or JSON files. Raises `ConfigError`."""
    table = packaged_entities() if entities.startswith(PACKAGED) else read_json(Path(entities))
    is_table = isinstance(table, dict) and all(isinstance(rows, list) and all(isinstance(row, dict) for row in rows)
                                               for rows in table.values())
    if not is_table:
        raise ConfigError(f"{entities}: an entity table is {{service: [{{slot: value}}, ...]}}.")
    if wording is None:
        words: Any = packaged_wording() if schema.startswith(PACKAGED) else {}
    else:
        words = packaged_wording() if wording.startswith(PACKAGED) else read_json(Path(wording))
    return load_schema(schema), table, Wording.from_json(words)


def read_json(path: Path) -> Any:
    """Decoded JSON of a file. Raises `ConfigError` naming it."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON: {error}.") from error


def write_corpus(simulated: Iterable[SimulatedDialogue], folder: Path) -> dict[str, Any]:
    """Write `logs.jsonl` (text alone) and `gold.jsonl.gz` (a label file) into a new folder; counts and paths.

    Raises `ConfigError` where a file is already there.
    """
    logs, gold = folder / "logs.jsonl", folder / "gold.jsonl.gz"
    for path in (logs, gold):
        if path.exists():
            raise ConfigError(f"{path} exists already: name another folder with --out.")
    folder.mkdir(parents=True, exist_ok=True)
    dialogues = list(simulated)
    with logs.open("x", encoding="utf-8") as file:
        for one in dialogues:
            file.write(json.dumps(_log(one.dialogue), ensure_ascii=False) + "\n")
    rows = [example for one in dialogues for example in examples(one)]
    write_examples(gold, rows)
    return {"dialogues": len(dialogues), "turns": len(rows), "logs": str(logs), "gold": str(gold)}


def _log(dialogue: Dialogue) -> dict[str, Any]:
    """One dialogue as own logs are given: who said what."""
    first = dialogue.turns[0].last_system_utterance
    spoken = [("system", first), *((speaker, text) for turn in dialogue.turns for speaker, text in (
        ("user", turn.user_utterance), ("system", turn.system_response)))]
    return {"dialogue_id": dialogue.dialogue_id,
            "turns": [{"speaker": speaker, "utterance": text} for speaker, text in spoken if text]}
