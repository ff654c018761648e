"""What the agent's tasks share: they are asked online, after the user's turn and before the system's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, BeliefState, Example
from nc_latent_tod.notation.printing import quoted
from nc_latent_tod.schema import Schema
from nc_latent_tod.tasks import Order
from nc_latent_tod.tasks.context import USER, Query, context_fields, no_database, retrieval_context, said_by_user
from nc_latent_tod.tasks.prompts import PreambleStyle, acts_preamble, between_fields, call, closing, open_call


class AnswerTask(ABC):
    """What `Policy` and `Responding` have in common. Their state is the one after the user's turn: `label.state` of an
    example."""

    name: str
    call_name: str  # of the call that a prompt shows
    label_name: str  # its last argument

    def __init__(self, schema: Schema, query: Query = no_database, preamble: PreambleStyle = "full") -> None:
        self.schema, self.query = schema, query
        self.preamble = acts_preamble(schema, preamble)

    def conditions(self, acts: Sequence[Act]) -> list[tuple[str, str]]:
        """The fields that say what the label is conditioned on beside the context."""
        return []

    @abstractmethod
    def shown(self, example: Example) -> str:
        """An example's label as text."""

    def retrieval_text(self, turn: Turn, state: BeliefState) -> str:
        return retrieval_context(turn, state, self.schema)

    def observed(self, turn: Turn) -> str:
        return said_by_user(turn)

    def example(self, example: Example, order: Order) -> str:
        text, label = [(USER, quoted(example.turn.user_utterance))], (self.label_name, self.shown(example))
        context = context_fields(example.turn, example.label.state, self.query, self.schema)
        given = self.conditions(example.label.acts)
        last = [*text, *given, label] if order == "direct" else [*given, label, *text]
        return call(self.call_name, [*context, *last])

    def question(self, turn: Turn, state: BeliefState, order: Order, given: Sequence[Act] = ()) -> str:
        text = [(USER, quoted(turn.user_utterance))] if order == "direct" else []
        context = context_fields(turn, state, self.query, self.schema)
        return open_call(self.call_name, [*context, *text, *self.conditions(given)], self.label_name)

    def asked_in(self, example: Example) -> BeliefState:
        return example.label.state

    def opening(self, example: Example, order: Order) -> str:
        return self.question(example.turn, example.label.state, order, example.label.acts)

    def continuation(self, text: str, turn: Turn) -> tuple[str, str]:
        return between_fields(text, USER), closing(turn.user_utterance)

    def slots(self, example: Example) -> frozenset[tuple[str, str]]:
        return frozenset((f"{act.act} {act.service}", act.slot) for act in example.label.acts)
