"""Log records as JSON, one object a line, with what the worker is doing at that moment."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from nc_latent_tod.system.visible import one_line, visible

_WITH_OWN_HANDLERS = ("huggingface_hub", "transformers", "datasets")

_fields: ContextVar[dict[str, Any] | None] = ContextVar("log_fields", default=None)


@contextmanager
def log_fields(**fields: Any) -> Iterator[None]:
    """Add `fields` to every JSON record of this context, such as run_id, group_id, worker."""
    token = _fields.set({**(_fields.get() or {}), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def add_log_fields(**fields: Any) -> None:
    """Add `fields` until the `log_fields` around it ends: what is known only later. Without one, nothing happens."""
    current = _fields.get()
    if current is not None:
        current.update(fields)


class JsonLines(logging.Formatter):
    """One JSON object a record, in ASCII: time (UTC), level, logger, message, the fields, and an error's traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        data = {"time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
                "level": record.levelname.lower(), "logger": record.name, "message": record.getMessage(),
                **(_fields.get() or {})}
        if record.exc_info:
            data["exception"] = self.formatException(record.exc_info)
        return json.dumps(data, default=str)


class OneLine(logging.Formatter):
    """A record as one line for people, but for its traceback: a newline or an escape in a message forges no other line."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  the name of the standard library
        """The line."""
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """The traceback, with what it holds of others shown as escapes."""
        return visible(super().formatException(ei))


class _OneHandler(logging.Logger):
    """A library's logger whose records go to the root's handler alone, whatever the library sets up for itself."""

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802  the name of the standard library
        """Do nothing."""

    @property
    def propagate(self) -> bool:  # type: ignore[override]
        """True."""
        return True

    @propagate.setter
    def propagate(self, value: bool) -> None:
        pass


def write_json_lines() -> None:
    """Send all log records to stderr as JSON, of warnings and errors if their logger has no level of its own."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, force=True, handlers=[handler])
    usual = logging.getLoggerClass()
    logging.setLoggerClass(_OneHandler)
    for name in _WITH_OWN_HANDLERS:  # before they are imported
        logging.getLogger(name)
    logging.setLoggerClass(usual)



def logs_are_json() -> bool:
    """Whether this process's log goes out as JSON."""
    return any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers)


def notice(text: str) -> bytes:
    """A line for stderr in the form of the log. Takes no lock, so a signal handler may write it."""
    if not logs_are_json():
        return f"{one_line(text)}\n".encode()
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": now, "level": "info", "logger": __name__, "message": text}).encode() + b"\n"
