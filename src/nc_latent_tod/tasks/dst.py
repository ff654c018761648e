"""Dialogue state tracking: the change of the belief state that a user utterance asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import TurnError
from nc_latent_tod.labels import Act, BeliefState, Example, StateChange
from nc_latent_tod.notation.parsing import parse_change
from nc_latent_tod.notation.printing import print_change, print_state, quoted
from nc_latent_tod.schema import Schema
from nc_latent_tod.tasks import Order
from nc_latent_tod.tasks.prompts import PreambleStyle, between_fields, call, closing, open_call, state_preamble

_CALL = "agent.handle_turn"
_LABEL, _TEXT = "user_intent", "user_utterance"


class StateTracking:
    """`Task` over state changes."""

    name = "dst"

    def __init__(self, schema: Schema, preamble: PreambleStyle = "full", *, normalise: bool = True) -> None:
        self.schema, self.normalise = schema, normalise
        self.preamble = state_preamble(schema, preamble)

    def retrieval_text(self, turn: Turn, state: BeliefState) -> str:
        return f"{print_state(state, self.schema)} system: {turn.last_system_utterance} user: {turn.user_utterance}"

    def observed(self, turn: Turn) -> str:
        if not turn.user_utterance.strip():
            raise TurnError("empty_utterance", f"Turn {turn.turn_id} of dialogue {turn.dialogue_id!r} has no user utterance.")
        return turn.user_utterance

    def example(self, example: Example, order: Order) -> str:
        turn = example.turn
        label = (_LABEL, print_change(example.label.change, self.schema))
        text = (_TEXT, quoted(turn.user_utterance))
        last = [text, label] if order == "direct" else [label, text]
        return call(_CALL, [*self._context(turn, example.prior_state), *last])

    def question(self, turn: Turn, state: BeliefState, order: Order, given: Sequence[Act] = ()) -> str:
        text = [(_TEXT, quoted(turn.user_utterance))] if order == "direct" else []
        return open_call(_CALL, [*self._context(turn, state), *text], _LABEL)

    def asked_in(self, example: Example) -> BeliefState:
        return example.prior_state

    def opening(self, example: Example, order: Order) -> str:
        return self.question(example.turn, example.prior_state, order)

    def _context(self, turn: Turn, state: BeliefState) -> list[tuple[str, str]]:
        return [("belief_state", print_state(state, self.schema)),
                ("last_system_utterance", quoted(turn.last_system_utterance))]

    def continuation(self, text: str, turn: Turn) -> tuple[str, str]:
        return between_fields(text, _TEXT), closing(turn.user_utterance)

    def parse(self, text: str, state: BeliefState) -> StateChange:
        return parse_change(text, self.schema, state, normalise=self.normalise)

    def print(self, label: StateChange) -> str:
        return print_change(label, self.schema)

    def label(self, example: Example) -> StateChange:
        return example.label.change

    def slots(self, example: Example) -> frozenset[tuple[str, str]]:
        change: Mapping[str, Mapping[str, str | None]] = example.label.change
        return frozenset((service, slot) for service, slots in change.items() for slot in slots)
