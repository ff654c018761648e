"""Reading JSON and JSON lines, plain or gzipped, with errors that name file and line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from nc_latent_tod.errors import CorpusError


@contextmanager
def opened(path: Path) -> Iterator[IO[str]]:
    """Open a text file, through gzip where its name ends in `.gz`. Line ends stay as they are; a byte order mark goes.

    Raises `CorpusError` where the file is missing, is not UTF-8 or is cut short.
    """
    try:
        opener = gzip.open if path.name.endswith(".gz") else open
        with opener(path, "rt", encoding="utf-8-sig", newline="\n") as file:  # type: ignore[operator]
            yield file
    except FileNotFoundError:
        raise CorpusError(f"{path}: no such file.") from None
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: not UTF-8 ({error.reason} {error.object[error.start:error.end]!r}). "
                          "Convert the file to UTF-8.") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorpusError(f"{path}: damaged gzip file ({error}). Fetch it again.") from None


def json_lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (`file:line`, object) for every line that is not blank. Raw control characters in strings are accepted.

    Raises `CorpusError` naming the line, and saying so where the file looks like one JSON list.
    """
    with opened(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            where = f"{path}:{number}"
            try:
                row = json.loads(line, strict=False)
            except ValueError as error:
                raise CorpusError(f"{where}: not JSON ({error}).{_lines_hint(line)}") from None
            except RecursionError:
                raise CorpusError(f"{where}: nested too deeply to be a dialogue.") from None
            if isinstance(row, list):
                raise CorpusError(f"{where}: expected a JSON object, found {row!r:.80}.{_lines_hint(line)}")
            yield where, mapping(row, where)


def _lines_hint(line: str) -> str:
    if line.lstrip().startswith("["):
        return " If the file is one JSON list, name it .json."
    return " Write one JSON object a line."


def json_document(path: Path) -> Any:
    """Return what one JSON file holds; raises `CorpusError` naming it."""
    with opened(path) as file:
        try:
            return json.loads(file.read(), strict=False)
        except ValueError as error:
            hint = " If it holds one JSON object a line, name it .jsonl." if "Extra data" in str(error) else ""
            raise CorpusError(f"{path}: not JSON ({error}).{hint}") from None
        except RecursionError:
            raise CorpusError(f"{path}: nested too deeply to be a corpus.") from None


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object; raises `CorpusError` otherwise."""
    if not isinstance(value, Mapping):
        raise CorpusError(f"{where}: expected a JSON object, found {value!r:.80}.")
    return value


def values(found: object, where: str) -> list[str]:
    """Values as lower-case text: a list of texts or numbers, or one of them. Raises `CorpusError` for anything else."""
    listed = found if isinstance(found, list) else [found]
    for value in listed:
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise CorpusError(f"{where}: expected values as text, found {value!r:.80}.")
    return [str(value).lower() for value in listed]
