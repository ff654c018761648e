"""The schema, entities and wording that ship with the package: an invented town, written for this project."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from nc_latent_tod.schema import Schema

_DATA = "nc_latent_tod"


def packaged_schema() -> Schema:
    """Five services of the town of Alderby: hotel, restaurant, train, attraction, taxi."""
    return Schema.from_json(_read("schema.json"))


def packaged_entities() -> Mapping[str, Sequence[Mapping[str, str]]]:
    """The entity table of `packaged_schema`: {service: [{slot: value}]}, about 20 rows a service."""
    entities: Mapping[str, Sequence[Mapping[str, str]]] = _read("entities.json")
    return entities


def packaged_wording() -> Mapping[str, Any]:
    """Phrases for `packaged_schema` as decoded JSON: input of `simulate.Wording.from_json`."""
    wording: Mapping[str, Any] = _read("wording.json")
    return wording


def _read(name: str) -> Any:
    return json.loads(resources.files(_DATA).joinpath("data", name).read_text(encoding="utf-8"))
