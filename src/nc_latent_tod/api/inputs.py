"""Plain values of a notebook as the files that a job names: dialogues, a schema, an entity table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from nc_latent_tod.api.models import PACKAGED_MODEL
from nc_latent_tod.api.quickstart import packaged_job
from nc_latent_tod.config.em import merged
from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.corpus.formats.csv_logs import COLUMNS
from nc_latent_tod.corpus.formats.turns import TEXT_COLUMNS
from nc_latent_tod.corpus.load import split_names
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import ConfigError, CorpusError
from nc_latent_tod.schema import Schema

if TYPE_CHECKING:
    import pandas
    from datasets import Dataset

Dialogues: TypeAlias = "str | Path | Iterable[Dialogue | Mapping[str, Any]] | pandas.DataFrame | Dataset"
"""A path or name as `load_dialogues` takes it; dialogues; dicts `{"dialogue_id": ..., "turns": [{"speaker", "utterance"}]}`; a
table with the columns dialogue_id, speaker, utterance (and turn_id, if there is one); or a turn-level `datasets.Dataset`."""

SchemaLike: TypeAlias = "str | Path | Schema | Sequence[Mapping[str, Any]]"
"""A path, `packaged:schema`, a `Schema`, or a list of services in the schema-guided format."""

EntitiesLike: TypeAlias = "str | Path | Mapping[str, Sequence[Mapping[str, Any]]] | pandas.DataFrame | None"
"""A path, rows by service, or a table of rows where the schema has one service."""


def make_job(dialogues: Dialogues, schema: SchemaLike | None, folder: Path, *, entities: EntitiesLike = None,
             model: str = "none", options: Mapping[str, Any] | None = None, group_id: str = "labels", split: str | None = None,
             seed: int = 0) -> Job:
    """The job that labels these values, everything below `folder`. Raises `ConfigError` or `CorpusError`."""
    folder.mkdir(parents=True, exist_ok=True)
    schema_path = schema_at(schema, folder)
    corpus, only = (str(dialogues), split) if split and isinstance(dialogues, str | Path) else corpus_at(dialogues, folder)
    table = entities_at(entities, load_schema(schema_path), folder)
    data = {"eval_set_path_or_name": corpus, "eval_set_split_name": only, "schema_path": schema_path,
            **({"entities_path": table} if table else {})}
    made = {**_tasks(model), "data": data, "output": {"labels_url": str(folder / "outputs")}, "seed": seed,
            "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": group_id}}
    return parse_job(merged(made, options or {}), "the job of these values")


def _tasks(model: str) -> dict[str, Any]:
    """The tasks' sections for a model; what comes with the package is asked as its quickstart asks it."""
    if model == PACKAGED_MODEL:
        quickstart = packaged_job()
        return {name: quickstart[name] for name in ("dst", "act_tag")}
    section = {"model_type": "none"} if model == "none" else {"model_type": "huggingface", "model_name_or_path": model}
    return {name: {"model": section, "retriever": {"model_name_or_path": "packaged:minilm"}} for name in ("dst", "act_tag")}


def corpus_at(dialogues: Any, folder: Path) -> tuple[str, str]:
    """(path or name, split) of a corpus, written to `folder` where it is not on disk already.

    Raises `CorpusError` where the value is no corpus, `ConfigError` where a path has several splits.
    """
    if isinstance(dialogues, str | Path):
        splits = split_names(dialogues)
        if len(splits) != 1:
            raise ConfigError(f"{dialogues} has the splits {', '.join(splits)}: give one with split=.")
        return str(dialogues), splits[0]
    if hasattr(dialogues, "to_pandas") and hasattr(dialogues, "save_to_disk"):
        return _dataset(dialogues, folder)
    if hasattr(dialogues, "to_csv") and hasattr(dialogues, "columns"):
        return _table(dialogues, folder)
    if isinstance(dialogues, Mapping) or not isinstance(dialogues, Iterable):
        raise CorpusError(f"dialogues are a path, a list of dicts or Dialogues, a DataFrame or a Dataset, not "
                          f"{dialogues!r:.80}.")
    rows = [_log(one) for one in dialogues]
    path = folder / "logs.jsonl"
    path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), "utf-8", errors="surrogatepass")
    return str(path), "train"


def schema_at(schema: Any, folder: Path) -> str:
    """The path or name of a schema, written to `folder` where it is a value. Raises `ConfigError` where there is none."""
    if schema is None:
        raise ConfigError("Labels follow a schema: give a path, a list of services in the schema-guided format, a Schema, or "
                          "'packaged:schema'.")
    if isinstance(schema, str | Path):
        return str(schema)
    services = schema.to_json() if isinstance(schema, Schema) else list(schema)
    Schema.from_json(services)  # says what is wrong before anything is written
    path = folder / "schema.json"
    path.write_text(json.dumps(services, ensure_ascii=False, indent=1), "utf-8")
    return str(path)


def entities_at(entities: Any, schema: Schema, folder: Path) -> str | None:
    """The path of an entity table, written to `folder` where it is a value; None for none. Raises `ConfigError`."""
    if entities is None or isinstance(entities, str | Path):
        return None if entities is None else str(entities)
    if hasattr(entities, "to_dict") and hasattr(entities, "columns"):
        if len(schema.services) != 1:
            raise ConfigError("A table of entities says not whose they are: give {service: table.to_dict('records')}. The "
                              f"schema has {', '.join(sorted(schema.services_by_name)[:8])}.")
        entities = {schema.services[0].name: entities.astype(object).where(entities.notna(), None).to_dict("records")}
    path = folder / "entities.json"
    path.write_text(json.dumps(entities, ensure_ascii=False, default=str), "utf-8")
    return str(path)


def _log(one: Any) -> Mapping[str, Any]:
    if isinstance(one, Dialogue):
        first = one.turns[0].last_system_utterance if one.turns else ""
        said = [("system", first), *((speaker, text) for turn in one.turns
                                     for speaker, text in (("user", turn.user_utterance), ("system", turn.system_response)))]
        return {"dialogue_id": one.dialogue_id,
                "turns": [{"speaker": speaker, "utterance": text} for speaker, text in said if text]}
    if isinstance(one, Mapping):
        return one
    raise CorpusError(f"a dialogue is a dict with dialogue_id and turns, or a Dialogue, not {one!r:.80}.")


def _table(table: Any, folder: Path) -> tuple[str, str]:
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise CorpusError(f"the table lacks the column {missing[0]!r}: it has {', '.join(map(str, table.columns))}, and needs "
                          f"{', '.join(COLUMNS)} (and turn_id, if there is one).")
    path = folder / "logs.csv"
    table.to_csv(path, index=False, columns=[c for c in (*COLUMNS, "turn_id") if c in table.columns], encoding="utf-8")
    return str(path), "train"


def _dataset(dataset: Any, folder: Path) -> tuple[str, str]:
    if set(TEXT_COLUMNS) <= set(dataset.column_names):
        from datasets import DatasetDict

        DatasetDict({"train": dataset}).save_to_disk(str(folder / "turns"))
        return str(folder / "turns"), "train"
    return _table(dataset.to_pandas(), folder)
