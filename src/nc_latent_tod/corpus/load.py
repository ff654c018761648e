"""Unlabelled dialogues in. `load_dialogues` takes anything that holds some and gives back the text alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from nc_latent_tod.corpus.formats.csv_logs import read_csv
from nc_latent_tod.corpus.formats.json_files import json_lines
from nc_latent_tod.corpus.formats.multiwoz import woz_files, woz_splits
from nc_latent_tod.corpus.formats.sgd import dialogue_files, read_schema_guided
from nc_latent_tod.corpus.formats.turns import hub_dataset, is_saved_dataset, read_turns, saved_dataset
from nc_latent_tod.corpus.label_files import labelled_dialogues
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import ConfigError, CorpusError, nearest

FORMATS = ("auto", "multiwoz", "sgd", "jsonl", "csv", "turns", "labels")
PACKAGED = "packaged:"

Source = Callable[[], Iterable[tuple[str, Dialogue]]]
"""Opens one split: (where it stands, dialogue)."""

_RANGE = re.compile(r"(?P<base>.+)_(?P<start>\d+)_(?P<end>\d+)")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_LOG_SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz")


def load_dialogues(path_or_name: str | Path, split: str | None = None, *, format: str = "auto") -> list[Dialogue]:
    """Read the dialogues of one split, in corpus order.

    `path_or_name` is a MultiWOZ 2.2 or SGD folder (`dialogues*` files, or folders of them as splits), the folder of another
    MultiWOZ's `data.json`, a `.jsonl` or `.csv` file of logs, a folder of such files as splits, a turn-level dataset saved on
    disk or on the Hub (`owner/name`), a label file, or `packaged:NAME`. `format` settles what the names leave open.

    `split` is a split that is there, or a range of one: `train_50_100` is the dialogues 50 to 99 of `train`, fewer at
    the corpus's end. A corpus without splits is one split, `train` (or as its folder or file is called). None takes
    the only split. Raises `CorpusError` on dialogues that cannot be read, an id that comes twice, a split that does not
    exist or an empty range; `RetryableError` where the Hub cannot be reached.
    """
    splits = open_splits(path_or_name, format=format)
    source, start, end = select(splits, split, str(path_or_name))
    read = list(islice(dialogues_in_order(source), end))
    dialogues = read[start:]
    if not dialogues:
        raise is_empty(split, str(path_or_name), len(read))
    return dialogues


def is_empty(split: str | None, name: str, dialogues: int) -> CorpusError:
    """The error for a split or range in which there is nothing; the corpus has so many dialogues."""
    return CorpusError(f"Split {split!r} of {name} is empty: the corpus has {dialogues} dialogues.")


def split_names(path_or_name: str | Path, *, format: str = "auto") -> list[str]:
    """The splits that a corpus has, without ranges."""
    return list(open_splits(path_or_name, format=format))


def packaged_corpus(name: str) -> Path:
    """Where the packaged corpus `name` lies: a folder of splits or a file. Raises `CorpusError` for an unknown one."""
    folder = Path(__file__).parents[1] / "data" / "corpus"
    found = {path.name.split(".")[0]: path for path in sorted(folder.glob("*")) if not path.name.startswith(".")}
    if name not in found:
        raise CorpusError(f"There is no packaged corpus {name!r}.{nearest(name, found)} "
                          f"There are: {', '.join(found) or 'none'}.")
    return found[name]


def open_splits(path_or_name: str | Path, *, format: str = "auto") -> dict[str, Source]:
    """Find the splits of a corpus, by name, without reading dialogues. Raises `CorpusError` or `ConfigError`."""
    if format not in FORMATS:
        raise ConfigError(f"No corpus format {format!r}.{nearest(format, FORMATS)} There are: {', '.join(FORMATS)}.")
    name = str(path_or_name)
    path = packaged_corpus(name.removeprefix(PACKAGED)) if name.startswith(PACKAGED) else Path(path_or_name)
    if path.is_file():
        if format == "turns":
            raise CorpusError(f"{path} is a file, but the format 'turns' means a dataset of turns: a folder that `datasets` "
                              "saved, or a name on the Hub. For logs in a file leave the format out.")
        if format in ("auto", "multiwoz") and woz_files(path):
            return dict(woz_splits(path))
        return {"train": _file_source(path, format)}
    if path.is_dir():
        return _folder_splits(path, format)
    if _HUB_NAME.fullmatch(name) and format in ("auto", "turns") and not name.endswith((".json", *_LOG_SUFFIXES)):
        return {split: _turns_source(data, f"{name}[{split}]") for split, data in hub_dataset(name).items()}
    raise CorpusError(f"{name}: no such file or folder.")


def _folder_splits(folder: Path, format: str) -> dict[str, Source]:
    if is_saved_dataset(folder) and format in ("auto", "turns"):
        return {name: _turns_source(data, f"{folder}[{name}]") for name, data in saved_dataset(folder).items()}
    if dialogue_files(folder):
        return {"train": lambda: read_schema_guided(folder)}
    children = [child for child in sorted(folder.iterdir()) if child.is_dir() and dialogue_files(child)]
    if children:
        return {child.name: (lambda child=child: read_schema_guided(child)) for child in children}  # type: ignore[misc]
    if format in ("auto", "multiwoz") and woz_files(folder):
        return dict(woz_splits(folder))
    logs = [child for child in sorted(folder.iterdir()) if child.name.endswith(_LOG_SUFFIXES)]
    if logs:
        return {_stem(log): _file_source(log, format) for log in logs}
    found = ", ".join(sorted(child.name for child in folder.iterdir())[:8])
    raise CorpusError(f"{folder}: no dialogues here. Expected dialogues*.json or .jsonl files, folders of them, a "
                      f"MultiWOZ data.json, .jsonl or .csv logs, or a saved dataset; found {found or 'nothing'}.")


def _file_source(path: Path, format: str) -> Source:
    if format == "auto":
        format = _sniffed(path)
    if format == "csv":
        return lambda: read_csv(path)
    if format == "labels":
        return lambda: labelled_dialogues(path)
    return lambda: read_schema_guided(path, as_lines=format == "jsonl")


def _sniffed(path: Path) -> str:
    if path.name.endswith((".csv", ".csv.gz")):
        return "csv"
    if path.name.endswith((".jsonl", ".jsonl.gz")):
        first = next(json_lines(path), ("", {}))[1]
        return "labels" if "turn" in first and "label" in first else "jsonl"
    if path.name.endswith((".json", ".json.gz")):
        return "sgd"
    raise CorpusError(f"{path}: unknown kind of file. Name it .jsonl, .csv or .json (these with .gz too), or say its "
                      "data.format in the job file.")


def _turns_source(data: object, name: str) -> Source:
    return lambda: read_turns(data, name)  # type: ignore[arg-type]


def select(splits: dict[str, Source], split: str | None, name: str) -> tuple[Source, int, int | None]:
    """The split to read and the range of its dialogues, to the end where that is None. Raises `CorpusError`."""
    if len(splits) == 1:
        split = split or next(iter(splits))
    splits = _by_all_names(splits, name)
    if split in splits:
        return splits[split], 0, None
    match = _RANGE.fullmatch(split or "")
    if match and match["base"] in splits:
        start, end = int(match["start"]), int(match["end"])
        if start >= end:
            raise CorpusError(f"Split {split!r} of {name} is an empty range: the end must be after the start.")
        return splits[match["base"]], start, end
    asked = f"has no split {split!r}.{nearest(split, splits)}" if split else "has several splits: name one."
    raise CorpusError(f"{name} {asked} There are: {', '.join(splits)}; a range is BASE_START_END, such as "
                      f"{next(iter(splits))}_0_50.")


def _by_all_names(splits: dict[str, Source], name: str) -> dict[str, Source]:
    """The splits, and an only one by the name of its folder or file too."""
    if len(splits) != 1:
        return splits
    base, only = next(iter(splits.items()))
    return {base: only, _stem(Path(name.removeprefix(PACKAGED))): only}


def partitions(path_or_name: str | Path, split: str, dialogues: int, size: int, *, format: str = "auto") -> list[str]:
    """The ranges of `size` dialogues that cut up `split`, a split or a range of one, which has so many dialogues.

    What looks like a range may be the name of a split: `logs_2024_05`.
    """
    names = _by_all_names(open_splits(path_or_name, format=format), str(path_or_name))
    match = None if split in names else _RANGE.fullmatch(split)
    base, start = (match["base"], int(match["start"])) if match else (split, 0)
    return [f"{base}_{start + at}_{start + min(at + size, dialogues)}" for at in range(0, dialogues, size)]


def _stem(path: Path) -> str:
    return path.name.split(".")[0]


def dialogues_in_order(source: Source) -> Iterator[Dialogue]:
    """Read a split. Raises `CorpusError` where an id comes twice."""
    seen: dict[str, str] = {}
    for where, dialogue in source():
        first = seen.setdefault(dialogue.dialogue_id, where)
        if first != where:
            raise CorpusError(f"{where}: the dialogue id {dialogue.dialogue_id!r} comes twice, first at {first}.")
        yield dialogue
