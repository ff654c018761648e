"""Predefined splits: `splits/experience_I/partition_J/{training,test,validation}.txt`, an index of a row a line, from 0."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

FOLDER = "splits"
SETS = ("training", "test", "validation")
REQUIRED = ("training", "test")

Indices = dict[str, tuple[int, ...]]
"""Rows by set."""


def read_splits(folder: Path, rows: int) -> tuple[dict[tuple[int, int], Indices], list[tuple[str, str]]]:
    """Splits by (experience, partition), and (place, fault) for all that is wrong with them; a faulty set is left out."""
    found: dict[tuple[int, int], Indices] = {}
    faults: list[tuple[str, str]] = []
    for experience, at in _numbered(folder / FOLDER, "experience", faults):
        for partition, below in _numbered(at, "partition", faults):
            found[experience, partition] = _partition(below, rows, faults)
    return found, faults


def _numbered(folder: Path, word: str, faults: list[tuple[str, str]]) -> Iterator[tuple[int, Path]]:
    for child in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = re.fullmatch(rf"{word}_(\d+)", child.name)
        if match and child.is_dir():
            yield int(match[1]), child
        else:
            faults.append((_place(child), f"expected a folder {word}_NUMBER"))


def _partition(folder: Path, rows: int, faults: list[tuple[str, str]]) -> Indices:
    sets: Indices = {}
    for child in sorted(folder.iterdir()):
        if child.suffix == ".txt" and child.stem in SETS:
            sets[child.stem] = _indices(child, rows, faults)
        else:
            faults.append((_place(child), f"expected {', '.join(f'{name}.txt' for name in SETS)}"))
    faults += [(_place(folder), f"{name}.txt is missing") for name in REQUIRED if name not in sets]
    for number, name in enumerate(SETS):
        for other in SETS[number + 1:]:
            if shared := sorted(set(sets.get(name, ())) & set(sets.get(other, ()))):
                faults.append((_place(folder), f"{name} and {other} overlap in {len(shared)} rows, such as {shared[0]}"))
    return sets


def _indices(file: Path, rows: int, faults: list[tuple[str, str]]) -> tuple[int, ...]:
    found: dict[int, int] = {}
    for number, line in enumerate(file.read_text("utf-8", "replace").split(), start=1):
        where = f"{_place(file)}, index {number}"
        if not line.isdecimal():
            faults.append((where, f"{line[:40]!r} is no index of a row"))
        elif int(line) >= rows:
            faults.append((where, f"{line} is out of range: there are {rows} rows, from 0"))
        elif int(line) in found:
            faults.append((where, f"row {line} comes twice"))
        else:
            found[int(line)] = number
    return tuple(found)


def _place(path: Path) -> str:
    parts = path.parts
    return "/".join(parts[len(parts) - 1 - parts[::-1].index(FOLDER):])
