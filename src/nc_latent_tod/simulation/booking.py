"""The second half of talking about a service: the user accepts an entity and books, or orders a call without entities."""

from __future__ import annotations

from collections.abc import Mapping

from nc_latent_tod.labels import Act
from nc_latent_tod.simulation.catalogue import Catalogue, Row
from nc_latent_tod.simulation.conversation import Conversation
from nc_latent_tod.simulation.detours import ask
from nc_latent_tod.simulation.search import References, answer, say_open

_MAX_FACTS = 3
_LETTERS = "bcdfghjkmnpqrstvwxz"


def accept(talk: Conversation, desk: Catalogue, row: Row, references: References) -> None:
    """The user takes an offered entity, which puts its name into the state, and books it where it can be booked."""
    service, name = desk.service.name, {desk.name_slot: row[desk.name_slot]}
    if not desk.book_slots:
        talk.user(talk.speaker.user("accept"))
        talk.set(service, name)
        _settled(talk, desk, row)
        return
    wanted, same = _booking(talk, desk, references)
    if talk.spend(0.2):
        talk.user(talk.speaker.user("accept"))
        talk.set(service, name)
        first: dict[str, str] = {}
    else:
        first = _part(talk, wanted, keep=same)
        known = desk.name_slot in talk.slots(service)
        talk.user(talk.speaker.user("book" if known else "accept_book", phrases=talk.speaker.phrases(desk, first, same)))
        talk.set(service, {**name, **first})
    _complete(talk, desk, {s: v for s, v in wanted.items() if s not in first})
    _close(talk, desk, row, wanted)


def order(talk: Conversation, desk: Catalogue, references: References) -> None:
    """The user orders a service without named entities."""
    wanted, same = _booking(talk, desk, references)
    first = _part(talk, wanted, keep=same)
    say_open(talk, desk, first, {s: o for s, o in same.items() if s in first})
    talk.set(desk.service.name, first)
    _complete(talk, desk, {s: v for s, v in wanted.items() if s not in first})
    _close(talk, desk, talk.rng.choice(desk.rows) if desk.rows else {}, wanted)


def _booking(talk: Conversation, desk: Catalogue, references: References) -> tuple[dict[str, str], dict[str, str]]:
    """Values for the booking slots, and for those that repeat another service's value the noun of that service."""
    wanted: dict[str, str] = {}
    same: dict[str, str] = {}
    for slot in desk.book_slots:
        free = [v for v in desk.values[slot] if v not in wanted.values()]
        wanted[slot] = talk.rng.choice(free or list(desk.values[slot]))
        other, value = references.get(slot, ("", ""))
        if other and value not in wanted.values() and talk.chance(0.6):
            wanted[slot], same[slot] = value, other
    return wanted, same


def _part(talk: Conversation, wanted: Mapping[str, str], keep: Mapping[str, str]) -> dict[str, str]:
    """What the user says at once: all, or where turns are left to ask for the rest, a part with the references."""
    slots = list(wanted)
    if len(slots) > 1 and (len(slots) > 3 or talk.first or talk.chance(0.5)) and talk.spend(1.0):
        some = set(talk.rng.sample(slots, talk.rng.randint(1, len(slots) - 1))) | set(keep)
        slots = [s for s in slots if s in some]
    return {s: wanted[s] for s in slots}


def _complete(talk: Conversation, desk: Catalogue, rest: Mapping[str, str]) -> None:
    """The system asks for what is missing, all at once or slot by slot, and the user answers."""
    left = dict(rest)
    while left:
        at_once = 1 if len(left) > 1 and talk.spend(0.5) else len(left)
        slots = list(left)[:at_once]
        talk.system([Act("Request", desk.service.name, s) for s in slots], talk.speaker.question(desk, slots))
        values = {s: left.pop(s) for s in slots}
        talk.user(answer(talk, desk, values, "answer_booking"))
        talk.set(desk.service.name, values)


def _close(talk: Conversation, desk: Catalogue, row: Row, wanted: Mapping[str, str]) -> None:
    """The system confirms, fails or succeeds; afterwards the user may change the booking or ask something."""
    service = desk.service.name
    if talk.spend(0.15):
        phrases = talk.speaker.phrases(desk, wanted, spoken=False)
        talk.system([Act("Confirm", service, s, v) for s, v in wanted.items()],
                    talk.speaker.system("confirm_booking", service=desk.words.names[0], phrases=phrases))
        talk.user(talk.speaker.user("confirm_yes"))
    if talk.spend(0.25):
        _fail(talk, desk, wanted)
    _succeed(talk, desk, row)
    if talk.spend(0.15) and _revise(talk, desk, "change_booking"):
        _succeed(talk, desk, row)
    if desk.name_slot and desk.attributes_of(row) and talk.spend(0.2):
        ask(talk, desk, row)


def _fail(talk: Conversation, desk: Catalogue, wanted: Mapping[str, str]) -> None:
    """The booking fails; the user tries another value."""
    service, slot = desk.service.name, talk.rng.choice(list(wanted))
    phrases = talk.speaker.phrases(desk, {slot: wanted[slot]}, spoken=False)
    acts = [Act("NotifyFailure", service, slot, wanted[slot])]
    sentences = [talk.speaker.system("booking_failed", service=desk.words.names[0], phrases=phrases)]
    if talk.chance(0.5):
        acts.append(Act("RequestAlternatives", service))
        sentences.append(talk.speaker.system("alternatives"))
    elif talk.chance(0.5):
        acts.append(Act("Request", service, slot))
        sentences.append(talk.speaker.question(desk, [slot]))
    talk.system(acts, *sentences)
    if not _revise(talk, desk, "retry", slot):
        talk.user(talk.speaker.user("confirm_yes"))


def _revise(talk: Conversation, desk: Catalogue, move: str, slot: str = "") -> bool:
    """The user gives a booking slot a new value; False where there is no other value."""
    state = talk.slots(desk.service.name)
    slot = slot or talk.rng.choice(desk.book_slots)
    values = [v for v in desk.values[slot] if v not in state.values()]
    if not values:
        return False
    changed = {slot: talk.rng.choice(values)}
    talk.user(talk.speaker.user(move, phrases=talk.speaker.phrases(desk, changed)))
    talk.set(desk.service.name, changed)
    return True


def _succeed(talk: Conversation, desk: Catalogue, row: Row) -> None:
    service, noun, name = desk.service.name, desk.words.names[0], row.get(desk.name_slot, "")
    if not name:
        acts = [Act("NotifySuccess", service)]
        facts = dict([(s, v) for s, v in row.items() if s not in desk.book_slots and s not in desk.yes_no][:_MAX_FACTS])
        sentences = [talk.speaker.system("success_call", service=noun)]
        if facts:
            acts += [Act("Inform", service, s, v) for s, v in facts.items()]
            sentences.append(talk.speaker.system("inform_call", service=noun, facts=talk.speaker.facts(desk, facts)))
        talk.system(acts, *sentences)
        return
    acts = [Act("NotifySuccess", service, desk.name_slot, name)]
    slot = desk.words.reference
    if not slot:
        talk.system(acts, talk.speaker.system("success", service=noun, name=name))
        return
    code = f"{talk.rng.choice(_LETTERS)}{talk.rng.choice(_LETTERS)}{talk.rng.randint(10, 99)}"
    talk.system([*acts, Act("NotifySuccess", service, slot, code)],
                talk.speaker.system("success_code", service=noun, name=name, noun=talk.speaker.noun(desk, slot), value=code))


def _settled(talk: Conversation, desk: Catalogue, row: Row) -> None:
    """An accepted entity that cannot be booked: the user may ask about it at once; the system answers or just agrees."""
    name, noun = row[desk.name_slot], desk.words.names[0]
    if desk.attributes_of(row) and talk.chance(0.4):
        ask(talk, desk, row)
        return
    talk.system([Act("Acknowledge")], talk.speaker.system("noted", name=name, service=noun))
    if desk.attributes_of(row) and talk.spend(0.5):
        ask(talk, desk, row)
