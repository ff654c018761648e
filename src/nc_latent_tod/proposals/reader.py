"""Turns read once for all sources: words, values, the service spoken of, what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import BeliefState
from nc_latent_tod.proposals.booleans import booleans
from nc_latent_tod.proposals.context import Context, Filler, requested_slots
from nc_latent_tod.proposals.focus import ServiceWords
from nc_latent_tod.proposals.indifference import indifference
from nc_latent_tod.proposals.lexicon import Entities, Found, Lexicon
from nc_latent_tod.proposals.profiles import Profile, profiles_of
from nc_latent_tod.proposals.references import references
from nc_latent_tod.proposals.spans import open_values
from nc_latent_tod.proposals.synonyms import Encode, Synonyms, Vocabulary
from nc_latent_tod.proposals.typed import Typed, typed_values
from nc_latent_tod.proposals.values import SIDE_WORDS, listed_values, typed_fillers
from nc_latent_tod.proposals.words import Token, tokens_of, words_of
from nc_latent_tod.schema import Schema

_OF_STATE, _OF_SYSTEM = 0.6, 0.7  # weight of a service that the state holds, and of the system's words against the user's
_OF_MEMORY, _FADING, _REMEMBERED = 0.5, 0.7, 6  # of what the user said a turn ago; from turn to turn; turns
_SHARPNESS = 1.5
_MOST_TOLD = 4.0  # weight of one text for a service
_CACHED_TEXTS = 10_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text says, whoever says it."""

    tokens: Sequence[Token]
    found: Sequence[Found]
    typed: Sequence[Typed]
    services: Mapping[str, float]  # that its words speak of


class Reader:
    """The reading of turns in one schema; texts that come again are looked up."""

    def __init__(self, schema: Schema, entities: Entities, sources: frozenset[str], encode: Encode | None, *,
                 every_slot: bool = False) -> None:
        """`every_slot`: also those that no intent takes, of which only a system speaks."""
        self.schema, self.sources = schema, sources
        self.profiles = profiles_of(schema, every_slot=every_slot)
        self.words = ServiceWords(schema, self.profiles)
        self.lexicon = Lexicon(self.profiles, entities, possible_values="possible_values" in sources,
                               columns="entities" in sources)
        self.by_name = {profile.name: profile for profile in self.profiles}
        self._synonyms = Synonyms(encode, _vocabulary(schema, self.profiles)) if encode else None
        self._style = "clock" if _has_clock(entities) else "words"
        self._texts: dict[str, Reading] = {}

    def fillers(self, context: Context, names: Sequence[str]) -> list[Filler]:
        """What the named sources read, of those that are switched on. Listed values are always read."""
        readers: dict[str, Callable[[Context], Iterator[Filler]]] = {
            "typed": lambda context: typed_fillers(context, self._style), "places": open_values, "booleans": booleans,
            "dontcare": indifference, "references": references}
        chosen = [listed_values, *(readers[name] for name in names if name in self.sources)]
        return [filler for reader in chosen for filler in reader(context)]

    def context(self, turn: Turn, prior: BeliefState, earlier: Sequence[Turn] = ()) -> Context:
        """Read a turn; `earlier` turns, oldest first, tell what it is about. The order of the state's slots does not matter."""
        prior = {service: dict(sorted(slots.items())) for service, slots in sorted(prior.items())}
        user, system = self.read(turn.user_utterance), self.read(turn.last_system_utterance)
        before = self._focus([(1.0, system)], prior, earlier)
        focus = self._focus([(1.0, user), (_OF_SYSTEM, system)], prior, earlier)
        asked = requested_slots(turn.last_system_utterance, self.profiles, before, self.lexicon.find)
        return Context(turn, prior, self.profiles, user.tokens, user.found, user.typed, focus,
                       asked if "answers" in self.sources else {}, self.words.is_named,
                       lambda service: bool(self.lexicon.entities.get(service)), self.lexicon.shapes)

    def read(self, text: str) -> Reading:
        """The words and values of a text, kept for when it is looked back at."""
        if text not in self._texts:
            if len(self._texts) >= _CACHED_TEXTS:
                self._texts.clear()
            tokens = tokens_of(text)
            found = self.lexicon.find(tokens, fuzzy="fuzzy" in self.sources)
            if self._synonyms:
                tokens = self._synonyms.read(tokens, frozenset(i for f in found for i in range(f.start, f.end)))
                found = self.lexicon.find(tokens, fuzzy="fuzzy" in self.sources)
            self._texts[text] = Reading(tokens, found, typed_values(text, tokens), self.words.of(tokens))
        return self._texts[text]

    def _focus(self, texts: Sequence[tuple[float, Reading]], prior: BeliefState,
               earlier: Sequence[Turn]) -> Mapping[str, float]:
        """Log weight of each service, 0 for the one spoken of most."""
        score = {service.name: _OF_STATE * (service.name in prior) for service in self.schema.services}
        weight = _OF_MEMORY
        for past in reversed(earlier[-_REMEMBERED:]):
            for service, told in self.read(past.user_utterance).services.items():
                score[service] += weight * min(told, _MOST_TOLD)
            weight *= _FADING
        for weight, text in texts:
            for service, told in self.words.of(_without_references(text.tokens, prior, self.words)).items():
                score[service] += weight * min(told, _MOST_TOLD)
            for phrase in text.found:
                own = {meaning.service for meaning in phrase.meanings}
                if len(own) == 1:
                    score[own.pop()] += weight * (2.0 if self._is_full_name(phrase) else 0.8)
        best = max(score.values())
        return {service: max(-4.0, _SHARPNESS * (value - best)) for service, value in score.items()}

    def _is_full_name(self, phrase: Found) -> bool:
        return phrase.end - phrase.start > 1 and any(
            m.closeness == 1.0 and m.value in self.lexicon.entities[m.service] for m in phrase.meanings)


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
