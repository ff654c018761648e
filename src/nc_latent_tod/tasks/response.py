"""Response: the system's delexicalised words for acts that are decided, `["[value_name] is in the [value_area]."]`."""

from __future__ import annotations

import copy
import json
import unicodedata

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ParseError
from nc_latent_tod.labels import Act, BeliefState, Example
from nc_latent_tod.notation.delexicalise import without_values
from nc_latent_tod.notation.parsing import MAX_CHARS
from nc_latent_tod.notation.printing import print_acts, quoted
from nc_latent_tod.schema import Schema
from nc_latent_tod.tasks import Order
from nc_latent_tod.tasks.context import USER, Query, context_fields, no_database, retrieval_context, said_by_user
from nc_latent_tod.tasks.prompts import PreambleStyle, acts_preamble, between_fields, call, closing, open_call

_CALL = "agent.say"
_LABEL = "system_response"


class Responding:
    """`Task` over delexicalised responses. Its state is the one after the user's turn: `label.state` of an example.

    The acts of the turn that is asked about are given with `given`; those of an example are its label's.
    """

    name = "response"

    def __init__(self, schema: Schema, query: Query = no_database, preamble: PreambleStyle = "full") -> None:
        self.schema, self.query = schema, query
        self.preamble = acts_preamble(schema, preamble)
        self._acts: tuple[Act, ...] = ()

    def given(self, acts: tuple[Act, ...]) -> Responding:
        """This task, asked about a turn with these acts."""
        asked = copy.copy(self)
        asked._acts = acts
        return asked

    def retrieval_text(self, turn: Turn, state: BeliefState) -> str:
        return retrieval_context(turn, state, self.schema)

    def observed(self, turn: Turn) -> str:
        return said_by_user(turn)

    def example(self, example: Example, order: Order) -> str:
        label, text = (_LABEL, self.print(self.label(example))), (USER, quoted(example.turn.user_utterance))
        fields = context_fields(example.turn, example.label.state, self.query, self.schema)
        acts = ("system_acts", self._printed(example.label.acts))
        return call(_CALL, [*fields, text, acts, label] if order == "direct" else [*fields, acts, label, text])

    def question(self, turn: Turn, state: BeliefState, order: Order) -> str:
        text = [(USER, quoted(turn.user_utterance))] if order == "direct" else []
        acts = ("system_acts", self._printed(self._acts))
        return open_call(_CALL, [*context_fields(turn, state, self.query, self.schema), *text, acts], _LABEL)

    def asked_in(self, example: Example) -> BeliefState:
        return example.label.state

    def opening(self, example: Example, order: Order) -> str:
        return self.given(example.label.acts).question(example.turn, example.label.state, order)

    def _printed(self, acts: tuple[Act, ...]) -> str:
        return print_acts(without_values(acts), self.schema)

    def continuation(self, text: str, turn: Turn) -> tuple[str, str]:
        return between_fields(text, USER), closing(turn.user_utterance)

    def parse(self, text: str, state: BeliefState) -> str:
        return parse_response(text)

    def print(self, label: str) -> str:
        return f"[{quoted(label)}]"

    def label(self, example: Example) -> str:
        return example.label.delexicalised_response

    def slots(self, example: Example) -> frozenset[tuple[str, str]]:
        return frozenset((f"{act.act} {act.service}", act.slot) for act in example.label.acts)


def parse_response(text: str) -> str:
    """Read `["..."]`; the brackets may be missing. Raises `ParseError`."""
    if len(text) > MAX_CHARS:
        raise ParseError("too_long", f"The text has {len(text)} characters; {MAX_CHARS} are read at the most.")
    body = text.strip().rstrip(",").rstrip()
    body = body if body.startswith("[") else f"[{body}"
    try:
        told = json.loads(body if body.endswith('"]') else f"{body}]")
    except (ValueError, RecursionError) as error:
        raise ParseError("syntax", f"Not one text in a list: {error}"[:200]) from None
    if not (isinstance(told, list) and len(told) == 1 and isinstance(told[0], str)):
        raise ParseError("not_a_text", f"A response is one text in a list, not {body[:40]!r}.")
    words = " ".join(told[0].split())
    if not words:
        raise ParseError("empty", "The response is empty.")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in words):
        raise ParseError("invalid_text", f"The response {words[:40]!r} holds control characters or half an emoji.")
    return words
