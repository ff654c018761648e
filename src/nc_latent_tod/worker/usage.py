"""What the job in hand takes, as its worker tells it: tokens, their rates, shares of time, memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # who looks at workers shall not wait for all that labels
    from nc_latent_tod.pipeline.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Of one attempt at a job, without what a checkpoint held."""

    tokens: int  # that went through the model, padding excluded
    tokens_shared: int  # taken from its cache instead
    padding_share: float  # of the positions that it ran over
    tokens_per_turn: float | None  # computed; None before the first turn
    tokens_per_second: Mapping[str, float]  # by the model's phases: prefill, decode, score
    time_shares: Mapping[str, float]  # of the seconds of labelling, by phase
    peak_memory_bytes: int  # the most that the worker's process has held since it started, without a GPU's


def usage_of(progress: Progress) -> Usage:
    """The rates of a job so far, with the digits that people read."""
    tokens, phases, turns = progress.tokens, progress.phases, progress.turns_done - progress.turns_resumed
    return Usage(
        tokens=tokens.computed, tokens_shared=tokens.shared, padding_share=round(tokens.padding_share, 4),
        tokens_per_turn=round(tokens.computed / turns, 1) if turns else None,
        tokens_per_second={name: round(phases.tokens_per_second(name), 1) for name, count in phases.tokens.items() if count},
        time_shares={name: round(share, 3) for name, share in phases.shares(progress.seconds).items()},
        peak_memory_bytes=progress.peak_memory)


def stored_usage(values: Any) -> Usage | None:
    """A usage that was stored as JSON; None where there is none, or one of a version that told other things."""
    names = {field.name for field in fields(Usage)}
    if not isinstance(values, Mapping) or not names <= values.keys():
        return None
    return Usage(**{name: values[name] for name in names})
