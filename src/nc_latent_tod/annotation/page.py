"""A round as one HTML file to be corrected in a browser: no server, no network, and no text of a dialogue runs in it.

The page keeps what was entered in the browser's storage under the hash of the round, and saves a corrections file
(`corrections.FORMAT`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from nc_latent_tod.annotation import corrections
from nc_latent_tod.annotation.form import Form
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.labels import ACT_NAMES, ENTITY_ACTS, SERVICE_ACTS, Example, StateChange
from nc_latent_tod.notation.normalise import DONTCARE
from nc_latent_tod.schema import Schema, Service, Slot
from nc_latent_tod.system.html_page import html_page
from nc_latent_tod.system.version import __version__

SUGGESTED = 200  # values of an open slot that are offered, the most frequent ones
SCRIPTS = ("values.js", "store.js", "state.js", "acts.js", "page.js")


def page(made: Round, shown: Sequence[Form], schema: Schema) -> str:
    """The whole file as text; `shown` are the round's forms. Equal arguments give equal pages."""
    dialogues = {form.example.turn.dialogue_id for form in shown}
    return html_page(
        "annotate", _data(made, shown, schema), scripts=SCRIPTS,
        title=f"Round {made.number} of {made.group_id}",
        subtitle=f"{len(shown)} turns of {len(dialogues)} dialogues, selected by {made.strategy}",
        footer=f"nc_latent_tod {__version__}. Nothing leaves this page but the file that you save.")


def _data(made: Round, shown: Sequence[Form], schema: Schema) -> dict[str, Any]:
    texts = {e.turn.key: e for form in shown for e in (*form.earlier, form.example)}
    said: dict[str, dict[int, list[Any]]] = {}
    for key in sorted(texts):
        turn = texts[key].turn
        said.setdefault(turn.dialogue_id, {})[turn.turn_id] = [turn.last_system_utterance, turn.user_utterance,
                                                               turn.system_response, _rows(texts[key].label.change)]
    suggested = _suggested([*texts.values()])
    return {
        "format": corrections.FORMAT, "file": corrections.file_name(made), "dontcare": DONTCARE,
        "round": {"number": made.number, "group_id": made.group_id, "sha256": made.sha256},
        "acts": [[name, "entity" if name in ENTITY_ACTS else "service" if name in SERVICE_ACTS else ""] for name in ACT_NAMES],
        "services": [_service(service, suggested) for service in schema.services],
        "dialogues": [[dialogue_id, sorted(turns.items())] for dialogue_id, turns in said.items()],
        "turns": [_turn(form) for form in shown]}


def _service(service: Service, suggested: dict[tuple[str, str], list[str]]) -> dict[str, Any]:
    return {"name": service.name, "description": service.description,
            "slots": [_slot(slot, suggested.get((service.name, slot.name), [])) for slot in service.slots]}


def _slot(slot: Slot, suggested: Sequence[str]) -> dict[str, Any]:
    is_closed = slot.is_categorical and bool(slot.possible_values)
    values = dict.fromkeys((*slot.possible_values, *(() if is_closed else suggested)))
    return {"name": slot.name, "description": slot.description, "closed": is_closed,
            "values": [value for value in values if value != DONTCARE]}


def _suggested(examples: Sequence[Example]) -> dict[tuple[str, str], list[str]]:
    """Values of the predicted labels, the most frequent first."""
    found: dict[tuple[str, str], Counter[str]] = {}
    for example in examples:
        told = [(act.service, act.slot, act.value) for act in example.label.acts]
        for service, slot, value in (*_rows(example.label.change), *told):
            if value:
                found.setdefault((service, slot), Counter())[value] += 1
    return {key: [value for value, _ in counts.most_common(SUGGESTED)] for key, counts in found.items()}


def _turn(form: Form) -> dict[str, Any]:
    example = form.example
    return {
        "dialogue_id": example.turn.dialogue_id, "turn_id": example.turn.turn_id, "text_sha256": form.text_sha256,
        "prior": _rows(example.prior_state),
        "change": [[service, slot, value, _rounded(form.sure.slots.get((service, slot)))]
                   for service, slot, value in _rows(example.label.change)],
        "acts": [[act.act, act.service, act.slot, act.value] for act in example.label.acts],
        "confidence": _rounded(form.confidence), "failures": sorted(example.label.failures), "services": form.services}


def _rows(change: StateChange) -> list[tuple[str, str, str | None]]:
    return [(service, slot, value) for service, slots in change.items() for slot, value in slots.items()]


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 3)
