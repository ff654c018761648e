"""Corrections: what a person said of the turns of a round, and the file that carries them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from nc_latent_tod.annotation.files import read_object, write_object
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.errors import CorpusError
from nc_latent_tod.labels import ACT_NAMES, Act, StateChange

FORMAT = "nc-latent-tod corrections 1"
VERDICTS = ("ok", "fixed", "unsure")
_ADVICE = "The annotation page saves one with its button; `nc-latent-tod annotate page ROUND` makes the page."
_NAMED = 20  # faults told at once


@dataclass(frozen=True, slots=True)
class Correction:
    """A turn's right state change and acts as a person gave them."""

    dialogue_id: str
    turn_id: int
    text_sha256: str  # of the text that was read: `rounds.text_sha256`
    verdict: str
    """`ok`: the label was right; `fixed`: this is what it should have been; `unsure`: the person does not know."""
    change: StateChange = field(default_factory=dict)  # whole, with `ok` too; null deletes
    acts: tuple[Act, ...] = ()  # whole, with `ok` too
    annotator: str = ""
    time: str = ""  # ISO 8601, UTC
    seconds: float = 0.0  # that the turn took; 0.0 where nobody measured
    comment: str = ""
    round: int = 0
    round_sha256: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """As `Turn.key`."""
        return self.dialogue_id, self.turn_id


def file_name(made: Round) -> str:
    """The name of a round's corrections file: `corrections-K.json`."""
    return f"corrections-{made.number}.json"


def to_json(made: Round, corrections: Sequence[Correction]) -> dict[str, Any]:
    """The content of a corrections file."""
    rows = []
    for correction in corrections:
        row = asdict(correction)
        del row["round"], row["round_sha256"]  # of the whole file
        rows.append(row)
    head = {"number": made.number, "group_id": made.group_id, "sha256": made.sha256}
    return {"format": FORMAT, "round": head, "corrections": rows}


def write_corrections(url: str | Path, made: Round, corrections: Sequence[Correction]) -> None:
    """Write a corrections file. Raises `RetryableError` where the storage fails."""
    write_object(url, to_json(made, corrections))


def read_corrections(url: str | Path, made: Round) -> list[Correction]:
    """Read a corrections file of the round `made`. Raises `CorpusError` that names every fault of the file at once."""
    data, _ = read_object(url, "corrections file", _ADVICE)
    return from_json(data, made, str(url))


def from_json(data: Mapping[str, Any], made: Round, where: str) -> list[Correction]:
    """The corrections of a decoded file, checked against the round. Raises `CorpusError` that names every fault at once."""
    if data.get("format") != FORMAT:
        raise CorpusError(f"{where} holds no corrections: its format is {str(data.get('format'))[:60]!r}, not {FORMAT!r}. "
                          f"{_ADVICE}")
    of = data.get("round")
    if not isinstance(of, dict) or of.get("sha256") != made.sha256:
        told = f"round {of.get('number')} of group {of.get('group_id')!r}" if isinstance(of, dict) else "no round"
        raise CorpusError(f"{where} holds corrections of {told}, not of this round {made.number} of group {made.group_id!r} "
                          f"(sha256 {made.sha256[:12]}). Name the round file that the page was made from.")
    rows = data.get("corrections")
    if not isinstance(rows, list):
        raise CorpusError(f"{where}: 'corrections' is {type(rows).__name__}, not a list. {_ADVICE}")
    selected = {turn.key: turn.text_sha256 for turn in made.turns}
    faults = [f"correction {number}: {fault}" for number, row in enumerate(rows) for fault in _faults(row, selected)]
    if faults:
        more = f"\n- and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise CorpusError(f"{where} cannot be taken, and nothing was changed:\n- " + "\n- ".join(faults[:_NAMED]) + more
                          + "\nCorrect the file, or take those rows out of it.")
    return [_correction(row, made) for row in rows]


def _faults(row: Any, selected: Mapping[tuple[str, int], str]) -> Iterator[str]:
    """What is wrong with one row, in words."""
    if not isinstance(row, dict):
        yield f"is a {type(row).__name__}, not an object"
        return
    dialogue_id, turn_id = row.get("dialogue_id"), row.get("turn_id")
    if not isinstance(dialogue_id, str) or not isinstance(turn_id, int) or isinstance(turn_id, bool):
        yield f"dialogue_id and turn_id are {dialogue_id!r:.60} and {turn_id!r:.60}: a text and a whole number are needed"
    elif (dialogue_id, turn_id) not in selected:
        yield f"turn {turn_id} of dialogue {dialogue_id!r} is not in the round"
    elif row.get("text_sha256") != selected[dialogue_id, turn_id]:
        yield f"turn {turn_id} of dialogue {dialogue_id!r} was corrected on another text than the round's"
    if row.get("verdict") not in VERDICTS:
        yield f"verdict is {row.get('verdict')!r:.60}: one of {', '.join(VERDICTS)} is needed"
    yield from _change_faults(row.get("change", {}))
    yield from _act_faults(row.get("acts", []))
    for name in ("annotator", "comment"):
        if not isinstance(row.get(name, ""), str):
            yield f"{name} is {row[name]!r:.60}, not a text"
    seconds = row.get("seconds", 0)
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < float("inf"):
        yield f"seconds is {seconds!r:.60}, not a number from 0"
    if not _is_time(row.get("time", "")):
        yield f"time is {row['time']!r:.60}, not ISO 8601 as 2026-01-31T12:00:00+00:00"


def _change_faults(change: Any) -> Iterator[str]:
    if not isinstance(change, dict) or not all(isinstance(slots, dict) for slots in change.values()):
        yield f"change is {change!r:.80}: {{service: {{slot: value or null}}}} is needed"
        return
    for service, slots in change.items():
        for slot, value in slots.items():
            if not (value is None or (isinstance(value, str) and value.strip())):
                yield f"the change of {service}.{slot} is {value!r:.60}: a text, or null to delete, is needed"


def _act_faults(acts: Any) -> Iterator[str]:
    if not isinstance(acts, list):
        yield f"acts is {acts!r:.80}: a list is needed"
        return
    for act in acts:
        if not isinstance(act, dict) or not all(isinstance(act.get(part, ""), str) for part in Act.__dataclass_fields__):
            yield f"the act {act!r:.80} is not {{act, service, slot, value}} of texts"
        elif act.get("act") not in ACT_NAMES:
            yield f"there is no act {act.get('act')!r:.60}: the acts are {', '.join(ACT_NAMES)}"


def _is_time(value: Any) -> bool:
    if value == "":
        return True
    try:
        return bool(datetime.fromisoformat(value))
    except (TypeError, ValueError):
        return False


def _correction(row: Mapping[str, Any], made: Round) -> Correction:
    known = {name: row[name] for name in Correction.__dataclass_fields__ if name in row}
    parts = Act.__dataclass_fields__
    acts = tuple(Act(**{part: act[part] for part in parts if part in act}) for act in row.get("acts", []))
    change = {service: dict(slots) for service, slots in row.get("change", {}).items() if slots}
    return Correction(**{**known, "change": change, "acts": acts, "round": made.number, "round_sha256": made.sha256})
