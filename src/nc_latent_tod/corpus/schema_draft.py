"""A first schema from an entity table: columns become slots, and what only a person can know is asked in comments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nc_latent_tod.corpus.entities import UNKNOWN
from nc_latent_tod.schema import identifier

COMMENT = "comment"
"""The key under which a draft asks; readers of schemas do not look at it."""

_SERVICE = ("Describe the service in the words of users. If they also book or buy, add that intent (is_transactional: true) "
            "and its slots, such as day, time or people: a table does not show them.")
_OWN = ("Almost every row has its own value, so users are told it and do not search by it. If they do, add it to the intent's "
        "optional_slots.")
_MOST_VALUES, _MOST_WORDS = 12, 3  # of a slot whose values are listed, and of such a value
_NAMES = ("name", "title")
_LONG_NUMBER, _MANY_ROWS = 5, 20  # digits of a code; rows that tell which columns repeat


@dataclass(frozen=True)
class Column:
    """What a table's column holds."""

    name: str
    values: tuple[str, ...]  # of the rows that have one
    is_nested: bool = False  # some cell is a list or an object

    @property
    def distinct(self) -> tuple[str, ...]:
        """In the order of numbers where all are, else of the alphabet."""
        found = set(self.values)
        return tuple(sorted(found, key=float) if all(map(_is_number, found)) else sorted(found))

    @property
    def is_listed(self) -> bool:
        """Few values that come again and again: possible values of the slot."""
        distinct = self.distinct
        return (0 < len(distinct) <= _MOST_VALUES and len(self.values) >= 2 * len(distinct)
                and all(len(value.split()) <= _MOST_WORDS for value in distinct))

    @property
    def is_name(self) -> bool:
        """`name`, `title`, or something's name."""
        return _words(self.name).split()[-1] in _NAMES

    @property
    def is_own(self) -> bool:
        """A value of its own in almost every row, such as a telephone number: told, hardly ever asked for."""
        distinct = set(self.values)
        coded = all(any(map(str.isdigit, value)) and (len(value) > _LONG_NUMBER or not _is_number(value)) for value in distinct)
        return len(self.values) > 1 and len(distinct) > 0.9 * len(self.values) and (coded or len(self.values) >= _MANY_ROWS)


def draft_schema(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """The decoded `schema.json` of {service: rows}: a service a table, an intent to search it, a slot a column.

    What a person must decide stands under `comment` in services and slots.
    """
    return [_service(name, [_column(key, rows) for key in dict.fromkeys(key for row in rows for key in row)])
            for name, rows in tables.items()]


def open_questions(schema: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Every comment of a draft, with the services or service.slots that it stands at."""
    asked: dict[str, list[str]] = {}
    for service in schema:
        nodes = [(service["service_name"], service), *((f"{service['service_name']}.{s['name']}", s) for s in service["slots"])]
        for where, node in nodes:
            for question in node.get(COMMENT, ()):
                asked.setdefault(question, []).append(where)
    return asked


def _service(name: str, columns: Sequence[Column]) -> dict[str, Any]:
    words = _words(name)
    usable = [column for column in columns if column.values and not column.is_nested]
    asked = [column.name for column in usable if column.is_name or not column.is_own]
    left_out = [column.name for column in columns if column not in usable]
    comments = [_SERVICE]
    if left_out:
        comments.append(f"Left out, as their cells are lists, objects or empty: {', '.join(left_out)}.")
    return {"service_name": name, "description": f"find {_article(words)}", COMMENT: comments,
            "slots": [_slot(column, words, column.name in asked) for column in usable],
            "intents": [{"name": f"find_{identifier(name)}", "description": f"search for {_article(words)}",
                         "is_transactional": False, "required_slots": [], "optional_slots": asked}]}


def _slot(column: Column, service: str, is_asked: bool) -> dict[str, Any]:
    listed = column.is_listed and not column.is_name
    slot: dict[str, Any] = {"name": column.name, "description": f"{_words(column.name)} of the {service}",
                            "is_categorical": listed, "possible_values": list(column.distinct) if listed else []}
    if listed and all(map(_is_number, column.distinct)):
        slot[COMMENT] = [f"Numbers of the table, {column.distinct[0]} to {column.distinct[-1]}: may users ask for others?"]
    elif listed and len(column.distinct) == 1:
        slot[COMMENT] = [f"Always {column.distinct[0]!r}: list the other values that users may ask for, or delete the slot."]
    elif not is_asked:
        slot[COMMENT] = [_OWN]
    return slot


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> Column:
    cells = [row[name] for row in rows if row.get(name) is not None]
    texts = tuple(" ".join(str(cell).split()) for cell in cells)
    return Column(name, tuple(text for text in texts if text.casefold() not in UNKNOWN),
                  any(isinstance(cell, list | Mapping) for cell in cells))


def _words(name: str) -> str:
    return identifier(name).strip("_").replace("_", " ")


def _article(words: str) -> str:
    return f"{'an' if words[:1] in 'aeiou' else 'a'} {words}"


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
