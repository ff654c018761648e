"""What a decoded `schema.json` may hold, checked with one clear error before a schema is built from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from nc_latent_tod.errors import ConfigError

_SHOWN = 60  # characters of a wrong value


def service_specs(data: object) -> list[dict[str, Any]]:
    """The services of a decoded schema file, with their slots and intents, all of the right types; null means absent.

    Other keys are kept and not looked at. Raises `ConfigError` naming the service, the key and what it holds.
    """
    if not isinstance(data, Sequence) or isinstance(data, str | bytes) or not data or not all(
            isinstance(service, Mapping) for service in data):
        raise ConfigError("A schema is a JSON list of services, each an object with 'service_name', 'slots' and 'intents'; "
                          f"found {data!r:.{_SHOWN}}. `nc-latent-tod schema draft TABLE` shows its form.")
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"The schema holds text that is not valid Unicode ({error.object[error.start:error.end]!r}, half an "
                          "emoji for one): repair or remove it.") from None
    specs = [_service(service) for service in data]
    names = [spec["service_name"] for spec in specs]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"The schema has two services called {name!r}: rename one.")
    return specs


def _service(data: Mapping[str, Any]) -> dict[str, Any]:
    spec = _present(data)
    name = _name(spec, "service_name", "a service")
    where = f"service {name!r}"
    _check(spec, "description", where, "text", isinstance(spec.get("description", ""), str))
    slots = _objects(spec, "slots", where)
    intents = _objects(spec, "intents", where)
    return {**spec, "slots": [_slot(slot, where) for slot in slots], "intents": [_intent(intent, where) for intent in intents]}


def _slot(spec: dict[str, Any], service: str) -> dict[str, Any]:
    where = f"slot {_name(spec, 'name', f'a slot of {service}')!r} of {service}"
    values = spec.get("possible_values", [])
    _check(spec, "description", where, "text", isinstance(spec.get("description", ""), str))
    _check(spec, "is_categorical", where, "true or false", isinstance(spec.get("is_categorical", False), bool))
    _check(spec, "possible_values", where, "a list of texts",
           isinstance(values, list | tuple) and all(isinstance(value, str | int | float) for value in values))
    return spec


def _intent(spec: dict[str, Any], service: str) -> dict[str, Any]:
    where = f"intent {_name(spec, 'name', f'an intent of {service}')!r} of {service}"
    optional = spec.get("optional_slots", [])
    _check(spec, "description", where, "text", isinstance(spec.get("description", ""), str))
    _check(spec, "is_transactional", where, "true or false", isinstance(spec.get("is_transactional", False), bool))
    _check(spec, "required_slots", where, "a list of slot names", _are_texts(spec.get("required_slots", [])))
    _check(spec, "optional_slots", where, "slot names, as a list or with their defaults",
           _are_texts(list(optional) if isinstance(optional, Mapping) else optional))
    return spec


def _are_texts(values: object) -> bool:
    return isinstance(values, list | tuple) and all(isinstance(value, str) for value in values)


def _objects(spec: Mapping[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    values = spec.get(key, [])
    _check(spec, key, where, "a list of objects",
           isinstance(values, list | tuple) and all(isinstance(value, Mapping) for value in values))
    return [_present(value) for value in values]


def _present(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if value is not None}


def _name(spec: Mapping[str, Any], key: str, what: str) -> str:
    value = spec.get(key)
    if not isinstance(value, str) or not value.strip():
        raise ConfigError(f"In the schema, {what} has no {key!r}: {str(dict(spec))[:2 * _SHOWN]}")
    return value


def _check(spec: Mapping[str, Any], key: str, where: str, expected: str, is_right: bool) -> None:
    if not is_right:
        raise ConfigError(f"In the schema, {key!r} of {where} must be {expected}, not {str(spec[key])[:_SHOWN]!r}.")
