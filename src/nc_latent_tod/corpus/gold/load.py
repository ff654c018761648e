"""Gold labels in, for evaluation alone: MultiWOZ, SGD and label files, by dialogue and turn.

Turns are numbered as `load_dialogues` numbers them, whatever the source's own ids count. The state is cumulative: a
service that a turn does not mention keeps its slots. Where several values are accepted, the label has the one that the
state had before if it is still among them, else the first. Slots go by their bare names; values are lower case.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.formats.json_files import mapping, values
from nc_latent_tod.corpus.formats.multiwoz import woz_files
from nc_latent_tod.corpus.formats.sgd import dialogue_files, schema_guided_rows, turns_of
from nc_latent_tod.corpus.formats.speakers import dialogue_id_of, exchanges
from nc_latent_tod.corpus.gold.acts import MultiWozActs, frame_acts
from nc_latent_tod.corpus.gold.multiwoz import Accepted, woz_annotations
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.load import PACKAGED, packaged_corpus
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError, CorpusError, nearest
from nc_latent_tod.labels import Act, Gold, gold_label
from nc_latent_tod.schema import Schema

GOLD_FORMATS = ("auto", "multiwoz", "sgd", "labels")

GoldTurns = dict[tuple[str, int], Gold]
"""Gold by (dialogue id, turn id)."""


def load_gold(path: str | Path, format: str = "auto", schema: Schema | None = None) -> GoldTurns:
    """Read the gold labels at `path`: an annotated folder (and its split folders), a label file or a folder of them.

    `format` auto: label files by their rows, MultiWOZ where there is a `data.json`, or a `dialog_acts.json` in the folder or
    beside it, else SGD. System acts come from these files (MultiWOZ) or from the frames (SGD). `schema` says which slots of
    a `data.json` count; by default the `schema.json` with it or above. Raises `CorpusError` or `ConfigError`.
    """
    if format not in GOLD_FORMATS:
        raise ConfigError(f"No gold format {format!r}.{nearest(format, GOLD_FORMATS)} There are: {', '.join(GOLD_FORMATS)}.")
    name = str(path)
    source = packaged_corpus(name.removeprefix(PACKAGED)) if name.startswith(PACKAGED) else Path(path)
    gold: GoldTurns = {}
    if format in ("auto", "multiwoz") and (files := _woz_files(source)):
        for file in files:
            for dialogue_id, turns in woz_annotations(file, schema or _schema_with(source)):
                _add(gold, _golds(dialogue_id, [(state, acts or (), acts is not None) for state, acts in turns]))
        return gold
    sources = _sources(source)
    if format == "labels" or (format == "auto" and not _is_annotated(sources[0])):
        for file in sources:
            _add(gold, _label_file(file))
        return gold
    acts = None if format == "sgd" else MultiWozActs.beside(source)
    for part in sources:
        for where, row in schema_guided_rows(part):
            _add(gold, _dialogue(row, where, acts))
    return gold


def _woz_files(path: Path) -> list[Path]:
    if path.is_dir() and any(dialogue_files(folder) for folder in (path, *path.iterdir()) if folder.is_dir()):
        return []  # MultiWOZ 2.2, converted to the older layout too
    return woz_files(path)


def _schema_with(path: Path) -> Schema:
    for folder in path.parents[:2] if path.is_file() else (path, path.parent):
        if (folder / "schema.json").is_file():
            return load_schema(folder)
    raise ConfigError(f"{path} names slots in a way of its own, and there is no schema.json with it: name the schema that the "
                      "labels follow with --schema.")


def _sources(path: Path) -> list[Path]:
    if path.is_file() or dialogue_files(path):
        return [path]
    if not path.is_dir():
        raise CorpusError(f"{path}: no such file or folder, so there is no gold to compare with.")
    children = sorted(path.iterdir())
    found = [child for child in children if child.is_dir() and dialogue_files(child)] or [
        child for child in children if child.name.endswith((".jsonl", ".jsonl.gz"))]
    if not found:
        raise CorpusError(f"{path}: no gold labels here. Expected dialogues*.json or .jsonl files with frames, folders of "
                          "them, a MultiWOZ data.json, or label files (.jsonl, .jsonl.gz).")
    return found


def _is_annotated(source: Path) -> bool:
    """True for dialogues with frames, False for a label file."""
    return source.is_dir() or "turns" in next(schema_guided_rows(source), ("", {}))[1]


def _add(gold: GoldTurns, turns: Iterator[tuple[tuple[str, int], Gold]]) -> None:
    for key, value in turns:
        if key in gold:
            raise CorpusError(f"The gold has turn {key[1]} of dialogue {key[0]!r} twice. Where splits number their dialogues "
                              "alike, give the folder of one split.")
        gold[key] = value


def _label_file(path: Path) -> Iterator[tuple[tuple[str, int], Gold]]:
    for example in read_examples(path):
        yield example.turn.key, Gold(example.label)


def _dialogue(row: Mapping[str, Any], where: str, acts: MultiWozActs | None) -> Iterator[tuple[tuple[str, int], Gold]]:
    dialogue_id, turns = dialogue_id_of(row.get("dialogue_id"), where), turns_of(row, where)
    tagged = acts.of_dialogue(dialogue_id) if acts else None
    accepted: Accepted = {}
    annotated = []
    for exchange in exchanges([turn.get("speaker", "") for turn in turns], where=where):
        for position in exchange.user:
            accepted = {**accepted, **_states(turns[position], f"{where}, utterance {position}")}
        said = [_system_acts(turns[p], p, tagged, where) for p in exchange.response] if acts is None or tagged else [None]
        annotated.append((accepted, [act for part in said if part is not None for act in part],
                          all(part is not None for part in said)))
    return _golds(dialogue_id, annotated)


def _golds(dialogue_id: str,
           annotated: Iterable[tuple[Accepted, Sequence[Act], bool]]) -> Iterator[tuple[tuple[str, int], Gold]]:
    """Labels from what each turn's state accepts, its system acts, and whether they are known."""
    prior: dict[str, dict[str, str]] = {}
    for turn_id, (accepted, acts, has_acts) in enumerate(annotated):
        state = {service: {slot: _kept(prior.get(service, {}).get(slot), values) for slot, values in slots.items()}
                 for service, slots in accepted.items() if slots}
        several = {service: {slot: values for slot, values in slots.items() if len(values) > 1}
                   for service, slots in accepted.items()}
        yield (dialogue_id, turn_id), Gold(gold_label(state, prior, sorted(set(acts))),
                                           {service: slots for service, slots in several.items() if slots}, has_acts=has_acts)
        prior = state


def _system_acts(turn: Mapping[str, Any], position: int, tagged: Mapping[int, Sequence[Act]] | None,
                 where: str) -> Sequence[Act] | None:
    if tagged is not None:
        return tagged.get(position)
    where = f"{where}, utterance {position}"
    return frame_acts(_frames(turn, where), where)


def _states(turn: Mapping[str, Any], where: str) -> Accepted:
    """Accepted values, lower case, by service and bare slot name, for the services that the turn's frames name."""
    states = {}
    for frame in _frames(turn, where):
        service = str(frame.get("service", ""))
        slots = mapping(mapping(frame.get("state") or {}, where).get("slot_values", {}), where)
        states[service] = {slot.removeprefix(f"{service}-"): tuple(dict.fromkeys(values(found, f"{where}, slot {slot!r}")))
                           for slot, found in slots.items() if found}
    return states


def _frames(turn: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    frames = turn.get("frames")
    if not isinstance(frames, list):
        raise CorpusError(f"{where}: no 'frames', so this dialogue has no gold annotations.")
    return [mapping(frame, where) for frame in frames]


def _kept(before: str | None, values: tuple[str, ...]) -> str:
    return before if before in values else values[0]
