"""Corrections checked against what they correct: the group's turns, their text, and the schema that labels follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nc_latent_tod.annotation.corrections import Correction
from nc_latent_tod.annotation.rounds import text_sha256
from nc_latent_tod.errors import ConfigError, CorpusError, ParseError, nearest
from nc_latent_tod.labels import ENTITY_ACTS, SERVICE_ACTS, Act, Example, StateChange
from nc_latent_tod.notation.normalise import normalise_value
from nc_latent_tod.schema import Schema

_NAMED = 20  # faults told at once


@dataclass(frozen=True, slots=True)
class Checked:
    """Corrections that can be taken, and in words what is left out."""

    corrections: tuple[Correction, ...]
    left_out: tuple[str, ...] = ()


def checked(corrections: Sequence[Correction], labels: Mapping[tuple[str, int], Example], schema: Schema) -> Checked:
    """Corrections in the schema's own values. What the schema cannot hold is left out whole, and said.

    A turn that nobody is sure of is no correction and is left out in silence. Raises `CorpusError` that names every correction
    of a turn that is not among `labels`, or whose text has changed since.
    """
    faults = [fault for correction in corrections if (fault := _fault(correction, labels))]
    if faults:
        more = f"\n- and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise CorpusError("These corrections are of other turns than the group's, and nothing was changed:\n- "
                          + "\n- ".join(faults[:_NAMED]) + more
                          + "\nPull into the group that the round was selected from, with the text that it had.")
    kept, left_out = [], []
    for correction in corrections:
        if correction.verdict == "unsure":
            continue
        try:
            kept.append(replace(correction, change=_change(correction.change, schema), acts=_acts(correction.acts, schema)))
        except (ParseError, ConfigError) as error:
            left_out.append(f"turn {correction.turn_id} of dialogue {correction.dialogue_id!r}: {error}")
    return Checked(tuple(kept), tuple(left_out))


def _fault(correction: Correction, labels: Mapping[tuple[str, int], Example]) -> str:
    where = f"turn {correction.turn_id} of dialogue {correction.dialogue_id!r}"
    if correction.key not in labels:
        return f"{where} is not in the group"
    if text_sha256(labels[correction.key].turn) != correction.text_sha256:
        return f"{where} has another text now than the one that was corrected"
    return ""


def _change(change: StateChange, schema: Schema) -> dict[str, dict[str, str | None]]:
    found: dict[str, dict[str, str | None]] = {}
    for name, slots in change.items():
        known = schema.service(name).slots_by_name
        for slot, value in slots.items():
            if slot not in known:
                raise ConfigError(f"the service {name!r} has no slot {slot!r}.{nearest(slot, known)}")
            found.setdefault(name, {})[slot] = None if value is None else normalise_value(value, known[slot], strict=True)
    return found


def _acts(acts: Sequence[Act], schema: Schema) -> tuple[Act, ...]:
    for act in acts:
        if not act.service:
            if act.slot or act.value or act.act in ENTITY_ACTS | SERVICE_ACTS:
                raise ConfigError(f"the act {act.act} needs a service.")
            continue
        known = schema.service(act.service).slots_by_name
        if act.slot and act.slot not in known:
            raise ConfigError(f"the service {act.service!r} has no slot {act.slot!r}.{nearest(act.slot, known)}")
        if act.act not in ENTITY_ACTS | SERVICE_ACTS:
            raise ConfigError(f"the act {act.act} is of no service, and names {act.service!r}.")
    return tuple(sorted(set(acts)))
