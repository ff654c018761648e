"""Names in a change of the state linked to entities.

A name that no entity has and the user did not say is a misreading of what the system said: it becomes the name of the entity
that the system's last turn names, else of the one in focus. A name that the user said stays, known or not.
"""

from __future__ import annotations

from nc_latent_tod.agent.grounding import Focus
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import StateChange
from nc_latent_tod.tasks.database import Database


def linked(change: StateChange, turn: Turn, focus: Focus, database: Database) -> StateChange:
    """`change` with such names replaced, where there is an entity to replace them by."""
    found = {service: dict(slots) for service, slots in change.items()}
    for service, slots in found.items():
        name_slot = database.name_slot(service)
        name = slots.get(name_slot)
        if name and not _is_said(name, turn.user_utterance) and not database.matching(service, {name_slot: name}):
            said = turn.last_system_utterance
            named = (row[name_slot] for row in database.entities[service] if _is_said(row[name_slot], said))
            slots[name_slot] = next(named, "") or focus.rows.get(service, {}).get(name_slot) or name
    return found


def _is_said(name: str, utterance: str) -> bool:
    return f" {_words(name)} " in f" {_words(utterance)} "


def _words(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())
