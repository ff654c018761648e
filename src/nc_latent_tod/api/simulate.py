"""Simulated dialogues to files, and the tables that they are made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from tempfile import TemporaryDirectory
from typing import Any

from nc_latent_tod.api.inputs import EntitiesLike, SchemaLike, entities_at, schema_at
from nc_latent_tod.corpus.entities import load_entities
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.corpus.packaged import packaged_wording
from nc_latent_tod.corpus.schemas import PACKAGED, load_schema
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import ConfigError, RetryableError
from nc_latent_tod.evaluation.responses.simulated import benchmark_files
from nc_latent_tod.labels import Example
from nc_latent_tod.schema import Schema
from nc_latent_tod.simulation import SimulatedDialogue, Wording, examples
from nc_latent_tod.simulation import simulate as generate
from nc_latent_tod.simulation.surface import Split
from nc_latent_tod.system.files import write_bytes
from nc_latent_tod.tasks.database import Database

_BLANKS = frozenset({"value", "other", "service"})

Entities = Mapping[str, Sequence[Mapping[str, str]]]


def world(schema: str, entities: str | None, wording: str | None) -> tuple[Schema, Entities, Wording]:
    """Read schema, entity table (`load_entities`) and wording; `packaged:NAME` or files. Raises `ConfigError`.

    What is not named is the packaged one for the packaged schema, and nothing for another.
    """
    if schema.startswith(PACKAGED):
        entities, wording = entities or f"{PACKAGED}entities", wording or f"{PACKAGED}wording"
    loaded = load_schema(schema)
    return loaded, _entities(entities, loaded) if entities else {}, _wording(wording) if wording else Wording()


@dataclass(frozen=True, slots=True)
class Simulated:
    """Dialogues that were made up, and what is right for them: text alone, and one `Example` a turn with its gold label."""

    dialogues: tuple[Dialogue, ...]
    gold: tuple[Example, ...]


def simulate(n: int = 40, schema: SchemaLike = "packaged:schema", *, entities: EntitiesLike = None, wording: str | None = None,
             seed: int = 0, templates: Split = "heldout", entity_split: Split = "all", max_services: int = 3) -> Simulated:
    """Make `n` dialogues from any schema and entity table, with gold labels. The same seed gives the same dialogues.

    `templates` and `entity_split`: those that models of this project were trained on (`train`), others (`heldout`), or `all`.
    Raises `ConfigError` where schema, table or wording cannot be read.
    """
    with TemporaryDirectory(prefix="nc_latent_tod-") as folder:
        place = schema_at(schema, Path(folder))
        table = entities_at(entities, load_schema(place), Path(folder))
        made = list(generate(*world(place, table, wording), n=n, seed=seed, templates=templates, max_services=max_services,
                             entity_split=entity_split))
    return Simulated(tuple(one.dialogue for one in made), tuple(example for one in made for example in examples(one)))


def simulate_corpus(out: Path, *, dialogues: int = 40, seed: int = 0, schema: str = "packaged:schema",
                    entities: str | None = None, wording: str | None = None, templates: Split = "heldout",
                    entity_split: Split = "all", max_services: int = 3, with_goals: bool = False) -> dict[str, Any]:
    """Write simulated dialogues and their gold into a new folder, `with_goals` also what scores responses; counts and paths.

    Raises `ConfigError` where schema, table or wording cannot be read, or a file is already there.
    """
    made_of = world(schema, entities, wording)
    made = list(generate(*made_of, n=dialogues, seed=seed, templates=templates, max_services=max_services,
                         entity_split=entity_split))
    written = write_corpus(made, out)
    return {**written, "data": write_benchmark(made, made_of[0], made_of[1], out / "data")} if with_goals else written


def _entities(name: str, schema: Schema) -> Entities:
    """The table as labelling reads it, without columns that the schema does not have: dialogues cannot be about them."""
    table = load_entities(name, schema)
    return {service: [{slot: value for slot, value in row.items() if slot in schema.service(service).slots_by_name}
                      for row in rows] for service, rows in table.items()}


def _wording(name: str) -> Wording:
    words = packaged_wording() if name.startswith(PACKAGED) else read_json(Path(name))
    if not (isinstance(words, Mapping) and all(isinstance(part, Mapping) for part in words.values())):
        raise ConfigError(f'{name}: a wording is {{"services": {{name: {{...}}}}, "slots": {{"service.slot": {{...}}}}}}.')
    for owner, phrases in ((owner, phrases) for part in words.values() for owner, phrases in part.items()):
        if not (isinstance(phrases, Mapping) and all(map(_are_phrases, phrases.values()))):
            raise ConfigError(f"{name}: the words for {owner!r} are {{kind: [phrase, ...]}}, and a phrase may hold "
                              f"{', '.join(f'{{{blank}}}' for blank in sorted(_BLANKS))} and no other braces.")
    return Wording.from_json(words)


def _are_phrases(value: Any) -> bool:
    try:
        return all(name is None or name in _BLANKS for phrase in ([value] if isinstance(value, str) else value)
                   for _, name, _, _ in Formatter().parse(phrase))
    except (TypeError, ValueError):
        return False


def read_json(path: Path) -> Any:
    """Decoded JSON of a file. Raises `ConfigError` naming it."""
    try:
        decoded = json.loads(path.read_text(encoding="utf-8-sig"))
        json.dumps(decoded, ensure_ascii=False).encode()
        return decoded
    except UnicodeEncodeError as error:
        raise ConfigError(f"{path}: text that is not valid Unicode ({error.object[error.start:error.end]!r}).") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not JSON: {error}.") from error


def write_corpus(simulated: Iterable[SimulatedDialogue], folder: Path) -> dict[str, Any]:
    """Write `logs.jsonl` (text alone) and `gold.jsonl.gz` (a label file) into a new folder; counts and paths.

    Raises `ConfigError` where a file is already there, `RetryableError` where the disk refuses.
    """
    logs, gold = folder / "logs.jsonl", folder / "gold.jsonl.gz"
    for path in (logs, gold):
        if path.exists():
            raise ConfigError(f"{path} exists already: name another folder with --out.")
    dialogues = list(simulated)
    rows = [example for one in dialogues for example in examples(one)]
    text = "".join(json.dumps(_log(one.dialogue), ensure_ascii=False) + "\n" for one in dialogues)
    write_examples(gold, rows)
    try:
        write_bytes(logs, text.encode())
    except RetryableError:
        gold.unlink()  # or the next attempt would find it
        raise
    return {"dialogues": len(dialogues), "turns": len(rows), "logs": str(logs), "gold": str(gold)}


def write_benchmark(simulated: Sequence[SimulatedDialogue], schema: Schema, entities: Entities, folder: Path) -> str:
    """Write what the dialogues' users wanted as a benchmark folder (split `test`); its path."""
    for name, content in benchmark_files(simulated, Database(schema, entities), "test").items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return str(folder)


def _log(dialogue: Dialogue) -> dict[str, Any]:
    """One dialogue as own logs are given: who said what."""
    first = dialogue.turns[0].last_system_utterance
    spoken = [("system", first), *((speaker, text) for turn in dialogue.turns for speaker, text in (
        ("user", turn.user_utterance), ("system", turn.system_response)))]
    return {"dialogue_id": dialogue.dialogue_id,
            "turns": [{"speaker": speaker, "utterance": text} for speaker, text in spoken if text]}
