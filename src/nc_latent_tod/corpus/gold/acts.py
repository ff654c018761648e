"""System acts of two annotation schemes in this project's act names. Approximate where the schemes differ.

An act without a counterpart (asking whether there is anything else) is left out. A slot that this project cannot name,
such as the number of results, leaves the act without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.formats.json_files import json_document, mapping, values
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import CorpusError
from nc_latent_tod.labels import SERVICE_ACTS, Act

SGD_ACTS: Mapping[str, str | None] = {
    "INFORM": "Inform", "INFORM_COUNT": "Inform", "OFFER": "Offer", "OFFER_INTENT": "Offer", "CONFIRM": "Confirm",
    "REQUEST": "Request", "NOTIFY_SUCCESS": "NotifySuccess", "NOTIFY_FAILURE": "NotifyFailure", "GOODBYE": "Goodbye",
    "REQ_MORE": None,
}
SGD_COUNTING = frozenset({"INFORM_COUNT", "OFFER_INTENT"})  # their slot is a number of results or an intent, not a slot

MULTIWOZ_ACTS: Mapping[str, str | None] = {
    "inform": "Inform", "recommend": "Offer", "select": "Offer", "offerbook": "Offer", "request": "Request",
    "book": "NotifySuccess", "offerbooked": "NotifySuccess", "nobook": "NotifyFailure", "nooffer": "NotifyFailure",
    "bye": "Goodbye", "greet": "Greeting", "thank": "ThankYou", "welcome": "ThankYou", "reqmore": None,
}
MULTIWOZ_BOOKING = "booking"  # acts of no service of their own: they are about the service spoken of last
MULTIWOZ_GENERAL = "general"
MULTIWOZ_SLOTS: Mapping[str, tuple[str, ...]] = {  # the first that the service has
    "addr": ("address",), "arrive": ("arriveby",), "car": ("type",), "choice": (), "day": ("bookday", "day"),
    "depart": ("departure",), "dest": ("destination",), "fee": ("entrancefee",), "id": ("trainid",), "leave": ("leaveat",),
    "none": (), "open": ("openhours",), "people": ("bookpeople",), "post": ("postcode",),
    "price": ("pricerange", "entrancefee"), "stay": ("bookstay",), "ticket": ("price",), "time": ("booktime", "duration"),
}
MULTIWOZ_HAS_IT = frozenset({"internet", "parking"})  # annotated with the value "none" where the system says there is some


def frame_acts(frames: Iterable[Mapping[str, Any]], where: str) -> list[Act] | None:
    """The acts of one system utterance from its SGD frames; None where they hold no action, so it was not annotated.

    `where` begins the message of a `CorpusError`.
    """
    actions = [(str(frame.get("service", "")), mapping(action, where)) for frame in frames
               for action in frame.get("actions") or ()]
    acts = []
    for service, action in actions:
        name = SGD_ACTS.get(action.get("act", ""))
        slot = "" if action.get("act") in SGD_COUNTING else action.get("slot", "")
        said = values(action.get("values") or [], where) if slot and name not in SERVICE_ACTS else []
        acts += [_act(name, service, slot, value) for value in said or [""]] if name else []
    return _without_bare(acts) if actions else None


class MultiWozActs:
    """The system acts of `dialog_acts.json`: {dialogue: {position: {"dialog_act": {"Domain-Act": [[slot, value]]}}}}."""

    def __init__(self, annotations: Mapping[str, Any], slots: Mapping[str, frozenset[str]],
                 where: str = "dialog_acts.json") -> None:
        """`slots`: the slot names of each service; a service that is not there takes the first name of the table. `where`
        begins the message of a `CorpusError`."""
        self._annotations, self._slots, self._where = annotations, slots, where

    @classmethod
    def beside(cls, path: Path) -> MultiWozActs | None:
        """Acts from the `dialog_acts.json` (and slots from the `schema.json`) of a folder or of the one above, if there."""
        for folder in (path, path.parent):
            if (folder / "dialog_acts.json").is_file():
                file = folder / "dialog_acts.json"
                services = load_schema(folder).services if (folder / "schema.json").is_file() else ()
                slots = {service.name: frozenset(service.slots_by_name) for service in services}
                return cls(mapping(json_document(file), str(file)), slots)
        return None

    def of_dialogue(self, dialogue_id: str) -> dict[int, Sequence[Act]] | None:
        """Acts by position of the utterance, users' turns left out by the caller; None for an unknown dialogue.

        Raises `CorpusError` where they are in another layout.
        """
        annotated = self._annotations.get(dialogue_id) or self._annotations.get(dialogue_id.removesuffix(".json"))
        if annotated is None:
            return None
        try:
            return self._acts_of(annotated)
        except (ValueError, TypeError, AttributeError) as error:
            raise CorpusError(f"{self._where}: the acts of dialogue {dialogue_id!r} are not in the layout {{position: "
                              f'{{"dialog_act": {{"Domain-Act": [["slot", "value"]]}}}}}} ({error}).') from error

    def _acts_of(self, annotated: Mapping[str, Any]) -> dict[int, Sequence[Act]]:
        acts: dict[int, Sequence[Act]] = {}
        spoken_of = ""
        for position in sorted(annotated, key=int):
            tagged = annotated[position].get("dialog_act") or {}
            domains = [key.partition("-")[0].lower() for key in tagged]
            spoken_of = next((d for d in domains if d not in (MULTIWOZ_BOOKING, MULTIWOZ_GENERAL)), spoken_of)
            acts[int(position)] = _without_bare(
                act for key, pairs in tagged.items() for act in self._acts(key, pairs, spoken_of))
        return acts

    def _acts(self, key: str, pairs: Iterable[Sequence[str]], spoken_of: str) -> list[Act]:
        domain, _, kind = key.lower().partition("-")
        name = "Offer" if (domain, kind) == (MULTIWOZ_BOOKING, "inform") else MULTIWOZ_ACTS.get(kind)
        if name is None:
            return []
        service = {MULTIWOZ_GENERAL: "", MULTIWOZ_BOOKING: spoken_of}.get(domain, domain)
        return [_act(name, service, *self._slot(service, slot.lower(), value.lower())) for slot, value in pairs]

    def _slot(self, service: str, slot: str, value: str) -> tuple[str, str]:
        names = MULTIWOZ_SLOTS.get(slot, (slot,))
        known = self._slots.get(service)
        found = next((name for name in names if known is None or name in known), "")
        if value == "none":
            value = "yes" if found in MULTIWOZ_HAS_IT else ""
        return found, value


def _act(name: str, service: str, slot: str, value: str) -> Act:
    if name in ("Goodbye", "Greeting", "ThankYou"):
        return Act(name)
    return Act(name, service, slot, "" if not slot or name in SERVICE_ACTS else value)


def _without_bare(acts: Iterable[Act]) -> list[Act]:
    """Distinct acts; one without a slot goes where the same act of the service has one."""
    distinct = list(dict.fromkeys(acts))
    with_slot = {(act.act, act.service) for act in distinct if act.slot}
    return [act for act in distinct if act.slot or (act.act, act.service) not in with_slot]
