"""Annotations of Label Studio as corrections: its exports `JSON` and `JSON_MIN` give the same ones.

`JSON_MIN` leaves a control that nobody touched out, and has a row for every task without an annotation too: a row is an
annotation where it has the id of one. It leaves cancelled annotations out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nc_latent_tod.annotation.corrections import VERDICTS, Correction
from nc_latent_tod.annotation.label_studio.controls import (
    ACTS,
    COMMENT,
    OWN,
    VERDICT,
    Controls,
    controls,
    read_act,
    storable,
    value_of,
)
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.errors import CorpusError, ParseError
from nc_latent_tod.labels import Act, Example
from nc_latent_tod.schema import Schema

_NAMED = 20  # faults told at once
Key = tuple[str, int]


@dataclass(frozen=True)
class _Annotation:
    """One annotation of one task, whatever export it comes from."""

    key: Key
    text_sha256: str
    texts: Mapping[str, Sequence[str]]  # by control
    annotator: str
    time: str
    seconds: float
    is_cancelled: bool = False

    @property
    def told(self) -> str:
        return f"turn {self.key[1]} of dialogue {self.key[0]!r} by {self.annotator}"


def from_export(rows: Sequence[Any], made: Round, predicted: Mapping[Key, Example], schema: Schema, where: str, *,
                users: Mapping[int, str] | None = None) -> list[Correction]:
    """The corrections in a decoded export, `JSON` or `JSON_MIN`: the last one of every turn and annotator.

    `predicted` are the labels that were pushed; `users` are names of annotators by id. `ok` on a form that was left empty takes
    the predicted label, and on one that differs from it is `fixed`. Raises `CorpusError` naming all faults at once: tasks of
    another round, annotations without a verdict, turns that were skipped, acts that cannot be read.
    """
    try:
        found = sorted(_annotations(rows, made, users or {}), key=lambda annotation: annotation.time)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise CorpusError(f"{where} is no export of tasks that `annotate push` made ({type(error).__name__}: {error}). Export "
                          "the project as JSON or JSON-MIN.") from None
    given = {annotation.key for annotation in found if not annotation.is_cancelled}
    last = {(a.key, a.annotator): a for a in found if not a.is_cancelled}
    faults = [f"{a.told} was skipped: give it a verdict, `unsure` is one, or delete the annotation"
              for a in found if a.is_cancelled and a.key not in given]
    corrections, known = [], controls(schema)
    for annotation in last.values():
        own, read = _read(annotation, known, schema, made, predicted)
        faults += [f"{annotation.told}: {fault}" for fault in own]
        corrections += [read] if read else []
    if faults:
        more = f"\n- and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise CorpusError(f"{where} cannot be taken, and nothing was changed:\n- " + "\n- ".join(faults[:_NAMED]) + more
                          + "\nMend it in Label Studio, then pull again.")
    return sorted(corrections, key=lambda correction: (correction.key, correction.annotator))


def _annotations(rows: Sequence[Any], made: Round, users: Mapping[int, str]) -> Iterator[_Annotation]:
    keys = {(storable(turn.dialogue_id), turn.turn_id): turn.key for turn in made.turns}
    for row in rows:
        data = row["data"] if "annotations" in row else row
        _check_round(data, made)
        of = keys[data["dialogue_id"], data["turn_id"]], str(data["text_sha256"])
        if "annotations" in row:
            for one in row["annotations"]:
                texts: dict[str, list[str]] = {}
                for result in one["result"]:
                    value = result["value"]
                    texts.setdefault(result["from_name"], []).extend(value.get("choices") or value.get("text") or [])
                yield _Annotation(*of, texts, _name(one.get("completed_by"), users),
                                  one.get("updated_at") or one.get("created_at") or "", float(one.get("lead_time") or 0),
                                  bool(one.get("was_cancelled")))
            continue
        if row.get("annotation_id") is not None:
            minimal = {name: _texts(value) for name, value in row.items()
                       if "__" in name or name in OWN}
            yield _Annotation(*of, minimal, _name(row.get("annotator"), users), row.get("updated_at") or "",
                              float(row.get("lead_time") or 0))


def _check_round(data: Mapping[str, Any], made: Round) -> None:
    if data["round_sha256"] != made.sha256:
        raise ValueError(f"{data['key']!r} is of a round with sha256 {str(data['round_sha256'])[:12]}, this is round "
                         f"{made.number} of {made.group_id!r} with {made.sha256[:12]}")


def _texts(value: Any) -> list[str]:
    """One text as itself, several as a list or an object."""
    if isinstance(value, dict):
        value = value.get("text") or value.get("choices") or []
    return [value] if isinstance(value, str) else [str(text) for text in value]


def _name(who: Any, users: Mapping[int, str]) -> str:
    if isinstance(who, dict):
        return str(who.get("email") or who.get("username") or f"user {who.get('id')}")
    return users.get(who) or f"user {who}"


def _read(annotation: _Annotation, known: Controls, schema: Schema, made: Round,
          predicted: Mapping[Key, Example]) -> tuple[list[str], Correction | None]:
    """What is wrong with an annotation, and the correction where nothing is."""
    verdict = next(iter(annotation.texts.get(VERDICT, ())), "")
    faults = [] if verdict in VERDICTS else [f"the verdict is {verdict!r}: choose one of {', '.join(VERDICTS)}"]
    change: dict[str, dict[str, str | None]] = {}
    for name, texts in annotation.texts.items():
        if name in known.slot_of:
            service, slot = known.slot_of[name]
            given = [text.strip() for text in texts if text.strip()]
            if len(given) > 1:
                faults.append(f"{name} has {len(given)} values, one is needed")
            elif given:
                change.setdefault(service, {})[slot] = value_of(given[0])
        elif name not in OWN:
            faults.append(f"the schema has no slot for the control {name!r}")
    acts, unread = _acts([line for line in annotation.texts.get(ACTS, ()) if line.strip()], schema)
    faults += unread
    if faults:
        return faults, None
    found = Correction(*annotation.key, annotation.text_sha256, verdict, change, acts, annotation.annotator,
                       annotation.time, annotation.seconds, " ".join(annotation.texts.get(COMMENT, ())).strip(), made.number,
                       made.sha256)
    return [], _settled(found, predicted[annotation.key])


def _acts(lines: Sequence[str], schema: Schema) -> tuple[tuple[Act, ...], list[str]]:
    acts, faults = set(), []
    for line in lines:
        try:
            acts.add(read_act(line, schema))
        except ParseError as error:
            faults.append(str(error))
    return tuple(sorted(acts)), faults


def _settled(found: Correction, predicted: Example) -> Correction:
    """`ok` means the label that was predicted; a label that differs from it is a fix, whatever was chosen."""
    label = predicted.label
    if found.verdict == "unsure" or (found.change == label.change and set(found.acts) == set(label.acts)):
        return found
    if found.verdict == "ok" and not found.change and not found.acts:
        return replace(found, change=label.change, acts=tuple(sorted(label.acts)))
    return replace(found, verdict="fixed")
