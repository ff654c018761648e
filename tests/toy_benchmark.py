"""A benchmark folder small enough to score by hand: three hotels, two restaurants, two trains, two dialogues."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

HOTELS = [
    {"id": "0", "name": "alder house", "area": "east", "stars": "4", "internet": "yes", "price": {"single": "50"}},
    {"id": "1", "name": "birch lodge", "area": "east", "stars": "3", "internet": "yes"},
    {"id": "2", "name": "cedar inn", "area": "west", "stars": "4", "internet": "?"},
]
RESTAURANTS = [{"id": "7", "name": "caffe uno", "area": "east", "food": "italian", "introduction": "pasta"},
               {"id": "8", "name": "the oak", "area": "west", "food": "british", "introduction": "pies"}]
TRAINS = [{"trainID": "TR1", "departure": "ely", "destination": "cambridge", "leaveAt": "09:00", "arriveBy": "09:20"},
          {"trainID": "TR2", "departure": "ely", "destination": "cambridge", "leaveAt": "11:00", "arriveBy": "11:20"}]
GOALS = {
    "sng0001": {"hotel": {"informable": {"area": "east", "stars": "4"}, "requestable": ["phone", "area"], "booking": True}},
    "mul0002": {"train": {"informable": {"departure": "ely", "leaveat": "10:00"}, "requestable": [], "booking": False},
                "taxi": {"informable": {}, "requestable": ["phone", "cartype"], "booking": False}},
}
BOOKED: Mapping[str, list[list[str]]] = {"sng0001": [[], ["hotel"]], "mul0002": [[], []]}

HOTEL = {"hotel": {"area": "east", "stars": "4"}}
TRAIN = {"train": {"departure": "ely", "leave": "10:00"}}
TAXI = {**TRAIN, "taxi": {"destination": "alder house"}}
PREDICTIONS = {
    "sng0001": [{"response": "there is [value_name] , on [value_phone] .", "state": HOTEL},
                {"response": "booked ! your number is [value_reference] .", "state": HOTEL}],
    "mul0002": [{"response": "[value_id] leaves at [value_leave] .", "state": TRAIN},
                {"response": "a [value_car] , call [value_phone] .", "state": TAXI}],
}
"""Both dialogues are informed and succeed."""


def write_benchmark(folder: Path, *, goals: Mapping = GOALS, booked: Mapping = BOOKED,
                    databases: Sequence[str] = ("hotel", "restaurant", "train")) -> Path:
    """Write the folder, with those databases alone."""
    (folder / "db").mkdir(parents=True)
    rows = {"hotel": HOTELS, "restaurant": RESTAURANTS, "train": TRAINS}
    for domain in databases:
        write_json(folder / "db" / f"{domain}_db.json", rows[domain])
    write_json(folder / "goals_test.json", goals)
    write_json(folder / "booked_domains.json", booked)
    return folder


def write_json(path: Path, data: Any) -> Path:
    path.write_text(json.dumps(data))
    return path
