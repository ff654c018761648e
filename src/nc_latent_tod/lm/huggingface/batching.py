"""Which texts share a forward pass."""

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


def passes(lengths: Sequence[int], *, budget: int, most_rows: int, pass_cost: int) -> Iterator[list[int]]:
    """Indices of texts that go through the model in one forward pass, padded to the longest of them; longest first.

    A pass has at most `budget` positions, padding included, and `most_rows` texts, or is one text. It ends where its padding
    would exceed `pass_cost`: what a pass costs besides its positions, in positions.
    """
    part: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        width = lengths[part[0]] if part else 0
        padding = sum(width - lengths[i] for i in [*part, index])
        if part and (width * (len(part) + 1) > budget or len(part) == most_rows or padding > pass_cost):
            yield part
            part = []
        part.append(index)
    if part:
        yield part
