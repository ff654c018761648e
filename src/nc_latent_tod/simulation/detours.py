"""What a user does after an offer besides taking it: adds, changes or withdraws a constraint, asks, wants another."""

from __future__ import annotations

from collections.abc import Mapping

from nc_latent_tod.labels import Act
from nc_latent_tod.simulation.catalogue import Catalogue, Row
from nc_latent_tod.simulation.conversation import Conversation
from nc_latent_tod.simulation.wording import is_yes


def detour(talk: Conversation, desk: Catalogue, offered: list[str]) -> bool:
    """After an offer the user may add, change or withdraw a constraint, ask something, or want another entity.

    True where the system has to search again, False where the user is content with the last offer.
    """
    state = talk.slots(desk.service.name)
    if desk.name_slot in state:
        return False
    held = [s for s in desk.find_slots if s in state]
    unsaid = [s for s in desk.find_slots if s in desk.yes_no and s not in state and s in named(desk, offered[-1])]
    new = [s for s in missing_slots(talk, desk, named(desk, offered[-1])) if s not in desk.yes_no]
    if held and talk.spend(0.2):
        return _change_mind(talk, desk, talk.rng.choice(new if new and talk.chance(0.3) else held))
    optional = [s for s in held if s not in desk.required]
    if len(held) > 1 and optional and talk.spend(0.15):
        withdraw(talk, desk, talk.rng.choice(optional))
        return True
    if talk.spend(0.12):
        _another(talk, desk, offered)
    elif unsaid and talk.spend(0.6):
        _ask_yes_no(talk, desk, named(desk, offered[-1]), talk.rng.choice(unsaid))
    if desk.attributes_of(named(desk, offered[-1])) and talk.spend(0.25):
        ask(talk, desk, named(desk, offered[-1]))
    return False


def _change_mind(talk: Conversation, desk: Catalogue, slot: str) -> bool:
    state = talk.slots(desk.service.name)
    values = other_values(desk, state, slot)
    if talk.spend(0.1) or (not values and talk.spend(1.0)):
        values = [v for v in desk.values[slot] if v != state.get(slot)]
    if values:
        change(talk, desk, slot, talk.rng.choice(values))
    return bool(values)


def _another(talk: Conversation, desk: Catalogue, offered: list[str]) -> None:
    """The user wants another entity; the system offers one, or has none and the last one stands."""
    service, name_slot = desk.service.name, desk.name_slot
    talk.user(talk.speaker.user("alternative"))
    others = [row[name_slot] for row in desk.matching(talk.slots(service)) if row[name_slot] not in offered]
    noun = desk.words.names[0]
    if not others:
        last = offered[-1]
        talk.system([Act("NotifyFailure", service), Act("Offer", service, name_slot, last)],
                    talk.speaker.system("no_other", service=noun), talk.speaker.system("offer_bare", service=noun, name=last))
        return
    name = talk.rng.choice(others)
    offered.append(name)
    talk.system([Act("Offer", service, name_slot, name)], talk.speaker.system("offer_other", service=noun, name=name))


def _ask_yes_no(talk: Conversation, desk: Catalogue, target: Row, slot: str) -> None:
    """The user asks whether the entity has something; that is no constraint yet."""
    service = desk.service.name
    positive = next(v for v in desk.values[slot] if is_yes(v))
    phrases = talk.speaker.phrases(desk, {slot: positive})
    talk.user(talk.speaker.user("ask_yes_no", service=desk.words.names[0], phrases=phrases))
    name, value = target[desk.name_slot], target[slot]
    yes = value == positive
    acts = [Act("Affirm" if yes else "Negate"), Act("Inform", service, desk.name_slot, name),
            Act("Inform", service, slot, value)]
    talk.system(acts, talk.speaker.system("affirm" if yes else "negate", name=name, service=desk.words.names[0],
                                          phrases=talk.speaker.phrases(desk, {slot: value})))


def ask(talk: Conversation, desk: Catalogue, row: Row) -> None:
    """The user asks for one or two attributes of an entity, which has some; the system tells them."""
    service, name_slot, known = desk.service.name, desk.name_slot, desk.attributes_of(row)
    slots = talk.rng.sample(known, min(len(known), talk.rng.choice((1, 1, 2))))
    talk.user(talk.speaker.user("ask", nouns=" and the ".join(talk.speaker.noun(desk, s) for s in slots)))
    told = {s: row[s] for s in slots}
    acts = [Act("Inform", service, name_slot, row[name_slot]), *(Act("Inform", service, s, v) for s, v in told.items())]
    talk.system(acts, talk.speaker.system("inform", name=row[name_slot], facts=talk.speaker.facts(desk, told),
                                          service=desk.words.names[0]))
def change(talk: Conversation, desk: Catalogue, slot: str, value: str) -> None:
    """The user changes one constraint."""
    if desk.stands_alone(slot, value) and talk.chance(0.4):
        noun = talk.speaker.noun(desk, slot, main=True)
        talk.user(talk.speaker.user("change_value", noun=noun, value=value))
    else:
        talk.user(talk.speaker.user("change", phrases=talk.speaker.phrases(desk, {slot: value})))
    talk.set(desk.service.name, {slot: value})


def withdraw(talk: Conversation, desk: Catalogue, slot: str) -> None:
    """The user takes one constraint back."""
    talk.user(talk.speaker.user("withdraw", noun=talk.speaker.noun(desk, slot, main=True)))
    talk.drop(desk.service.name, slot)


def other_values(desk: Catalogue, state: Mapping[str, str], slot: str) -> list[str]:
    """Other values of a slot for which there are entities, the rest of the state being as it is."""
    rest = {s: v for s, v in state.items() if s != slot}
    return sorted({row[slot] for row in desk.matching(rest) if slot in row} - {state.get(slot, "")})


def missing_slots(talk: Conversation, desk: Catalogue, target: Row) -> list[str]:
    """Search slots that the entity has and the user has said nothing about; nothing that he took back."""
    service = desk.service.name
    said = {*talk.slots(service), *(slot for s, slot in talk.withdrawn if s == service)}
    return [s for s in desk.find_slots if s not in said and s in target]


def named(desk: Catalogue, name: str) -> Row:
    """The entity of that name."""
    return next(row for row in desk.rows if row[desk.name_slot] == name)
