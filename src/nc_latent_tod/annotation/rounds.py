"""Rounds: which turns a person is asked about. A round is immutable once made, and known by its sha256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nc_latent_tod.annotation.files import object_bytes, read_object
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, CorpusError
from nc_latent_tod.system.files import create_bytes

FORMAT = "nc-latent-tod round 1"
MODES = ("turn", "dialogue")
_ADVICE = "`nc-latent-tod annotate select GROUP --out FOLDER` makes round files."


@dataclass(frozen=True, slots=True)
class Selected:
    """A turn of a round, with what spoke for it."""

    dialogue_id: str
    turn_id: int
    text_sha256: str  # of the turn's text when it was selected: see `text_sha256`
    scores: Mapping[str, float] = field(default_factory=dict)  # by objective, in [0, 1]

    @property
    def key(self) -> tuple[str, int]:
        """As `Turn.key`."""
        return self.dialogue_id, self.turn_id


@dataclass(frozen=True)
class Round:
    """Turns selected from the labels of one group."""

    number: int  # from 0
    group_id: str
    manifest: str  # a folder, or dynamo:TABLE
    strategy: str
    seed: int
    n: int  # turns, or dialogues in mode `dialogue`, that were asked for
    mode: str  # turn, dialogue
    pool_sha256: str  # of the keys, texts and labels that were selected from
    earlier: tuple[str, ...]  # sha256 of the rounds before, whose turns were not selected again
    schema_path: str  # that the labels follow
    turns: tuple[Selected, ...]  # in the order in which they were picked

    @property
    def sha256(self) -> str:
        """Of the round's file, as hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @property
    def file_name(self) -> str:
        return f"round-{self.number}.json"

    def to_bytes(self) -> bytes:
        """The content of the round's file; equal rounds give equal bytes."""
        return object_bytes({"format": FORMAT, **asdict(self)})


def text_sha256(turn: Turn) -> str:
    """The hash of what a correction of a turn is made on: both utterances and the response, as hex."""
    text = json.dumps([turn.last_system_utterance, turn.user_utterance, turn.system_response])
    return hashlib.sha256(text.encode()).hexdigest()


def write_round(made: Round, folder: str | Path) -> str:
    """Write a round into `folder` as `round-K.json`; its path. An equal one that is there already is left as it is.

    Raises `ConfigError` where another round K is there, `RetryableError` where the storage fails.
    """
    path = f"{str(folder).rstrip('/')}/{made.file_name}"
    if not create_bytes(path, made.to_bytes()) and read_round(path) != made:
        raise ConfigError(f"{path} is there already and is another round (strategy, seed, n, group or pool differ). A round is "
                          "never replaced: name another folder with --out.")
    return path


def read_round(url: str | Path) -> Round:
    """Read a round file. Raises `CorpusError` where it is missing, or holds something else."""
    data, _ = read_object(url, "round", _ADVICE)
    if data.get("format") != FORMAT:
        raise CorpusError(f"{url} is no round: its format is {str(data.get('format'))[:60]!r}, not {FORMAT!r}. {_ADVICE}")
    try:
        return _round(data)
    except (KeyError, TypeError, ValueError) as error:
        raise CorpusError(f"The round {url} is damaged ({type(error).__name__}: {error}). Rounds are not edited: make it again "
                          "with the same `annotate select`.") from None


def _round(data: Mapping[str, Any]) -> Round:
    values = {key: value for key, value in data.items() if key != "format"}
    turns = tuple(Selected(str(t["dialogue_id"]), int(t["turn_id"]), str(t["text_sha256"]),
                           {str(k): float(v) for k, v in t["scores"].items()}) for t in values.pop("turns"))
    for name in ("number", "seed", "n"):
        if not isinstance(values[name], int):
            raise ValueError(f"{name} is {values[name]!r}")
    if values["mode"] not in MODES:
        raise ValueError(f"mode is {values['mode']!r}")
    return Round(**{**values, "earlier": tuple(map(str, values["earlier"])), "turns": turns})
