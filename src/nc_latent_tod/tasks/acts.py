"""Act tagging: the dialogue acts of a system response, inferred offline from the response itself."""

from __future__ import annotations

from collections.abc import Sequence

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, BeliefState, Example
from nc_latent_tod.notation.parsing import parse_acts
from nc_latent_tod.notation.printing import print_acts, quoted
from nc_latent_tod.schema import Schema
from nc_latent_tod.tasks import Order
from nc_latent_tod.tasks.prompts import PreambleStyle, acts_preamble, between_fields, call, closing, open_call

_CALL = "agent.respond"
_LABEL, _TEXT = "system_acts", "system_response"


class ActTagging:
    """`Task` over system acts. The belief state plays no part."""

    name = "act_tag"

    def __init__(self, schema: Schema, preamble: PreambleStyle = "full", *, normalise: bool = True) -> None:
        self.schema, self.normalise = schema, normalise
        self.preamble = acts_preamble(schema, preamble)

    def retrieval_text(self, turn: Turn, state: BeliefState) -> str:
        return f"user: {turn.user_utterance} system: {turn.system_response}"

    def observed(self, turn: Turn) -> str:
        return turn.system_response if turn.system_response.strip() else ""

    def example(self, example: Example, order: Order) -> str:
        label = (_LABEL, print_acts(example.label.acts, self.schema))
        text = (_TEXT, quoted(example.turn.system_response))
        return call(_CALL, [text, label] if order == "direct" else [label, text])

    def question(self, turn: Turn, state: BeliefState, order: Order, given: Sequence[Act] = ()) -> str:
        text = [(_TEXT, quoted(turn.system_response))] if order == "direct" else []
        return open_call(_CALL, text, _LABEL)

    def asked_in(self, example: Example) -> BeliefState:
        return example.prior_state

    def opening(self, example: Example, order: Order) -> str:
        return self.question(example.turn, example.prior_state, order)

    def continuation(self, text: str, turn: Turn) -> tuple[str, str]:
        return between_fields(text, _TEXT), closing(turn.system_response)

    def parse(self, text: str, state: BeliefState) -> tuple[Act, ...]:
        return parse_acts(text, self.schema, normalise=self.normalise)

    def print(self, label: tuple[Act, ...]) -> str:
        return print_acts(label, self.schema)

    def label(self, example: Example) -> tuple[Act, ...]:
        return example.label.acts

    def slots(self, example: Example) -> frozenset[tuple[str, str]]:
        return frozenset((f"{act.act} {act.service}", act.slot) for act in example.label.acts)
