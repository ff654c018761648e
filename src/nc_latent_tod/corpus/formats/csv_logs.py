"""Dialogues in a CSV file of utterances: the columns dialogue_id, speaker, utterance and, if there is one, turn_id.

Without `turn_id` the rows of a dialogue stand together, in order: an id that comes back later is refused, because two
conversations with one id cannot be told from one that is torn apart. With `turn_id` the rows may come in any order.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from nc_latent_tod.corpus.formats.json_files import opened
from nc_latent_tod.corpus.formats.speakers import dialogue_id_of, dialogue_of
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import CorpusError

COLUMNS = ("dialogue_id", "speaker", "utterance")

_FIELD_CHARS = 2**31 - 1  # of an utterance; csv refuses more than 131,072 by itself, and its limit is the process's

Row = tuple[str, int, str, str, str]  # dialogue_id, turn_id, speaker, utterance, where


def read_csv(path: Path) -> Iterator[tuple[str, Dialogue]]:
    """Yield (where, dialogue) from a CSV file with a header. Other columns are not looked at. Raises `CorpusError`."""
    rows = list(_rows(path))
    if any(turn_id >= 0 for _, turn_id, *_ in rows):
        first_row: dict[str, int] = {}
        for number, row in enumerate(rows):
            first_row.setdefault(row[0], number)
        rows.sort(key=lambda row: (first_row[row[0]], row[1]))  # stable: user and system may share a turn_id
        _refuse_repeated_turns(rows)
    for dialogue_id, group in groupby(rows, key=itemgetter(0)):
        utterances = list(group)
        where = utterances[0][4]
        yield where, dialogue_of(dialogue_id, [u[2] for u in utterances], [u[3] for u in utterances], where=where)


def _rows(path: Path) -> Iterator[Row]:
    csv.field_size_limit(_FIELD_CHARS)
    with opened(path) as file:
        reader = csv.DictReader(file, strict=True)
        try:
            header = reader.fieldnames or []
            needed = _needed(header, path)
            for row in reader:
                where = f"{path}:{reader.line_num}"
                if None in row or any(row[column] is None for column in needed):
                    raise CorpusError(f"{where}: expected {len(header)} fields. Quote utterances that contain commas.")
                turn_id = _turn_id(row["turn_id"], where) if "turn_id" in needed else -1
                yield dialogue_id_of(row["dialogue_id"], where), turn_id, row["speaker"], row["utterance"], where
        except csv.Error as error:
            hint = " A quote is opened and never closed." if "end of data" in str(error) else ""
            raise CorpusError(f"{path}:{reader.line_num}: not CSV ({error}).{hint}") from None


def _needed(header: Sequence[str], path: Path) -> list[str]:
    """The columns of `header` that are read. Raises `CorpusError` where one is missing or comes twice."""
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        found = ", ".join(header) or "none"
        hint = " Rename the columns." if len(header) > 1 else ""
        if len(header) == 1 and any(sep in header[0] for sep in ";\t|"):
            hint = " Separate the columns with commas."
        raise CorpusError(f"{path}: no column {', '.join(missing)}; there are {found:.120}.{hint}")
    needed = [column for column in (*COLUMNS, "turn_id") if column in header]
    for column in needed:
        if header.count(column) > 1:
            raise CorpusError(f"{path}: the column {column!r} comes twice: rename one.")
    return needed


def _turn_id(value: str, where: str) -> int:
    if not value.strip().isdecimal():
        raise CorpusError(f"{where}: 'turn_id' must be a whole number from 0, found {value!r:.80}.")
    return int(value)


def _refuse_repeated_turns(rows: list[Row]) -> None:
    seen: dict[tuple[str, int, str], str] = {}
    for dialogue_id, turn_id, speaker, _, where in rows:
        first = seen.setdefault((dialogue_id, turn_id, speaker), where)
        if first != where:
            raise CorpusError(f"{where}: dialogue {dialogue_id!r} has turn_id {turn_id} of {speaker!r} twice, first at "
                              f"{first}. Give each conversation its own dialogue_id.")
