"""Dialogues in the layout that MultiWOZ 2.0, 2.1, 2.3 and 2.4 share.

`data.json` holds one object, {dialogue id: {"goal": ..., "log": [{"text": ..., "metadata": ...}, ...]}}. In the log user and
system take turns, the user first. Two list files beside it, an id a line, say which dialogues are `dev` and `test`; the others
are `train`. Or every split is a file of this layout: `train_dials.json`, `dev_dials.json`, `test_dials.json`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.formats.json_files import json_document, mapping, opened
from nc_latent_tod.corpus.formats.speakers import dialogue_of
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import CorpusError

DATA_FILE = "data.json"
SPLIT_FILES = {f"{split}_dials.json": split for split in ("train", "dev", "test")}
_LISTS = {"dev": "valListFile", "test": "testListFile"}
_LIST_SUFFIXES = (".txt", ".json", "")  # lines of ids, whatever the suffix says
_OBJECTS = re.compile(r'\s*\{\s*"[^"]*"\s*:\s*\{')

_Opener = Callable[[], Iterator[tuple[str, Dialogue]]]


def woz_files(path: Path) -> list[Path]:
    """The files of this layout at `path`, a folder or one of them, by their names; [] where there are none.

    Much is called `data.json`: it is one with a list file beside it, or where it begins as an object of objects.
    """
    if path.is_file():
        return [path] if path.name in SPLIT_FILES or _is_data(path) else []
    if _is_data(path / DATA_FILE):
        return [path / DATA_FILE]
    return [path / name for name in SPLIT_FILES if (path / name).is_file()]


def woz_splits(path: Path) -> dict[str, _Opener]:
    """The splits of the corpus at `path`, which has `woz_files`. Raises `CorpusError` where a list file is missing."""
    files = woz_files(path)
    if files[0].name != DATA_FILE:
        return {SPLIT_FILES[file.name]: partial(_read, file) for file in files}
    lists = {split: _list_file(files[0], name) for split, name in _LISTS.items()}
    return {split: partial(_read_split, files[0], split, lists) for split in ("train", *lists)}


def woz_logs(file: Path) -> Iterator[tuple[str, str, list[Mapping[str, Any]]]]:
    """Yield (where, dialogue id, utterances as they are on disk, annotations included): user and system in turn.

    Raises `CorpusError` on another layout and on a dialogue that lacks the system's last word.
    """
    document = json_document(file)
    if isinstance(document, list):
        raise CorpusError(f"{file}: a list, not {{dialogue id: {{\"log\": [...]}}}}. Files that a preprocessing script made "
                          "for state trackers lack each dialogue's last response and have altered text: give the folder of "
                          f"{DATA_FILE}.")
    for dialogue_id, row in mapping(document, str(file)).items():
        where = f"{file}[{dialogue_id}]"
        log = mapping(row, where).get("log")
        if not isinstance(log, list):
            raise CorpusError(f"{where}: a dialogue needs 'log', a list of {{\"text\": ...}}; found the keys {sorted(row)}.")
        if len(log) % 2:
            raise CorpusError(f"{where}: {len(log)} utterances, an odd number, but user and system take turns and the system "
                              "has the last word. Add what is missing, or remove the dialogue.")
        yield where, dialogue_id, [mapping(said, f"{where}, utterance {i}") for i, said in enumerate(log)]


def _read(file: Path) -> Iterator[tuple[str, Dialogue]]:
    """The dialogues of a file in its order."""
    yield from [(where, _dialogue(where, dialogue_id, log)) for where, dialogue_id, log in woz_logs(file)]  # annotations go


def _dialogue(where: str, dialogue_id: str, log: list[Mapping[str, Any]]) -> Dialogue:
    for i, said in enumerate(log):
        if "text" not in said:
            raise CorpusError(f"{where}, utterance {i}: no 'text'; found the keys {sorted(said)}.")
    return dialogue_of(dialogue_id, ("user", "system") * (len(log) // 2), [said["text"] for said in log], where=where)


def _read_split(file: Path, split: str, lists: Mapping[str, Path]) -> Iterator[tuple[str, Dialogue]]:
    listed = {name: _ids(path) for name, path in lists.items()}
    dialogues = list(_read(file))
    known = {_bare(dialogue.dialogue_id) for _, dialogue in dialogues}
    for name, ids in listed.items():
        if unknown := sorted(ids - known):
            raise CorpusError(f"{lists[name]}: {len(unknown)} of its {len(ids)} dialogues are not in {file}, the first is "
                              f"{unknown[0]!r}. Take both files from one release, or remove these lines.")
    if both := sorted(set.intersection(*listed.values())):
        raise CorpusError(f"{file.parent}: the dialogue {both[0]!r} is in both list files, so it is of two splits. Remove it "
                          "from one.")
    elsewhere = set().union(*listed.values())
    for where, dialogue in dialogues:
        of_train = _bare(dialogue.dialogue_id) not in elsewhere
        if of_train if split == "train" else _bare(dialogue.dialogue_id) in listed[split]:
            yield where, dialogue


def _is_data(path: Path) -> bool:
    if path.name != DATA_FILE or not path.is_file():
        return False
    if any(_find_list(path, name) for name in _LISTS.values()):
        return True
    with opened(path) as file:
        return _OBJECTS.match(file.read(1024)) is not None


def _find_list(data: Path, name: str) -> Path | None:
    return next((path for suffix in _LIST_SUFFIXES if (path := data.with_name(f"{name}{suffix}")).is_file()), None)


def _list_file(data: Path, name: str) -> Path:
    found = _find_list(data, name)
    if found is None:
        raise CorpusError(f"{data}: no {name}.txt or {name}.json beside it, so its splits are unknown. Copy valListFile and "
                          "testListFile from the release of MultiWOZ 2.1, whose split all versions share; or cut it up into "
                          f"{', '.join(SPLIT_FILES)} yourself and remove it.")
    return found


def _ids(path: Path) -> set[str]:
    with opened(path) as file:
        ids = {_bare(line.strip()) for line in file if line.strip()}
    if any(one.startswith("[") for one in ids):
        raise CorpusError(f"{path}: looks like a JSON list. Write one dialogue id a line.")
    return ids


def _bare(dialogue_id: str) -> str:
    return dialogue_id.removesuffix(".json")
