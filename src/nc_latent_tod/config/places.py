"""Names, paths and URLs in job files. A job may run on another machine than its author's, with another home."""

from __future__ import annotations

from typing import Annotated, get_args

from pydantic import AfterValidator, Field
from pydantic.fields import FieldInfo

NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$"
"""Group and run ids are parts of file names, URLs and dataset names."""


def _usable(text: str) -> str:
    if text.startswith("~"):
        raise ValueError(f"{text!r} begins with '~', which only a shell replaces: write the whole path")
    if "\0" in text:
        raise ValueError(f"{text!r} holds a character that no file name can have")
    return text


class _OfAPlace:
    """Marks the keys that name a place."""


Place = Annotated[str, Field(min_length=1), AfterValidator(_usable), _OfAPlace()]
"""A path, a URL, or a name of the Hub or of what comes with the package."""


def is_place(field: FieldInfo) -> bool:
    """Whether a key of a section names a place."""
    marks = [*field.metadata, *(mark for part in get_args(field.annotation) for mark in getattr(part, "__metadata__", ()))]
    return any(isinstance(mark, _OfAPlace) for mark in marks)
