"""Simulated dialogues as a benchmark: what their users wanted, read off the gold labels, as a folder that scores are read from.

The user's goal in a service is its final constraints, without an entity's name that the user took over from the system;
what the system was asked to tell; and a booking, where one was made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from nc_latent_tod.evaluation.responses.multiwoz import PLACEHOLDERS, REFERENCE, SEARCHED
from nc_latent_tod.evaluation.responses.placeholders import bare
from nc_latent_tod.notation.normalise import DONTCARE
from nc_latent_tod.simulation import SimulatedDialogue
from nc_latent_tod.tasks.database import Database

_NAMING = frozenset({"Offer", "Inform"})


def benchmark_files(dialogues: Iterable[SimulatedDialogue], database: Database, split: str) -> dict[str, Any]:
    """Contents of a benchmark folder by file name, with gold predictions in `references.json`."""
    dialogues = list(dialogues)
    return {
        f"goals_{split}.json": {d.dialogue.dialogue_id: goals(d, database) for d in dialogues},
        "booked_domains.json": {d.dialogue.dialogue_id: _booked(d) for d in dialogues},
        "references.json": {d.dialogue.dialogue_id: [{"response": label.delexicalised_response, "state": label.state}
                                                     for label in d.labels] for d in dialogues},
        "slot_names.json": slot_names(database),
        **{f"db/{service}_db.json": [dict(row) for row in rows] for service, rows in database.entities.items()}}


def goals(simulated: SimulatedDialogue, database: Database) -> dict[str, dict[str, Any]]:
    """The user's goal by service."""
    final = simulated.labels[-1].state
    return {service: {"informable": _informable(simulated, service, database),
                      "requestable": _requestable(simulated, service, database),
                      "booking": _is_referred(simulated, service, database)} for service in final}


def slot_names(database: Database) -> dict[str, str]:
    """How the evaluation calls the slots that it does not know by their own names; other unknown ones stand for themselves."""
    names = {}
    for service in database.schema.services:
        for slot in service.slots:
            if database.is_reference(service.name, slot.name):
                names[slot.name] = REFERENCE.lower()
            elif slot.name == database.name_slot(service.name) and service.name in SEARCHED:
                names[slot.name] = SEARCHED[service.name].offer.lower()
            elif bare(slot.name) not in PLACEHOLDERS:
                names.setdefault(slot.name, slot.name)
    return names


def _informable(simulated: SimulatedDialogue, service: str, database: Database) -> dict[str, str]:
    name_slot = database.name_slot(service)
    wanted = {slot: value for slot, value in simulated.labels[-1].state[service].items()
              if database.has_column(service, slot) and value != DONTCARE}
    if not _named_by_user(simulated, service, name_slot):
        wanted.pop(name_slot, None)
    return wanted


def _named_by_user(simulated: SimulatedDialogue, service: str, name_slot: str) -> bool:
    """Whether the name was in the state before the system named any entity of the service."""
    for label in simulated.labels:
        if name_slot in label.state.get(service, {}):
            return True
        if any(act.act in _NAMING and (act.service, act.slot) == (service, name_slot) for act in label.acts):
            return False
    return False


def _requestable(simulated: SimulatedDialogue, service: str, database: Database) -> list[str]:
    """What the system was asked for and told; of an entity that is known by a number, the number too."""
    searched = {slot for intent in database.schema.services_by_name[service].intents for slot in intent.slots}
    told = {act.slot for label in simulated.labels for act in label.acts
            if act.act == "Inform" and act.service == service and act.slot and act.slot not in searched}
    name_slot = database.name_slot(service)
    numbered = {name_slot} if service in SEARCHED and SEARCHED[service].offer != PLACEHOLDERS["name"] else set()
    return sorted(told | numbered)


def _is_referred(simulated: SimulatedDialogue, service: str, database: Database) -> bool:
    return any(act.act == "NotifySuccess" and act.service == service and database.is_reference(service, act.slot)
               for label in simulated.labels for act in label.acts)


def _booked(simulated: SimulatedDialogue) -> Sequence[Sequence[str]]:
    """The services booked by the end of each turn."""
    booked: dict[str, None] = {}
    turns = []
    for label in simulated.labels:
        booked.update((act.service, None) for act in label.acts if act.act == "NotifySuccess")
        turns.append(list(booked))
    return turns

