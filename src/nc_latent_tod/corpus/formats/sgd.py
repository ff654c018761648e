"""Dialogues in the schema-guided layout, which MultiWOZ 2.2 and SGD share and which own logs in JSON lines follow.

A dialogue is `{"dialogue_id": ..., "turns": [{"speaker": ..., "utterance": ...}]}`. It comes in a JSON list
(`dialogues_001.json`) or one a line (`.jsonl`); either may be gzipped. Frames, states and acts are not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.formats.json_files import json_document, json_lines, mapping
from nc_latent_tod.corpus.formats.speakers import dialogue_id_of, dialogue_of
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import CorpusError

DIALOGUE_FILES = ("dialogues*.json", "dialogues*.json.gz", "dialogues*.jsonl", "dialogues*.jsonl.gz")


def read_schema_guided(path: Path, *, as_lines: bool = False) -> Iterator[tuple[str, Dialogue]]:
    """Yield (where, dialogue) from a file, or from the `dialogues*` files of a folder in the order of their names.

    `as_lines`: the file is JSON lines, whatever its name. One JSON file is in memory at a time, JSON lines one line at a
    time. Raises `CorpusError`.
    """
    for where, row in json_lines(path) if as_lines else schema_guided_rows(path):
        turns = turns_of(row, where)
        speakers = [turn.get("speaker", "") for turn in turns]
        utterances = [_utterance(turn, f"{where}, utterance {i}") for i, turn in enumerate(turns)]
        yield where, dialogue_of(dialogue_id_of(row.get("dialogue_id"), where), speakers, utterances, where=where)


def schema_guided_rows(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (where, dialogue object) as they are on disk, annotations included."""
    for file in dialogue_files(path) if path.is_dir() else [path]:
        if ".jsonl" in file.suffixes:
            yield from json_lines(file)
            continue
        document = json_document(file)
        if not isinstance(document, list):
            raise CorpusError(f"{file}: expected a JSON list of dialogues, found {document!r:.80}. Put dialogues into a list, "
                              "[...], or one a line into a .jsonl file; call what came as MultiWOZ's data.json by that name.")
        yield from ((f"{file}[{i}]", mapping(row, f"{file}[{i}]")) for i, row in enumerate(document))


def dialogue_files(folder: Path) -> list[Path]:
    """The files of a folder that hold dialogues, in the order of their names."""
    return sorted({file for pattern in DIALOGUE_FILES for file in folder.glob(pattern)})


def turns_of(row: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    """The list of utterances of one dialogue object; raises `CorpusError` where there is none."""
    turns = row.get("turns")
    if not isinstance(turns, list):
        raise CorpusError(f"{where}: a dialogue needs 'turns', a list of {{\"speaker\": ..., \"utterance\": ...}}; "
                          f"found the keys {sorted(row)}.{_rename(row)}")
    return [mapping(turn, f"{where}, utterance {i}") for i, turn in enumerate(turns)]


def _rename(row: Mapping[str, Any]) -> str:
    """What to do with a dialogue of another layout, such as a chat's `messages` of `role` and `content`."""
    if "utterance" in row or "speaker" in row:
        return " A line is a whole dialogue. Utterances one a line go into a CSV file: dialogue_id, speaker, utterance."
    for key, value in row.items():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            return f" Rename {key!r} to 'turns', and of what it holds ({', '.join(value[0])}) speaker and text alike."
    return ""


def _utterance(turn: Mapping[str, Any], where: str) -> str:
    if "utterance" not in turn:
        raise CorpusError(f"{where}: no 'utterance'; found the keys {sorted(turn)}.")
    return turn["utterance"]
