"""Which of the retrieved examples go into a prompt."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

E = TypeVar("E")


def select_diverse(found: Sequence[E], k: int, minimum_distinct: int, key: Callable[[E], Hashable]) -> list[E]:
    """Return `k` of `found` (fewer where there are fewer), in its order, nearest first.

    The nearest of each of the first `minimum_distinct` keys are taken, then the nearest of the others.
    """
    firsts: dict[Hashable, int] = {}
    for i, item in enumerate(found):
        if len(firsts) == min(k, minimum_distinct):
            break
        firsts.setdefault(key(item), i)
    chosen = set(firsts.values())
    for i in range(len(found)):
        if len(chosen) >= k:
            break
        chosen.add(i)
    return [found[i] for i in sorted(chosen)]
