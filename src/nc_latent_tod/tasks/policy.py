"""Policy: which acts the system answers with. It is asked online, so it reads no system response.

Values come from the database later: an act says `Offer(entity=Hotel(name="[value_name]"))`. Yes and no stay, for they are
not copied but worded.
"""

from __future__ import annotations

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, BeliefState, Example
from nc_latent_tod.notation.delexicalise import without_values
from nc_latent_tod.notation.parsing import parse_acts
from nc_latent_tod.notation.printing import print_acts, quoted
from nc_latent_tod.schema import Schema
from nc_latent_tod.tasks import Order
from nc_latent_tod.tasks.context import USER, Query, context_fields, no_database, retrieval_context, said_by_user
from nc_latent_tod.tasks.prompts import PreambleStyle, acts_preamble, between_fields, call, closing, open_call

_CALL = "agent.decide"
_LABEL = "system_acts"


class Policy:
    """`Task` over delexicalised system acts. Its state is the one after the user's turn: `label.state` of an example."""

    name = "policy"

    def __init__(self, schema: Schema, query: Query = no_database, preamble: PreambleStyle = "full") -> None:
        self.schema, self.query = schema, query
        self.preamble = acts_preamble(schema, preamble)

    def retrieval_text(self, turn: Turn, state: BeliefState) -> str:
        return retrieval_context(turn, state, self.schema)

    def observed(self, turn: Turn) -> str:
        return said_by_user(turn)

    def example(self, example: Example, order: Order) -> str:
        label, text = (_LABEL, self.print(self.label(example))), (USER, quoted(example.turn.user_utterance))
        last = [text, label] if order == "direct" else [label, text]
        return call(_CALL, [*context_fields(example.turn, example.label.state, self.query, self.schema), *last])

    def question(self, turn: Turn, state: BeliefState, order: Order) -> str:
        text = [(USER, quoted(turn.user_utterance))] if order == "direct" else []
        return open_call(_CALL, [*context_fields(turn, state, self.query, self.schema), *text], _LABEL)

    def asked_in(self, example: Example) -> BeliefState:
        return example.label.state

    def opening(self, example: Example, order: Order) -> str:
        return self.question(example.turn, example.label.state, order)

    def continuation(self, text: str, turn: Turn) -> tuple[str, str]:
        return between_fields(text, USER), closing(turn.user_utterance)

    def parse(self, text: str, state: BeliefState) -> tuple[Act, ...]:
        return without_values(parse_acts(text, self.schema))

    def print(self, label: tuple[Act, ...]) -> str:
        return print_acts(label, self.schema)

    def label(self, example: Example) -> tuple[Act, ...]:
        return without_values(example.label.acts)

    def slots(self, example: Example) -> frozenset[tuple[str, str]]:
        return frozenset((f"{act.act} {act.service}", act.slot) for act in example.label.acts)
