"""Policy: which acts the system answers with. It is asked online, so it reads no system response.

Values come from the database later: an act says `Offer(entity=Hotel(name="[value_name]"))`. Yes and no stay, for they are
not copied but worded.
"""

from __future__ import annotations

from nc_latent_tod.labels import Act, BeliefState, Example
from nc_latent_tod.notation.delexicalise import without_values
from nc_latent_tod.notation.parsing import parse_acts
from nc_latent_tod.notation.printing import print_acts
from nc_latent_tod.tasks.answering import AnswerTask


class Policy(AnswerTask):
    """`Task` over delexicalised system acts."""

    name, call_name, label_name = "policy", "agent.decide", "system_acts"

    def shown(self, example: Example) -> str:
        return self.print(self.label(example))

    def parse(self, text: str, state: BeliefState) -> tuple[Act, ...]:
        return without_values(parse_acts(text, self.schema))

    def print(self, label: tuple[Act, ...]) -> str:
        return print_acts(label, self.schema)

    def label(self, example: Example) -> tuple[Act, ...]:
        return without_values(example.label.acts)
