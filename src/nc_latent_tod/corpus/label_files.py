"""Label files: one `Example` a line as JSON, gzipped where the name ends in `.gz`, on any fsspec URL.

A file is written whole or not at all, and equal examples give equal bytes. Its sha256 (of the bytes as stored) is what
a manifest keeps; a file that does not match it, or breaks off in the middle, is damaged and is never read in part.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import CorpusError, DamagedError
from nc_latent_tod.labels import Example
from nc_latent_tod.system.files import read_bytes, write_bytes


def write_examples(url: str | Path, examples: Iterable[Example]) -> str:
    """Write a label file at `url` and return its sha256 as 64 hexadecimal digits.

    Locally: a temporary file, fsync, rename. Elsewhere: one put of the whole object. Choose a URL that no other attempt
    uses. Raises `RetryableError` where the storage fails, `ConfigError` where the URL's file system is unknown.
    """
    data = b"".join(_line(example) for example in examples)
    if str(url).endswith(".gz"):
        data = gzip.compress(data, mtime=0)  # without a time stamp: equal examples, equal bytes
    write_bytes(url, data)
    return hashlib.sha256(data).hexdigest()


def read_examples(url: str | Path, sha256: str | None = None) -> list[Example]:
    """Read a label file; where `sha256` is given, the bytes must match it.

    Raises `DamagedError` where the file is missing, differs or is torn, `RetryableError` where the storage fails.
    """
    return list(parse_examples(read_bytes(url, sha256), str(url)))


def read_for_pool(url: str | Path, sha256: str | None = None) -> list[Example]:
    """Read a label file for a pool of examples: without candidates, which are most of it. Raises as `read_examples` does."""
    return list(parse_examples(read_bytes(url, sha256), str(url), with_candidates=False))


def labelled_dialogues(path: Path) -> Iterator[tuple[str, Dialogue]]:
    """Yield (where, dialogue) of a label file; nothing but the text of its turns. Raises `CorpusError`."""
    by_dialogue: dict[str, list[Turn]] = {}
    try:
        for example in read_examples(path):
            by_dialogue.setdefault(example.turn.dialogue_id, []).append(example.turn)
    except DamagedError as error:
        raise CorpusError(str(error)) from error
    for dialogue_id, turns in by_dialogue.items():
        turns.sort(key=lambda turn: turn.turn_id)
        if [turn.turn_id for turn in turns] != list(range(len(turns))):
            raise CorpusError(f"{path}: dialogue {dialogue_id!r} lacks turns or repeats them: "
                              f"{[turn.turn_id for turn in turns][:20]}.")
        yield f"{path}, dialogue {dialogue_id!r}", Dialogue(dialogue_id, tuple(turns))


def _line(example: Example) -> bytes:
    row = example.to_json()
    try:
        return f"{json.dumps(row, ensure_ascii=False, sort_keys=True)}\n".encode()
    except UnicodeEncodeError:  # a lone surrogate in a model's text: keep it, escaped
        return f"{json.dumps(row, sort_keys=True)}\n".encode()


def parse_examples(data: bytes, url: str, *, with_candidates: bool = True) -> Iterator[Example]:
    """Read the bytes of the label file at `url`. Raises `DamagedError`."""
    if url.endswith(".gz"):
        try:
            data = gzip.decompress(data)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DamagedError(f"The label file {url} is damaged ({error}).") from None
    lines = data.split(b"\n")
    if lines.pop():
        raise DamagedError(f"The label file {url} breaks off in line {len(lines) + 1}.")
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            if not with_candidates:
                for task in row["label"]["tasks"].values():
                    task.update(candidates=(), retrieved=())
            yield Example.from_json(row)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError(f"{url}:{number}: not a labelled turn ({type(error).__name__}: {error}).") from None
