"""What a label of one turn may look like, as a context-free grammar in Lark's notation with llguidance's extensions.

Every text of a grammar is one that `parsing` reads: calls and slots of the schema in canonical order, each once; possible
values; other strings only as words of the turn, of the state or of the entity table. It begins after the open bracket of a
prompt and ends with the line. Notation: https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import ACT_NAMES, ENTITY_ACTS, SERVICE_ACTS, BeliefState
from nc_latent_tod.notation.normalise import DONTCARE
from nc_latent_tod.notation.printing import literal
from nc_latent_tod.schema import Schema, Service, Slot, attribute

Entities = Mapping[str, Sequence[Mapping[str, str]]]
Named = Mapping[tuple[str, str], Sequence[str]]
"""{(service, slot): values of the entity table as Python}"""

_MOST_ACTS = 12  # in one response
_LETTERS = 3  # of a word that tells an entity
_CHUNK = re.compile(r"\w+(?:[.:'’-]\w+)*|\s+|[^\w\s]")
_WHOLE = re.compile(r"[1-9][0-9]{2,8}")  # besides those of two digits
_ESCAPED = re.compile(r'["\\\x00-\x1f\x7f-\x9f\ud800-\udfff]')  # what a string literal would have to escape, or may not hold


class ChangeGrammar:
    """Grammars of state changes. What does not depend on the turn is written once."""

    def __init__(self, schema: Schema, entities: Entities | None = None) -> None:
        self._schema, self._table = schema, _Table(schema, entities or {})

    def of(self, turn: Turn, state: BeliefState) -> str:
        """The grammar of a turn, given the state before it."""
        own = {(service.name, intent.identifier): [s for s in service.slots if service.intent_of_slot[s.name] is intent]
               for service in self._schema.services for intent in service.intents}
        calls = [(service, intent, slots) for service in self._schema.services for intent in service.intents
                 if (slots := own[service.name, intent.identifier])]
        texts = (turn.last_system_utterance, turn.user_utterance)
        named = self._table.named_in(texts)
        lines = [f'start: ("agent.no_change()" | {_first("call", len(calls))}) "]," /\\n/']
        lines += _tails("call", len(calls))
        for i, (service, intent, slots) in enumerate(calls):
            rules = f"call{i}_slot"
            lines.append(f'call{i}: "agent.{intent.identifier}(" ({_first(rules, len(slots))}) ")"')
            lines += _tails(rules, len(slots))
            lines += [f'{rules}{k}: "{slot.identifier}=" ({" | ".join(self._values(service, slot, state, named))})'
                      for k, slot in enumerate(slots)]
        return _grammar([*lines, *_strings(texts)])

    def _values(self, service: Service, slot: Slot, state: BeliefState, named: Named) -> list[str]:
        listed = dict.fromkeys((*slot.possible_values, DONTCARE))
        values = [_terminal(literal(value)) for value in listed]
        held = {(other, name): value for other, slots in state.items() for name, value in slots.items()}
        is_closed = slot.is_categorical and slot.possible_values
        values += [_terminal(_reference(self._schema, other, name)) for (other, name), value in held.items()
                   if (not is_closed or value in slot.possible_values) and _is_known(self._schema, other, name)]
        if (service.name, slot.name) in held:
            values.append('"None"')
        if not is_closed:
            values += ["INTEGER", "SPAN", *map(_terminal, named.get((service.name, slot.name), ()))]
        return values


class ActsGrammar:
    """Grammars of system acts."""

    def __init__(self, schema: Schema, entities: Entities | None = None) -> None:
        self._schema, self._table = schema, _Table(schema, entities or {})
        of_entity, about = (" | ".join(f'"{name}"' for name in ACT_NAMES if name in kind)
                            for kind in (ENTITY_ACTS, SERVICE_ACTS))
        bare = " | ".join(f'"{name}"' for name in ACT_NAMES if name not in ENTITY_ACTS | SERVICE_ACTS)
        services = range(len(schema.services))
        self._acts = [f'start: (act (", " act){{0,{_MOST_ACTS - 1}}})? "]," /\\n/',
                      # no terminal is the beginning of another by more than a character: the lexer does not go back
                      f'act: ({bare}) "()" | ({of_entity}) ("()" | "(entity=" entity ")") | '
                      f'({about}) ("()" | "(service=" about ")")',
                      f"entity: {' | '.join(f'entity{i}' for i in services)}",
                      f"about: {' | '.join(f'about{i}' for i in services)}"]

    def of(self, turn: Turn, state: BeliefState) -> str:
        """The grammar of a turn; `state` is not looked at."""
        texts = (turn.user_utterance, turn.system_response)
        named = self._table.named_in(texts)
        rules = [rule for i, service in enumerate(self._schema.services) for rule in _service_rules(i, service, named)]
        return _grammar([*self._acts, *rules, *_strings(texts)])


def _service_rules(i: int, service: Service, named: Named) -> list[str]:
    slots, rules, names = service.slots, f"slot{i}_", f"name{i}_"
    keywords = f" ({_first(rules, len(slots))})?" if slots else ""
    lines = [f'entity{i}: "{service.identifier}("{keywords} ")"']
    listed = f' (", slots=[" ({_first(names, len(slots))}) "]")?' if slots else ""
    lines += [f'about{i}: "{service.identifier}"{listed}', *_tails(rules, len(slots)), *_tails(names, len(slots))]
    for k, slot in enumerate(slots):
        values = [*(_terminal(literal(value)) for value in slot.possible_values), "INTEGER", "SPAN",
                  *map(_terminal, named.get((service.name, slot.name), ()))]
        lines += [f'{rules}{k}: "{slot.identifier}=" ({" | ".join(values)})',
                  f"{names}{k}: {_terminal(json.dumps(slot.identifier))}"]
    return lines


class _Table:
    """An entity table, looked up by the words of its values."""

    def __init__(self, schema: Schema, entities: Entities) -> None:
        self._by_word: dict[str, dict[tuple[str, str, str], None]] = {}
        for service in schema.services:
            for row in entities.get(service.name, ()):
                for slot, value in row.items():
                    if slot in service.slots_by_name and not _ESCAPED.search(value):
                        for word in _telling(value):
                            self._by_word.setdefault(word, {})[service.name, slot, literal(value)] = None

    def named_in(self, texts: Iterable[str]) -> Named:
        """The values, as Python, that share a word with the texts."""
        named: dict[tuple[str, str], dict[str, None]] = {}
        for word in sorted({word for text in texts for word in _telling(text)}):
            for service, slot, value in self._by_word.get(word, ()):
                named.setdefault((service, slot), {})[value] = None
        return {key: tuple(values) for key, values in named.items()}


def _telling(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) >= _LETTERS}


def _first(rule: str, count: int) -> str:
    """Some of `rule`0, `rule`1, ... in order, at least one, with commas."""
    return " | ".join(f"{rule}{k}" + (f" {rule}_after{k}" if k + 1 < count else "") for k in range(count))


def _tails(rule: str, count: int) -> list[str]:
    """`rule`_afterK: what may follow the K-th: later ones, each after a comma."""
    return [f'{rule}_after{k}: (", " {rule}{k + 1})?' + (f" {rule}_after{k + 1}" if k + 2 < count else "")
            for k in range(count - 1)]


def _strings(texts: Iterable[str]) -> list[str]:
    """The terminals of numbers and of strings that stand in the texts, word by word."""
    texts = list(texts)
    numbers = dict.fromkeys(number for text in texts for number in re.findall(r"\d+", text) if _WHOLE.fullmatch(number))
    spans = [chunks for text in texts if (chunks := _CHUNK.findall(_ESCAPED.sub(" ", text)))]
    parts = [f'/\\S(.*\\S)?/ & %regex {json.dumps({"substring_chunks": chunks})}' for chunks in spans]
    words = [f"WORDS{i}: {part}" for i, part in enumerate(parts)]
    inner = " | ".join(f"WORDS{i}" for i in range(len(parts))) or f'"{DONTCARE}"'
    return [*words, f'SPAN: "\\"" ({inner}) "\\""', f"INTEGER: {' | '.join(['/[1-9]?[0-9]/', *map(_terminal, numbers)])}"]


def _is_known(schema: Schema, service: str, slot: str) -> bool:
    return service in schema.services_by_name and slot in schema.services_by_name[service].slots_by_name


def _reference(schema: Schema, service: str, slot: str) -> str:
    owner = schema.services_by_name[service]
    return f"agent.state.{attribute(owner)}.{owner.slots_by_name[slot].identifier}"


def _terminal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _grammar(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
