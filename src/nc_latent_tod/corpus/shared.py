"""Corpora that a worker reads once, however many ranges of them it labels.

Parsing a corpus from its first dialogue to the end of a range is what finds an id that comes twice. A worker that does it for
each job pays for the whole corpus again and again; here it pays once, and a range costs the dialogues in it.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import SpooledTemporaryFile

from nc_latent_tod.corpus.load import Source, dialogues_in_order, is_empty, load_dialogues, open_splits, select
from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import CorpusError, RetryableError

_IN_MEMORY_BYTES = 64 * 1024**2  # of one split; a larger one goes to a temporary file that has no name
_CORPORA = 2  # kept at a time

_Version = tuple[tuple[str, int, int], ...]  # of each file: name, bytes, time of change in ns


class Corpora:
    """Corpora that were read before. Not thread-safe; belongs to one process.

    Kept are two corpora, up to the end of the farthest range that was asked for. A file or folder that has changed is read
    again; a dataset of the Hub is looked up once.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str, _Version], _Corpus] = {}

    def load(self, path_or_name: str | Path, split: str | None = None, *, format: str = "auto") -> list[Dialogue]:
        """What `load_dialogues` gives and raises; also `RetryableError` where the temporary folder is full."""
        name = str(path_or_name)
        key = (name, format, _version(Path(path_or_name)))
        corpus = self._kept.get(key) or _Corpus(open_splits(path_or_name, format=format))
        source, start, end = select(corpus.splits, split, name)
        if end is None:
            return load_dialogues(path_or_name, split, format=format)
        spool = corpus.spools.pop(source, None) or _Spool(source)
        try:
            dialogues = spool.read(start, end)
        except OSError as error:
            raise RetryableError(f"Cannot keep the dialogues of {name} in the temporary folder: {error}. Free space there, or "
                                 "name another with TMPDIR.") from error
        corpus.spools[source] = spool  # not after an error: the next job that needs these dialogues reads them anew
        others = [(other, kept) for other, kept in self._kept.items() if other != key]
        self._kept = dict([*others[1 - _CORPORA:], (key, corpus)])  # the newest last
        if not dialogues:
            raise is_empty(split, name, len(spool))
        return dialogues


class _Corpus:
    """The splits of a corpus, and what was read of them."""

    def __init__(self, splits: dict[str, Source]) -> None:
        self.splits = splits
        self.spools: dict[Source, _Spool] = {}


class _Spool:
    """The dialogues of one split so far, one a line, and the rest of the split, which is read when it is asked for."""

    def __init__(self, source: Source) -> None:
        self._rest = dialogues_in_order(source)
        self._file = SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115  closed with its last reference
        self._ends = array("Q", [0])  # of the lines, in bytes

    def __len__(self) -> int:
        return len(self._ends) - 1

    def read(self, start: int, end: int) -> list[Dialogue]:
        """The dialogues from `start` to before `end`, fewer at the split's end."""
        self._file.seek(self._ends[-1])
        for dialogue in islice(self._rest, max(0, end - len(self))):
            self._ends.append(self._ends[-1] + self._file.write(_line(dialogue)))
        self._file.seek(self._ends[min(start, len(self))])
        return [_dialogue(self._file.readline()) for _ in range(start, min(end, len(self)))]


def _line(dialogue: Dialogue) -> bytes:
    turns = [(turn.last_system_utterance, turn.user_utterance, turn.system_response) for turn in dialogue.turns]
    return f"{json.dumps((dialogue.dialogue_id, turns))}\n".encode("ascii")


def _dialogue(line: bytes) -> Dialogue:
    dialogue_id, turns = json.loads(line)
    return Dialogue(dialogue_id, tuple(Turn(dialogue_id, number, *texts) for number, texts in enumerate(turns)))


def _version(path: Path) -> _Version:
    """Tells a corpus from what its files held before; () for what is no file here."""
    return tuple(sorted(_versions(path)))


def _versions(path: Path) -> Iterator[tuple[str, int, int]]:
    try:
        for file in (path, *path.rglob("*")) if path.is_dir() else (path,):
            status = file.stat()
            yield str(file), status.st_size, status.st_mtime_ns
    except FileNotFoundError:
        return
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read: {error}.") from error
