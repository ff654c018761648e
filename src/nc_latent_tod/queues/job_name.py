"""Names of jobs: the fingerprint that makes enqueueing idempotent, and the file name that carries a job's state."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from nc_latent_tod.errors import ConfigError

_FILE_NAME = re.compile(
    r"(?P<order>\d{20})-(?P<job_name>.+-(?P<fingerprint>[0-9a-f]{16}))\.a(?P<attempts>\d+)(\.w(?P<wait_ms>\d+))?"
    r"(\.(?P<token>[0-9a-f]{8}))?\.json"
)
_LABEL_CHARACTERS = 80  # file names end at 255 bytes


def fingerprint(job: dict[str, Any]) -> str:
    """16 hex digits of the SHA-256 of a job as canonical JSON: equal for equal jobs, whatever the order of keys.

    Raises `ConfigError` for a job that JSON cannot hold.
    """
    try:
        canonical = json.dumps(job, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"A job must be plain JSON, but {error}. Enqueue the decoded job file as it is.") from error
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def job_name(job: dict[str, Any]) -> str:
    """A readable name that is unique to the job: its run_id or split, then its fingerprint."""
    data = job.get("data")
    label = job.get("run_id") or (data.get("eval_set_split_name") if isinstance(data, dict) else None) or "job"
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(label)).lstrip(".")[:_LABEL_CHARACTERS]
    return f"{readable or 'job'}-{fingerprint(job)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFileName:
    """The name of a job's file: `<order>-<job name>.a<attempts>[.w<wait>][.<token>].json`. Names sort first in, first out."""

    order: int  # nanoseconds since 1970 when the job was put, or given back after a failure
    job_name: str
    attempts: int  # begun so far
    wait_ms: int = 0  # from `order` on, before the job may be taken again
    token: str = ""  # 8 hex digits of the latest delivery; "" while the job waits

    def __str__(self) -> str:
        wait = f".w{self.wait_ms}" if self.wait_ms else ""
        token = f".{self.token}" if self.token else ""
        return f"{self.order:020d}-{self.job_name}.a{self.attempts}{wait}{token}.json"

    @property
    def waits_until(self) -> float:
        """When the job may be taken, in seconds since 1970 by the clock of who gave it back; 0 where it need not wait."""
        return self.order / 1e9 + self.wait_ms / 1e3 if self.wait_ms else 0.0

    @property
    def fingerprint(self) -> str:
        """The fingerprint within the job's name."""
        return self.job_name[-16:]

    @classmethod
    def parse(cls, name: str) -> JobFileName | None:
        """Read a file name; None where it is of another kind."""
        match = _FILE_NAME.fullmatch(name)
        if match is None:
            return None
        attempts, token = int(match["attempts"]), match["token"] or ""
        return cls(order=int(match["order"]), job_name=match["job_name"], attempts=attempts, token=token,
                   wait_ms=int(match["wait_ms"] or 0))
