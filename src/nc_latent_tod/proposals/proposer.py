"""Readings of a turn that need no model: the schema, an entity table and the words of the turn propose labels.

Pieces of an utterance are read one by one (a value, a mention, an answer), each in several ways with a score; the ways
to combine them are the proposals, likeliest first. Scores are hand-set weights and no probabilities: they order, no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, BeliefState, StateChange
from nc_latent_tod.proposals.acts import ranked_acts
from nc_latent_tod.proposals.combine import coherent, combined
from nc_latent_tod.proposals.context import Context, Filler
from nc_latent_tod.proposals.lexicon import Entities
from nc_latent_tod.proposals.profiles import Profile
from nc_latent_tod.proposals.reader import Reader
from nc_latent_tod.proposals.references import offers
from nc_latent_tod.proposals.synonyms import Encode
from nc_latent_tod.schema import Schema

SOURCES = ("possible_values", "entities", "fuzzy", "typed", "places", "booleans", "answers", "references", "offers", "dontcare")
"""What may propose a value; each can be switched off."""

_IN_USER = ("typed", "places", "booleans", "dontcare", "references")
_IN_SYSTEM = ("typed", "places")
_OFFERS_REMEMBERED = 2  # turns, after which an offer that nothing came of is forgotten


@dataclass(frozen=True, slots=True)
class ProposedChange:
    """One reading of a user's turn."""

    change: StateChange
    score: float  # log of a pseudo-probability among the readings that were weighed; at most 0


@dataclass(frozen=True, slots=True)
class ProposedActs:
    """One reading of a system response."""

    acts: tuple[Act, ...]
    score: float  # as of a change


@dataclass(frozen=True, slots=True)
class Pieces:
    """A turn, and the readings of its pieces."""

    context: Context
    fillers: Sequence[Filler]

    def changes(self, n: int) -> list[ProposedChange]:
        """At most `n` distinct ways to combine them, likeliest first."""
        return [ProposedChange(change, score) for change, score in combined(self.fillers, self.context.prior, n)]


class Proposer:
    """Proposals for the turns of one schema. What can be worked out beforehand is, once."""

    def __init__(self, schema: Schema, entities: Entities | None = None, *, sources: Sequence[str] = SOURCES,
                 encode: Encode | None = None) -> None:
        """`encode`: texts to unit vectors, for words that the schema does not have; None goes without."""
        self._schema, self._entities, self._encode = schema, entities or {}, encode
        self._sources = frozenset(sources)

    @cached_property
    def _user(self) -> Reader:
        return Reader(self._schema, self._entities, self._sources, self._encode)

    @cached_property
    def _system(self) -> Reader:
        return Reader(self._schema, self._entities, self._sources, self._encode, every_slot=True)

    def changes(self, turn: Turn, prior: BeliefState, n: int = 8, earlier: Sequence[Turn] = ()) -> list[ProposedChange]:
        """At most `n` distinct changes of `prior`, likeliest first. `earlier`: the turns before, oldest first."""
        return self.pieces(turn, prior, earlier).changes(n)

    @cached_property
    def kinds(self) -> Mapping[tuple[str, str], str]:
        """What values each slot takes, by (service, slot): see `profiles.Kind`."""
        return {profile.name: profile.kind for profile in self._user.profiles}

    def pieces(self, turn: Turn, prior: BeliefState, earlier: Sequence[Turn] = ()) -> Pieces:
        """The readings of the pieces of a turn, before they are combined: where each value is from, and how sure it is."""
        context = self._user.context(turn, prior, earlier)
        return Pieces(context, coherent([*self._user.fillers(context, _IN_USER), *self._accepted(context, earlier)]))

    def acts(self, turn: Turn, prior: BeliefState, n: int = 8, earlier: Sequence[Turn] = ()) -> list[ProposedActs]:
        """At most `n` distinct readings of the system's response, likeliest first."""
        return [ProposedActs(acts, score) for acts, score in ranked_acts(self._system, turn, prior, n, earlier)]

    def _accepted(self, context: Context, earlier: Sequence[Turn]) -> list[Filler]:
        """What the system offered and the user takes, now or, where it offers nothing now, a turn or two ago."""
        if "offers" not in self._sources:
            return []
        fillers = list(offers(context, self._offered(context.turn, context.prior, earlier)))
        for back, past in enumerate(reversed(earlier[-_OFFERS_REMEMBERED:]), start=1):
            if fillers:
                break
            named = [o for o in self._offered(past, context.prior, earlier[:-back]) if o[0].kind == "name"]
            fillers = [replace(f, score=f.score - 0.3 * back) for f in offers(context, named)]
        return fillers

    def _offered(self, turn: Turn, prior: BeliefState, earlier: Sequence[Turn]) -> list[tuple[Profile, str, bool]]:
        """The values that the last system utterance names, read as a user's would be."""
        if not turn.last_system_utterance:
            return []
        said = self._user.context(Turn(turn.dialogue_id, turn.turn_id, "", turn.last_system_utterance, ""), prior, earlier)
        best: dict[int, Filler] = {}
        for filler in self._user.fillers(said, _IN_SYSTEM):
            if filler.score > 0.3 and (filler.start not in best or best[filler.start].score < filler.score):
                best[filler.start] = filler
        named = [assign for filler in best.values() for assign in filler.assigns]
        slots = [(service, slot) for service, slot, _ in named]
        return [(self._user.by_name[service, slot], value, slots.count((service, slot)) > 1) for service, slot, value in named]


def propose_changes(turn: Turn, prior_state: BeliefState, schema: Schema, entities: Entities | None = None, *,
                    n: int = 8) -> list[StateChange]:
    """At most `n` changes of the state that a turn may ask for, likeliest first. For many turns keep a `Proposer`."""
    return [proposal.change for proposal in Proposer(schema, entities).changes(turn, prior_state, n)]


def propose_acts(turn: Turn, prior_state: BeliefState, schema: Schema, entities: Entities | None = None, *,
                 n: int = 8) -> list[tuple[Act, ...]]:
    """At most `n` readings of a system response, likeliest first. For many turns keep a `Proposer`."""
    return [proposal.acts for proposal in Proposer(schema, entities).acts(turn, prior_state, n)]
