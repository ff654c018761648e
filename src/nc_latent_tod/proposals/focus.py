"""Which service an utterance is about: words of its name and descriptions, weighed by how few services share them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from nc_latent_tod.proposals.profiles import Profile
from nc_latent_tod.proposals.words import FUNCTION_WORDS, Token, root, words_of
from nc_latent_tod.schema import Schema, Service

_BY_NAME, _BY_INTENT, _BY_DESCRIPTION, _BY_SLOT, _BY_VALUE = 3.0, 1.5, 1.2, 0.6, 0.8
_PLAIN = frozenset({"find", "search", "book", "get", "manag", "service", "popular", "leading", "provider", "widest", "biggest",
                    "user", "way", "list", "option", "set", "type", "available", "choice", "check", "place", "area", "town",
                    "give", "need", "name", "time", "date", "number", "want"})
_PLAIN_ROOTS = frozenset(root(word) for word in _PLAIN)


class ServiceWords:
    """Roots to the services that they speak of."""

    def __init__(self, schema: Schema, profiles: Sequence[Profile]) -> None:
        told: dict[str, dict[str, float]] = {}
        for service in schema.services:
            told[service.name] = _words(service, [p for p in profiles if p.service == service.name])
        shared = Counter(word for words in told.values() for word in words)
        self.by_root: dict[str, dict[str, float]] = defaultdict(dict)
        for name, words in told.items():
            for word, weight in words.items():
                self.by_root[word][name] = weight / shared[word]
        self.names = {service.name: {root(w) for w in words_of(service.name) if not w.isdigit()} for service in schema.services}

    def of(self, tokens: Sequence[Token]) -> Mapping[str, float]:
        """How much each service is spoken of; services that are not are left out."""
        score: dict[str, float] = defaultdict(float)
        for word in {token.root for token in tokens if token.text not in FUNCTION_WORDS}:
            for service, weight in self.by_root.get(word, {}).items():
                score[service] += weight
        return score

    def is_named(self, service: str, token: Token) -> bool:
        """Whether a word is of the service's name."""
        return token.root in self.names[service]


def _words(service: Service, profiles: Sequence[Profile]) -> dict[str, float]:
    words: dict[str, float] = {}
    sources = [(_BY_SLOT, [w for p in profiles for w in p.roots]),
               (_BY_VALUE, [root(w) for p in profiles for v in p.slot.possible_values for w in words_of(v)]),
               (_BY_DESCRIPTION, _roots(service.description)),
               (_BY_INTENT, [w for i in service.intents for w in _roots(f"{i.name} {i.description}")]),
               (_BY_NAME, [root(w) for w in words_of(service.name)])]
    for weight, found in sources:
        words.update((w, weight) for w in found if w not in _PLAIN_ROOTS and not w.isdigit() and len(w) > 2)
    return words


def _roots(text: str) -> list[str]:
    return [root(word) for word in words_of(text) if word not in FUNCTION_WORDS]
