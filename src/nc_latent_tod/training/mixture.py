"""A mixture of prompt modes as tokens to train on: which task and order a pack is of, and what its tokens weigh."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nc_latent_tod.labels import Example
from nc_latent_tod.tasks import Order, Task
from nc_latent_tod.training.packing import pack


@dataclass(frozen=True, slots=True)
class Part:
    """One prompt mode of a mixture: a task in one order. A mode of twice the weight gets twice the packs."""

    task: str
    order: Order
    weight: float


@dataclass(frozen=True)
class Packer:
    """Draws packs. Pure: a pack depends on the examples and the random stream alone."""

    tasks: Mapping[str, Task]
    mixture: Sequence[Part]
    encode: Callable[[str], Sequence[int]]  # without special tokens
    context_weight: float = 0.0  # of the loss on tokens that no prompt asks for
    calls: int | None = None  # at most so many calls a pack: k examples and the turn asked about are k + 1

    def draw(self, rng: random.Random) -> Part:
        """A mode, by the weights."""
        return rng.choices(self.mixture, weights=[part.weight for part in self.mixture])[0]

    def pack(self, part: Part, examples: Sequence[Example], length: int, rng: random.Random) -> tuple[list[int], list[float]]:
        """Token ids and loss weights (1.0 where a model is asked), at most `length` of each."""
        segments = pack(self.tasks[part.task], part.order, examples, length=length, rng=rng, calls=self.calls,
                        count=lambda text: len(self.encode(text)))
        tokens: list[int] = []
        weights: list[float] = []
        for segment in segments:
            ids = self.encode(segment.text)
            tokens.extend(ids)
            weights.extend([1.0 if segment.is_target else self.context_weight] * len(ids))
        return tokens[:length], weights[:length]
