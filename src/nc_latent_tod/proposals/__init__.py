"""Readings of a turn that need no model: the schema, an entity table and the words of the turn propose state changes.

Pieces of the utterance are read one by one (a value, a mention, an answer), each in several ways with a score; the ways
to combine them are the proposals, likeliest first. Scores are hand-set weights and no probabilities: they order, no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import BeliefState, StateChange
from nc_latent_tod.proposals.booleans import booleans
from nc_latent_tod.proposals.combine import coherent, combined
from nc_latent_tod.proposals.context import Context, Filler, requested_slots
from nc_latent_tod.proposals.focus import ServiceWords
from nc_latent_tod.proposals.indifference import indifference
from nc_latent_tod.proposals.lexicon import Entities, Found, Lexicon
from nc_latent_tod.proposals.profiles import Profile, profiles_of
from nc_latent_tod.proposals.references import offers, references
from nc_latent_tod.proposals.spans import open_values
from nc_latent_tod.proposals.synonyms import Encode, Synonyms, Vocabulary
from nc_latent_tod.proposals.typed import Typed, typed_values
from nc_latent_tod.proposals.values import SIDE_WORDS, listed_values, typed_fillers
from nc_latent_tod.proposals.words import Token, tokens_of, words_of
from nc_latent_tod.schema import Schema

SOURCES = ("possible_values", "entities", "fuzzy", "typed", "places", "booleans", "answers", "references", "offers", "dontcare")
"""What may propose a value; each can be switched off."""

_OF_STATE, _OF_SYSTEM = 0.6, 0.7  # weight of a service that the state holds, and of the system's words against the user's
_OF_MEMORY, _FADING, _REMEMBERED = 0.5, 0.7, 6  # of what the user said a turn ago; from turn to turn; turns
_OFFERS_REMEMBERED = 2  # turns, after which an offer that nothing came of is forgotten
_SHARPNESS = 1.5
_CACHED_TEXTS = 10_000


@dataclass(frozen=True, slots=True)
class Proposal:
    """One reading of a turn."""

    change: StateChange
    score: float  # log of a pseudo-probability among the readings that were weighed; at most 0


@dataclass(frozen=True, slots=True)
class _Text:
    """What an utterance says, whoever says it."""

    tokens: Sequence[Token]
    found: Sequence[Found]
    typed: Sequence[Typed]
    services: Mapping[str, float]  # that its words speak of


class Proposer:
    """Proposals for the turns of one schema. What can be worked out beforehand is, once."""

    def __init__(self, schema: Schema, entities: Entities | None = None, *, sources: Sequence[str] = SOURCES,
                 encode: Encode | None = None) -> None:
        """`encode`: texts to unit vectors, for words that the schema does not have; None goes without."""
        self.schema, self._sources = schema, frozenset(sources)
        self._profiles = profiles_of(schema)
        self._words = ServiceWords(schema, self._profiles)
        self._lexicon = Lexicon(self._profiles, entities or {}, possible_values="possible_values" in self._sources,
                                columns="entities" in self._sources)
        self._texts: dict[str, _Text] = {}
        self._synonyms = Synonyms(encode, _vocabulary(schema, self._profiles)) if encode else None
        self._style = "clock" if _has_clock(entities or {}) else "words"

    def changes(self, turn: Turn, prior: BeliefState, n: int = 8, earlier: Sequence[Turn] = ()) -> list[Proposal]:
        """At most `n` distinct changes of `prior`, likeliest first. `earlier`: the turns before, oldest first."""
        context = self.context(turn, prior, earlier)
        fillers = [filler for source in self._readers() for filler in source(context)]
        if "offers" in self._sources and turn.last_system_utterance:
            fillers += offers(context, self._offered(turn, prior, earlier))
            for back, past in enumerate(reversed(earlier[-_OFFERS_REMEMBERED:]), start=1):
                if any(filler.source == "offers" for filler in fillers) or not past.last_system_utterance:
                    break
                names = [offer for offer in self._offered(past, prior, earlier[:-back]) if offer[0].kind == "name"]
                fillers += [replace(f, score=f.score - 0.3 * back) for f in offers(context, names)]
        return [Proposal(change, score) for change, score in combined(coherent(fillers), prior, n)]

    def _readers(self) -> Iterator[Callable[[Context], Iterator[Filler]]]:
        yield listed_values
        sources: dict[str, Callable[[Context], Iterator[Filler]]] = {
            "typed": lambda context: typed_fillers(context, self._style), "places": open_values, "booleans": booleans,
            "dontcare": indifference, "references": references}
        yield from (source for name, source in sources.items() if name in self._sources)

    def _offered(self, turn: Turn, prior: BeliefState, earlier: Sequence[Turn]) -> list[tuple[Profile, str, bool]]:
        """The values that the system's last utterance names, read as a user's would be."""
        said = self.context(Turn(turn.dialogue_id, turn.turn_id, "", turn.last_system_utterance, ""), prior, earlier)
        fillers = [f for source in (listed_values, open_values) for f in source(said)]
        fillers += typed_fillers(said, self._style)
        by_name = {profile.name: profile for profile in self._profiles}
        best: dict[int, Filler] = {}
        for filler in fillers:
            if filler.score > 0.3 and (filler.start not in best or best[filler.start].score < filler.score):
                best[filler.start] = filler
        named = [assign for filler in best.values() for assign in filler.assigns]
        slots = [(service, slot) for service, slot, _ in named]
        return [(by_name[service, slot], value, slots.count((service, slot)) > 1) for service, slot, value in named]

    def context(self, turn: Turn, prior: BeliefState, earlier: Sequence[Turn] = ()) -> Context:
        """Read a turn."""
        user, system = self._read(turn.user_utterance), self._read(turn.last_system_utterance)
        before = self._focus([(1.0, system)], prior, earlier)
        focus = self._focus([(1.0, user), (_OF_SYSTEM, system)], prior, earlier)
        asked = requested_slots(turn.last_system_utterance, self._profiles, before, self._lexicon.find)
        return Context(turn, prior, self._profiles, user.tokens, user.found, user.typed, focus, asked, self._words.is_named,
                       lambda service: bool(self._lexicon.entities.get(service)))

    def _read(self, text: str) -> _Text:
        """The words and values of a text, kept for when it is looked back at."""
        if text not in self._texts:
            if len(self._texts) >= _CACHED_TEXTS:
                self._texts.clear()
            tokens = tokens_of(text)
            found = self._lexicon.find(tokens, fuzzy="fuzzy" in self._sources)
            if self._synonyms:
                tokens = self._synonyms.read(tokens, frozenset(i for f in found for i in range(f.start, f.end)))
                found = self._lexicon.find(tokens, fuzzy="fuzzy" in self._sources)
            self._texts[text] = _Text(tokens, found, typed_values(text, tokens), self._words.of(tokens))
        return self._texts[text]

    def _focus(self, texts: Sequence[tuple[float, _Text]], prior: BeliefState,
               earlier: Sequence[Turn]) -> Mapping[str, float]:
        score = {service.name: _OF_STATE * (service.name in prior) for service in self.schema.services}
        weight = _OF_MEMORY
        for past in reversed(earlier[-_REMEMBERED:]):
            for service, told in self._read(past.user_utterance).services.items():
                score[service] += weight * min(told, 4.0)
            weight *= _FADING
        for weight, text in texts:
            for service, told in self._words.of(_without_references(text.tokens, prior, self._words)).items():
                score[service] += weight * min(told, 4.0)
            for phrase in text.found:
                own = {m.service for m in phrase.meanings}
                if len(own) == 1:
                    is_name = any(m.value in self._lexicon.entities[m.service] and m.closeness == 1.0 for m in phrase.meanings)
                    score[own.pop()] += (2.0 if is_name and phrase.end - phrase.start > 1 else 0.8) * weight
        best = max(score.values())
        return {service: max(-4.0, _SHARPNESS * (value - best)) for service, value in score.items()}


def _vocabulary(schema: Schema, profiles: Sequence[Profile]) -> Vocabulary:
    def words(texts: Iterator[str]) -> frozenset[str]:
        return frozenset(word for text in texts for word in words_of(text))

    every = words(text for service in schema.services for slot in service.slots for text in (slot.name, slot.description))
    return Vocabulary(
        names=words(name for p in profiles for name in (p.service, p.slot.name)),
        cues=words(text for service in schema.services for text in
                   (service.description, *(p.slot.description for p in profiles if p.service == service.name))),
        values=frozenset(value.casefold() for p in profiles if p.kind == "choice" for value in p.slot.possible_values),
        known=every | SIDE_WORDS)


def _without_references(tokens: Sequence[Token], prior: BeliefState, words: ServiceWords) -> list[Token]:
    """Words without `the <service>`, which points at what was chosen there and opens no new request."""
    return [token for i, token in enumerate(tokens) if i == 0 or tokens[i - 1].text not in ("the", "this", "that")
            or not any(words.is_named(service, token) for service in prior)]


def _has_clock(entities: Entities) -> bool:
    """Whether the entity table writes times as `HH:MM`."""
    cells = (value for rows in entities.values() for row in rows[:20] for value in row.values())
    return any(len(value) == 5 and value[2] == ":" and value[:2].isdigit() and value[3:].isdigit() for value in cells)


def propose_changes(turn: Turn, prior_state: BeliefState, schema: Schema, entities: Entities | None = None, *,
                    n: int = 8) -> list[StateChange]:
    """At most `n` changes of the state that a turn may ask for, likeliest first. For many turns keep a `Proposer`."""
    return [proposal.change for proposal in Proposer(schema, entities).changes(turn, prior_state, n)]
