"""What a model is asked for: belief states (`dst`) and system acts (`acts`) of dialogues that happened; and for an agent,
which acts to answer with (`policy`) and in which words (`response`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Literal, Protocol, TypeVar

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import TurnError
from nc_latent_tod.labels import BeliefState, Example
from nc_latent_tod.tasks.prompts import Prompt

Order = Literal["direct", "channel"]
"""`direct` asks for the label given the text, `channel` for the text given the label."""

T = TypeVar("T")


class Task(Protocol, Generic[T]):
    """One kind of label `T` (a state change, or acts) and how a language model is asked for it. Pure."""

    name: str  # the job file's section: dst, act_tag; policy, response
    preamble: str

    def retrieval_text(self, turn: Turn, state: BeliefState) -> str:
        """What examples are searched by."""

    def observed(self, turn: Turn) -> str:
        """The text x that the channel explains. Empty: there is nothing to label. Raises `TurnError` where it must not be."""

    def example(self, example: Example, order: Order) -> str:
        """An in-context example as text."""

    def question(self, turn: Turn, state: BeliefState, order: Order) -> str:
        """The turn as text, up to the open bracket of the label."""

    def asked_in(self, example: Example) -> BeliefState:
        """The state of the example that the task is asked in: the one before the user's turn, or after it."""

    def opening(self, example: Example, order: Order) -> str:
        """The example as a question: its text up to the open bracket of the label."""

    def continuation(self, text: str, turn: Turn) -> tuple[str, str]:
        """What follows a channel question for the canonical label `text`: the segments of y and of x."""

    def parse(self, text: str, state: BeliefState) -> T:
        """Read a model's text. Raises `ParseError`."""

    def print(self, label: T) -> str:
        """Canonical text."""

    def label(self, example: Example) -> T:
        """This task's part of an example's label."""

    def slots(self, example: Example) -> frozenset[tuple[str, str]]:
        """What makes an example's label distinct from another's."""


def fit_prompt(task: Task, order: Order, turn: Turn, state: BeliefState, examples: Sequence[Example], *,
               budget: int, count_tokens: Callable[[Sequence[str]], Sequence[int]]) -> Prompt:
    """Build a prompt of at most `budget` tokens; `examples` come nearest first and are printed nearest last.

    Where it would be longer, the farthest examples go first, then the oldest part of the last system utterance. Raises
    `TurnError('prompt_too_long')` where that is not enough.
    """
    texts = [task.example(example, order) for example in examples]
    question = task.question(turn, state, order)
    fixed, asked, *lengths = count_tokens([task.preamble, question, *texts])
    room = budget - fixed - asked
    kept = 0
    while kept < len(lengths) and sum(lengths[: kept + 1]) <= room:
        kept += 1
    truncated = room < 0
    if truncated:
        question = _cut_oldest(task, order, turn, state, budget - fixed, count_tokens)
    return Prompt(task.preamble, "".join([*reversed(texts[:kept]), question]), kept, truncated)


def _cut_oldest(task: Task, order: Order, turn: Turn, state: BeliefState, room: int,
                count_tokens: Callable[[Sequence[str]], Sequence[int]]) -> str:
    """The question with as much of the end of the last system utterance as fits, found by halving."""
    words = turn.last_system_utterance.split(" ")
    fits, too_long = 0, len(words)
    best = None
    while fits < too_long:
        keep = (fits + too_long) // 2
        shorter = Turn(turn.dialogue_id, turn.turn_id, " ".join(words[len(words) - keep:]) if keep else "",
                       turn.user_utterance, turn.system_response)
        question = task.question(shorter, state, order)
        if count_tokens([question])[0] <= room:
            best, fits = question, keep + 1
        else:
            too_long = keep
    if best is None:
        raise TurnError("prompt_too_long", f"Turn {turn.turn_id} of dialogue {turn.dialogue_id!r} does not fit the model "
                        f"even without examples: {room} tokens are left after the preamble. Use a model with a longer "
                        "context, or a shorter preamble (generation_cfg.preamble).")
    return best
