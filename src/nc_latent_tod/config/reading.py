"""Sections read from JSON, strictly and whole: every problem in one error that names the field, its value and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from nc_latent_tod.config.section import Section
from nc_latent_tod.errors import ConfigError, nearest

_VALUE_CHARACTERS = 80  # of a wrong value are shown

S = TypeVar("S", bound=Section)


def read_section(kind: type[S], data: Mapping[str, Any] | str | bytes, source: str, what: str) -> S:
    """Read a `kind` from decoded or raw JSON; `what` is how it is called in messages, such as `job`.

    Raises one `ConfigError` that names every problem: the field's path, its value, and the nearest valid name.
    """
    decoded = decode(data, source, what) if isinstance(data, str | bytes) else data
    try:
        return kind.model_validate_json(json.dumps(decoded))
    except ValidationError as error:
        problems = [_describe(problem, kind) for problem in error.errors(include_url=False)]
    except (TypeError, ValueError, RecursionError) as error:
        problems = [f"not JSON data: {error}"]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise ConfigError("\n  ".join([f"{source}: {count} in this {what}.", *problems]))


def decode(text: str | bytes, source: str, what: str) -> Any:
    """Decoded JSON, in which no key comes twice. Raises `ConfigError`."""
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: not UTF-8 text ({error}). Save the file as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}. JSON has no "
                          "comments, no comma after a last item, and no other quotes than \".") from error
    except ValueError:  # what else Python's reader refuses: a number of thousands of digits
        raise ConfigError(f"{source}: holds a number that is too long for a {what}. Shorten it.") from None
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply for a {what}.") from None
    except _DuplicateKey as error:
        raise ConfigError(f"{source}: the key {error.args[0]!r} appears twice in one section: remove one.") from None


class _DuplicateKey(Exception):
    """JSON permits a repeated key and keeps the last, which hides a mistake."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    section = dict(pairs)
    if len(section) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKey(next(key for key in keys if keys.count(key) > 1))
    return section


def _describe(problem: Mapping[str, Any], kind: type[BaseModel]) -> str:
    """One problem as `path = value: what is wrong, and what to do`."""
    location = problem["loc"]
    path = ".".join(str(part) for part in location) or "the file"
    match problem["type"]:
        case "missing":
            return f"{path}: required, but missing."
        case "extra_forbidden":
            return f"{path} = {_shown(problem['input'])}: unknown key.{_instead(location, kind)}"
        case "value_error":
            return f"{path}: {problem['ctx']['error']}."
        case "literal_error":
            choices = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
            hint = nearest(str(problem["input"]), choices) or f" Use {problem['ctx']['expected']}."
            return f"{path} = {_shown(problem['input'])}: not a choice.{hint}"
        case "string_pattern_mismatch":
            return f"{path} = {_shown(problem['input'])}: use letters, digits, '_', '.' and '-' only (200 at most)."
        case "model_type":
            return f"{path} = {_shown(problem['input'])}: must be a section, {{...}}."
    return f"{path} = {_shown(problem['input'])}: {problem['msg'][:1].lower()}{problem['msg'][1:]}."


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}..."


def _instead(location: Sequence[str | int], kind: type[BaseModel]) -> str:
    """What an unknown key may have meant: a key of its section, or the section that has such a key."""
    *parents, key = (str(part) for part in location)
    section = kind
    for part in parents:
        section = _section_of(section, part) or section
    if hint := nearest(key, section.model_fields):
        return hint
    owners = [path for path, fields in _sections(kind) if key in fields and path]
    owners = [path for path in owners if parents and path.startswith(parents[0])] or owners
    if owners:
        return f" It belongs in {' or '.join(owners)}."
    return f" Valid keys here: {', '.join(section.model_fields)}."


def _section_of(section: type[BaseModel], name: str) -> type[BaseModel] | None:
    field = section.model_fields.get(name)
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _sections(section: type[BaseModel], path: str = "") -> list[tuple[str, set[str]]]:
    found = [(path, set(section.model_fields))]
    for name in section.model_fields:
        if child := _section_of(section, name):
            found += _sections(child, f"{path}.{name}".strip("."))
    return found
