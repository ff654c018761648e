"""Which prompts share a batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence


def group_by_length(lengths: Sequence[int], rows: Sequence[int], batch_size: int, *,
                    may_pad_to: int | None = None) -> Iterator[list[int]]:
    """Indices of prompts that are read together, shortest prompts first.

    `rows[i]` continuations follow prompt i; a group has at most `batch_size` of them, or is one prompt. A prompt without any
    is left out. Prompts of different lengths meet only where the longest is at most `may_pad_to` tokens (None: always).
    """
    group: list[int] = []
    for index in sorted((i for i, count in enumerate(rows) if count), key=lambda i: lengths[i]):
        fits = sum(rows[i] for i in group) + rows[index] <= batch_size
        alike = may_pad_to is None or lengths[index] <= may_pad_to or lengths[index] == lengths[group[0]] if group else True
        if group and not (fits and alike):
            yield group
            group = []
        group.append(index)
    if group:
        yield group
