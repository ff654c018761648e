"""What MultiWOZ's community evaluation fixes by convention: its domains, slots, placeholders and accepted spellings.

The conventions are those of Nekvinda & Dusek 2021, "Shades of BLEU, Flavours of Success: The Case of MultiWOZ", and of
their evaluator (github.com/Tomiinek/MultiWOZ_Evaluation); figures are comparable only where these agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TOTAL = "total"
"""Stands beside the domains: a whole dialogue."""

ARRIVE, LEAVE = "arrive", "leave"
DONTCARE = frozenset({"dontcare", "not mentioned", "don't care", "dont care", "do n't care", "do not care"})


@dataclass(frozen=True, slots=True)
class Searched:
    """A domain whose entities are in a database."""

    offer: str  # the placeholder that identifies an entity
    fuzzy: frozenset[str]  # columns whose values match by near spelling
    ignored: frozenset[str] = frozenset()  # columns that do not constrain


SEARCHED: Mapping[str, Searched] = {
    "restaurant": Searched("NAME", frozenset({"name", "food"}), frozenset({"introduction", "signature"})),
    "hotel": Searched("NAME", frozenset({"name"}), frozenset({"takesbookings"})),
    "attraction": Searched("NAME", frozenset({"name"}), frozenset({"openhours"})),
    "train": Searched("TRAINID", frozenset({"departure", "destination"})),
}
UNSEARCHED = frozenset({"taxi", "police", "hospital"})  # nothing has to be found

REQUESTABLES = {"phone": "PHONE", "address": "ADDRESS", "postcode": "POST", "trainid": "TRAINID"}
"""Requestable slots that Success looks at, with their placeholders. Others (area, price, ...) are not checked."""
REFERENCE = "REFERENCE"  # requested by every goal with a booking

PREFIXES = frozenset({"value", *SEARCHED, *UNSEARCHED})
"""What may stand before a slot in a placeholder: `[value_name]`, `[hotel_name]`."""

PLACEHOLDERS: Mapping[str, str] = {name: placeholder for placeholder, names in {
    "ADDRESS": "address addr", "AREA": "area", "COUNT": "choice count stars stay bookstay people bookpeople",
    "DAY": "day bookday", "DEPARTMENT": "department", "FOOD": "food", "INTERNET": "internet", "NAME": "name",
    "OPEN": "open openhours", "PARKING": "parking", "PHONE": "phone", "PLACE": "place departure depart destination dest",
    "POST": "postcode post", "PRICE": "price pricerange fee entrancefee ticket", "REFERENCE": "reference ref",
    "TIME": "time booktime duration arrive arriveby leave leaveat", "TRAINID": "id train trainid",
    "TYPE": "type car cartype",
}.items() for name in names.split()}
"""Slot name, without prefix, spaces and underscores -> the placeholder of the common delexicalisation."""
OTHER_IDS = {(domain, "id"): "ID" for domain in ("restaurant", "hotel", "attraction", *UNSEARCHED)}
"""(prefix, slot) of ids that are no train's number."""

COLUMNS = {"arriveby": ARRIVE, "leaveat": LEAVE}
"""Slot or column name in lower case without spaces -> the name that the evaluation compares by, where it differs."""

_SPELLINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "name": {
        "arbury lodge guesthouse": ("arbury guesthouse",), "bridge guest house": ("bridge house",),
        "broughton house gallery": ("broughton gallery",), "caffe uno": ("cafe uno", "caffee uno"),
        "cambridge university botanic gardens": ("cambridge botanic gardens",),
        "christ's college": ("christ college", "christs"), "cityroomz": ("cityrooms",),
        "junction theatre": ("the junction",), "limehouse": ("lime house",), "nandos": ("nando's",),
        "parkside swimming pool": ("parkside pools",), "restaurant one seven": ("restaurant 1 7", "restaurant 17"),
        "restaurant two two": ("restaurant 2 2", "restaurant 2 two", "restaurant two 2"),
        "university arms hotel": ("university hotel",), "whale of a time": ("whale of time",),
    },
    "food": {
        "asian": ("asian or oriental",), "australian": ("australasian",), "british": ("english",),
        "european": ("europeon",), "gastropub": ("gastropod",), "italian": ("italain", "intalian"),
        "mediterranean": ("eriterean",), "north american": ("americas", "modern american"),
        "portuguese": ("brazilian", "portugese"), "seafood": ("sea food",),
    },
    "type": {
        "guesthouse": ("guest house",), "multiple sports": ("mutliple sports",),
        "nightclub": ("night club",), "swimmingpool": ("swimming pool",),
    },
    "parking": {"yes": ("free",)},
    "internet": {"yes": ("free",)},
}
SPELLINGS: Mapping[str, Mapping[str, str]] = {
    slot: {spelling: value for value, spellings in values.items() for spelling in spellings}
    for slot, values in _SPELLINGS.items()}
"""Slot -> spelling -> the value that it is looked up as. Two names of the attraction database, `the junction` and
`parkside pools`, are among the spellings, as in the standard evaluator: looked up by name, neither is ever found."""
CORRECTED = frozenset({"type"})  # columns of the databases to which the spellings apply too: one has a misspelling
NAMED = ("name", "departure", "destination")  # share the spellings of names
