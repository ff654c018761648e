"""What a model is asked for: belief states (`dst`) and system acts (`acts`) of dialogues that happened; and for an agent,
which acts to answer with (`policy`) and in which words (`response`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Literal, Protocol, TypeVar

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, BeliefState, Example

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

    def question(self, turn: Turn, state: BeliefState, order: Order, given: Sequence[Act] = ()) -> str:
        """The turn as text, up to the open bracket of the label. `given`: acts that the label is conditioned on, if any."""

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
