"""What the agent knows before it answers: the state after the user's turn, what the database holds for it, what was said."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import TurnError
from nc_latent_tod.labels import BeliefState
from nc_latent_tod.notation.printing import print_state, quoted
from nc_latent_tod.schema import Schema, attribute

Counts = Mapping[str, int]
"""{service: entities that match the state}, for the services that were looked up."""

Query = Callable[[BeliefState], Counts]
"""A pure function of the state: published labels and a running agent give the same prompts."""

USER = "user_utterance"


def no_database(state: BeliefState) -> Counts:
    """The query of an agent without an entity table."""
    return {}


def print_counts(counts: Counts, schema: Schema) -> str:
    """`Database(hotel=3, train=0)`, services in schema order."""
    return f"Database({', '.join(f'{attribute(s)}={counts[s.name]}' for s in schema.services if s.name in counts)})"


def context_fields(turn: Turn, state: BeliefState, query: Query, schema: Schema) -> list[tuple[str, str]]:
    """The fields that the prompts of policy and response begin with. `state` is the one after the user's turn."""
    return [("belief_state", print_state(state, schema)),
            ("database", print_counts(query(state), schema)),
            ("last_system_utterance", quoted(turn.last_system_utterance))]


def retrieval_context(turn: Turn, state: BeliefState, schema: Schema) -> str:
    """What examples of both tasks are searched by."""
    return f"{print_state(state, schema)} system: {turn.last_system_utterance} user: {turn.user_utterance}"


def said_by_user(turn: Turn) -> str:
    """The user's words. Raises `TurnError` where there are none."""
    if not turn.user_utterance.strip():
        raise TurnError("empty_utterance", f"Turn {turn.turn_id} of dialogue {turn.dialogue_id!r} has no user utterance.")
    return turn.user_utterance
