"""How long a job that failed waits for its next attempt, in every queue."""

from __future__ import annotations

import random

Backoff = tuple[float, float]
"""The longest wait after the first failed attempt, which doubles with each further one, and the longest of all, in seconds."""

USUAL: Backoff = (30.0, 900.0)


def wait_s(attempt: int, backoff: Backoff) -> float:
    """Seconds to the next attempt after `attempt` has failed: half of what its number gives to all of it.

    By lot, so that jobs that failed together do not come back together.
    """
    shortest, longest = backoff
    return min(longest, shortest * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0)
