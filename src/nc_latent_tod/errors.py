"""Everything this package raises on purpose. A class exists where a caller acts differently on it.

NcLatentTodError
├── PermanentError            the same input can never work: a worker dead-letters the job at once
│   ├── ConfigError           a job file, schema file or option is wrong
│   ├── CorpusError           dialogues cannot be read, or a split does not exist
│   ├── ModelError            a model is missing, gated, or does not fit this machine
│   └── DamagedError          stored labels or manifest entries are missing, duplicate or damaged
├── RetryableError            may work next time: a worker gives the job back
│   ├── LeaseLostError        another worker holds the job now: stop, write nothing
│   └── InterruptedJobError   a signal asked the job to stop after the turns in hand
├── TurnError                 one turn cannot be labelled: a label with this reason, the job goes on
└── ParseError                a model's text is not in the label language: one candidate less
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib.util import find_spec


class NcLatentTodError(Exception):
    """Base of every error that this package raises on purpose."""


class PermanentError(NcLatentTodError):
    """The same input can never work."""


class ConfigError(PermanentError):
    """A job file, schema file or option is wrong."""


class CorpusError(PermanentError):
    """Dialogues cannot be read, or a split does not exist."""


class ModelError(PermanentError):
    """A model is missing, gated, or does not fit this machine."""


class DamagedError(PermanentError):
    """Stored labels or manifest entries are missing, duplicate or damaged."""


class RetryableError(NcLatentTodError):
    """May work next time."""


class LeaseLostError(RetryableError):
    """Another worker holds the job now."""


class InterruptedJobError(RetryableError):
    """A signal asked the job to stop; what is finished is checkpointed."""


class TurnError(NcLatentTodError):
    """One turn cannot be labelled. `reason` is a short code, such as `utterance_too_long`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ParseError(NcLatentTodError):
    """A text is not in the label language. `reason` is a short code, such as `unknown_slot`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def storage_failed(doing: str, error: OSError) -> RetryableError:
    """The error of a storage that failed in `doing`. S3's own says already what it could not do, and is taken as it is."""
    told = str(error)
    return RetryableError(told if told.startswith("Cannot ") else f"Cannot {doing}: {told}.")


def require_extra(what: str, extra: str, *modules: str) -> None:
    """Raise `ConfigError` with the pip command where a module of an extra of this package is missing. Imports none of them."""
    if missing := [module for module in modules if find_spec(module) is None]:
        raise ConfigError(f"{what} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
                          f"Run: pip install 'nc_latent_tod[{extra}]'")


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the valid name nearest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(valid), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""
