"""Labelled turns as training text: many calls after one preamble, exactly as the product's prompts show them.

In a pack every call is an in-context example for the ones after it and a training target itself, so one pass trains prompts
with 0, 1, 2, ... examples. Text is cut into segments where a prompt ends and a model's answer begins, and each segment is
tokenised apart, as in sampling and scoring.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nc_latent_tod.labels import Example
from nc_latent_tod.tasks import Order, Task


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a pack. `is_target` marks what a model is asked for: the label, or the text given the label."""

    text: str
    is_target: bool


def call_segments(task: Task, example: Example, order: Order) -> list[Segment]:
    """One call: the question, the answer, the rest. Joined, they are `task.example(example, order)`."""
    question = task.opening(example, order)
    whole = task.example(example, order)
    label = task.print(task.label(example))
    if order == "direct":
        # the sampled answer runs to the stop string, the end of the line
        parts = [(question, False), (f"{label[1:]},\n", True)]
    else:
        y, x = task.continuation(label, example.turn)
        parts = [(question, False), (y, True), (x, True)]
    rest = whole[sum(len(text) for text, _ in parts):]
    return [Segment(text, is_target) for text, is_target in [*parts, (rest, False)]]


def pack(task: Task, order: Order, examples: Sequence[Example], *, length: int, count: Callable[[str], int],
         rng: random.Random, calls: int | None = None) -> list[Segment]:
    """Fill `length` tokens with the preamble and calls drawn from `examples` (at most `calls`), in a third of the packs alike.

    Alike are examples that share a slot of their labels with one drawn at random, as retrieved examples would. A turn never
    comes after a later one of its dialogue, whose state would show the answer.
    """
    pool = list(examples)
    rng.shuffle(pool)
    if pool and rng.random() < 1 / 3:
        shared = task.slots(pool[0])
        pool.sort(key=lambda e: (not shared & task.slots(e)))  # stable: alike ones first, each part in random order
        alike = sum(bool(shared & task.slots(e)) for e in pool)
        pool = rng.sample(pool[:alike], alike) + pool[alike:]
    segments = [Segment(task.preamble, False)]
    used, packed = count(task.preamble), 0
    newest: dict[str, int] = {}
    for example in pool:
        if example.turn.turn_id < newest.get(example.turn.dialogue_id, 0):
            continue
        newest[example.turn.dialogue_id] = example.turn.turn_id
        call = call_segments(task, example, order)
        used += sum(count(segment.text) for segment in call)
        segments.extend(call)
        packed += 1
        if used >= length or packed == calls:
            break
    return segments
