"""Whole dialogues: which services the user wants, in which order, and how many turns there are to spend."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.labels import Act, BeliefState, Example, Label
from nc_latent_tod.schema import Schema
from nc_latent_tod.simulation.booking import accept, order
from nc_latent_tod.simulation.catalogue import Catalogue, catalogues
from nc_latent_tod.simulation.conversation import Conversation
from nc_latent_tod.simulation.search import References, search
from nc_latent_tod.simulation.surface import Split
from nc_latent_tod.simulation.wording import Wording

MAX_TURNS = 8  # user turns a dialogue; services with many slots may need a few more


@dataclass(frozen=True)
class SimulatedDialogue:
    """A dialogue with its gold labels; `labels[i]` belongs to `dialogue.turns[i]`."""

    dialogue: Dialogue
    labels: tuple[Label, ...]


def simulate(
    schema: Schema, entities: Mapping[str, Sequence[Mapping[str, str]]], wording: Wording | Mapping[str, Any], *, n: int,
    seed: int, templates: Literal["train", "heldout", "all"], max_services: int = 3,
    entity_split: Literal["all", "train", "heldout"] = "all", start: int = 0,
) -> Iterator[SimulatedDialogue]:
    """Yield dialogues `start` to `start + n - 1` of the stream that `seed` names.

    Dialogue i depends on (seed, i) and the other arguments alone, so any slice can be made again. `templates` chooses
    between disjoint sets of wordings, `entity_split` between 75% and 25% of the named entities. Raises `ConfigError` where
    entities and schema do not fit together.
    """
    words = wording if isinstance(wording, Wording) else Wording.from_json(wording)
    desks = catalogues(schema, entities, words, entity_split)
    for i in range(start, start + n):
        yield _dialogue(desks, f"sim-{seed}-{i:06}", random.Random(f"{seed}/{i}"), templates, max_services)


def examples(simulated: SimulatedDialogue) -> list[Example]:
    """The turns as gold examples, with run id `gold`."""
    found: list[Example] = []
    prior: BeliefState = {}
    for turn, label in zip(simulated.dialogue.turns, simulated.labels, strict=True):
        found.append(Example(turn, prior, label, run_id="gold"))
        prior = label.state
    return found


def _dialogue(desks: Mapping[str, Catalogue], dialogue_id: str, rng: random.Random, split: Split,
              max_services: int) -> SimulatedDialogue:
    talk = Conversation(dialogue_id, rng, split)
    limit = min(max_services, len(desks))
    count = rng.choices(range(1, limit + 1), weights=[4, 4, 2, 1, 1, 1, 1, 1][:limit])[0]
    goals = sorted(rng.sample(list(desks), count), key=lambda s: not desks[s].name_slot)  # calls last: they refer to entities
    needed = 1 + sum(2 if desks[s].name_slot else 1 for s in goals)
    spare = max(0, rng.randint(max(needed, 3), max(needed, MAX_TURNS)) - needed)
    if spare and rng.random() < 0.06:
        spare -= 1
        talk.user(talk.speaker.user("hello"))
        talk.system([Act("Greeting")], talk.speaker.system("greeting"))
    for i, service in enumerate(goals):
        share = spare if i == len(goals) - 1 else rng.randint(0, spare)
        talk.extra += share
        spare -= share
        _visit(talk, desks, desks[service])
    _farewell(talk)
    return SimulatedDialogue(*talk.finished())


def _visit(talk: Conversation, desks: Mapping[str, Catalogue], desk: Catalogue) -> None:
    if desk.name_slot and desk.rows:
        row = search(talk, desk, _references(talk, desks, desk))
        accept(talk, desk, row, _references(talk, desks, desk))
    else:
        order(talk, desk, _references(talk, desks, desk))


def _references(talk: Conversation, desks: Mapping[str, Catalogue], desk: Catalogue) -> References:
    """Values of other services in the state that a slot may repeat; each value and each service serves one slot of a kind."""
    found: dict[str, tuple[str, str]] = {}
    used: set[str] = set()
    for slot, words in desk.slot_words.items():
        sources = words.sources or tuple(f"{other}.{slot}" for other in desks)
        for service, _, name in (source.partition(".") for source in sources if slot != desk.name_slot):
            value = talk.slots(service).get(name, "dontcare")
            listed = desk.service.slots_by_name[slot].possible_values
            if (service != desk.service.name and value != "dontcare" and slot not in found and value not in used
                    and (not listed or value in listed)):  # a hotel has not the type of a museum
                found[slot] = (desks[service].words.names[0], value)
                used.add(value)
    return found


def _farewell(talk: Conversation) -> None:
    talk.user(talk.speaker.user("bye"))
    acts, sentences = [], []
    kinds = talk.rng.choice((("ThankYou", "Goodbye"), ("ThankYou",), ("Goodbye",)))
    for kind in kinds:
        acts.append(Act(kind))
        sentences.append(talk.speaker.system("thank_you" if kind == "ThankYou" else "goodbye"))
    talk.system(acts, *sentences)
