"""What a dataset's `schema.json` says: its name, and its elements (columns) with their types.

The form is that of OctopusCL's datasets (docs/datasets.md of github.com/neuraptic/octopuscl): inputs, outputs and metadata, an
element each with type, `required`, `nullable` and `multi_value`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

FILE_TYPES = frozenset({"document_file", "image_file", "audio_file", "video_file"})
ID = "id"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"

_SHOWN = 60  # characters of a wrong value


class Element(BaseModel):
    """One column of the examples."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    type: Literal["boolean", "integer", "float", "text", "category", "datetime", "document_file", "image_file", "audio_file",
                  "video_file"]
    description: str = ""
    required: bool = True  # the column has to be there
    nullable: bool = False
    multi_value: Literal["unordered", "ordered", "time_series"] | None = None  # then the cell is a JSON list


class DatasetSchema(BaseModel):
    """A decoded `schema.json`."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    name: str = Field(pattern=NAME_PATTERN)
    description: str
    inputs: list[Element] = Field(min_length=1)
    outputs: list[Element]
    metadata: list[Element]

    @property
    def elements(self) -> list[Element]:
        """All columns but the id, in the order of the table."""
        return [*self.inputs, *self.outputs, *self.metadata]

    @field_validator("metadata")
    @classmethod
    def _names_are_unique(cls, metadata: list[Element], info: Any) -> list[Element]:
        names = [e.name for part in ("inputs", "outputs") for e in info.data.get(part, ())] + [e.name for e in metadata]
        if twice := sorted({name for name in names if names.count(name) > 1 or name == ID}):
            raise ValueError(f"the element names {', '.join(twice)} come twice ({ID!r} is the first column's)")
        return metadata


def read_schema(text: str | bytes) -> tuple[DatasetSchema | None, list[str]]:
    """The schema, or None with everything that is wrong with it."""
    try:
        return DatasetSchema.model_validate(json.loads(text)), []
    except ValidationError as error:
        return None, [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}, found {str(fault['input']):.{_SHOWN}}"
                      for fault in error.errors(include_url=False)]
    except (ValueError, RecursionError) as error:
        return None, [f"not JSON ({error})"]


def value_fault(element: Element, cell: Any) -> str:
    """What is wrong with a cell, as CSV (text) or SQLite (typed) gives it; an empty text where nothing is."""
    if is_null(element, cell):
        return "" if element.nullable else "null, and the element is not nullable"
    if element.multi_value is None:
        return _single(element, cell)
    try:
        values = json.loads(cell)
    except (TypeError, ValueError):
        values = None
    if not isinstance(values, list):
        return f"{_shown(cell)} is no JSON list, and the element has several values"
    return next((fault for value in values if (fault := _single(element, value))), "")


def is_null(element: Element, cell: Any) -> bool:
    """Whether a cell holds no value. An empty text is a text where null is not allowed."""
    return cell is None or (cell == "" and (element.nullable or element.type not in {"text", "category"}))


def _single(element: Element, value: Any) -> str:
    if element.type in _IS and not _IS[element.type](value):
        return f"{_shown(value)} is not of type {element.type}"
    return "" if element.type in _IS or isinstance(value, str) else f"{_shown(value)} is not text"


def _reads(convert: Callable[[str], object], *native: type) -> Callable[[Any], bool]:
    def reads(value: Any) -> bool:
        if not isinstance(value, str):
            return isinstance(value, native) and not (isinstance(value, bool) and bool not in native)
        try:
            convert(value)
        except ValueError:
            return False
        return True
    return reads


_IS: Mapping[str, Callable[[Any], bool]] = {
    "boolean": lambda value: str(value).lower() in {"true", "false", "0", "1"},
    "integer": _reads(int, int),
    "float": _reads(float, int, float),
    "datetime": _reads(datetime.fromisoformat),
}


def _shown(value: Any) -> str:
    return f"{str(value)[:_SHOWN]!r}"
