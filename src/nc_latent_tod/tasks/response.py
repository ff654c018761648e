"""Response: the system's delexicalised words for acts that are decided, `["[value_name] is in the [value_area]."]`."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence

from nc_latent_tod.errors import ParseError
from nc_latent_tod.labels import Act, BeliefState, Example
from nc_latent_tod.notation.delexicalise import without_values
from nc_latent_tod.notation.parsing import MAX_CHARS
from nc_latent_tod.notation.printing import print_acts, quoted
from nc_latent_tod.tasks.answering import AnswerTask


class Responding(AnswerTask):
    """`Task` over delexicalised responses. The acts of the turn are `given`; those of an example are its label's."""

    name, call_name, label_name = "response", "agent.say", "system_response"

    def conditions(self, acts: Sequence[Act]) -> list[tuple[str, str]]:
        return [("system_acts", print_acts(without_values(tuple(acts)), self.schema))]

    def shown(self, example: Example) -> str:
        return self.print(self.label(example))

    def parse(self, text: str, state: BeliefState) -> str:
        return parse_response(text)

    def print(self, label: str) -> str:
        return f"[{quoted(label)}]"

    def label(self, example: Example) -> str:
        return example.label.delexicalised_response


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
