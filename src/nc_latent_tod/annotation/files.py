"""JSON files of rounds and corrections: read with an error that says what to do, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nc_latent_tod.errors import CorpusError, DamagedError
from nc_latent_tod.system.files import read_bytes, write_bytes


def read_object(url: str | Path, what: str, advice: str) -> tuple[dict[str, Any], bytes]:
    """The JSON object at `url`, and its bytes. Raises `CorpusError` naming the file, with `advice` how to get a right one."""
    try:
        data = read_bytes(url)
    except DamagedError:
        raise CorpusError(f"There is no {what} {url}. {advice}") from None
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CorpusError(f"The {what} {url} is not JSON in UTF-8 ({error}). {advice}") from None
    if not isinstance(found, dict):
        raise CorpusError(f"The {what} {url} is a JSON {type(found).__name__}, not an object. {advice}")
    return found, data


def write_object(url: str | Path, data: Mapping[str, Any]) -> None:
    """Put `data` at `url` as JSON; equal data give equal bytes. Raises `RetryableError` where the storage fails."""
    write_bytes(url, object_bytes(data))


def object_bytes(data: Mapping[str, Any]) -> bytes:
    """The bytes that `write_object` writes. A lone surrogate, half an emoji, stays as an escape."""
    text = f"{json.dumps(data, indent=1, ensure_ascii=False)}\n"
    try:
        return text.encode()
    except UnicodeEncodeError:
        return f"{json.dumps(data, indent=1)}\n".encode()
