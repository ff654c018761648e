"""The first half of talking about a service: constraints, questions, offers, and one entity that the user accepts."""

from __future__ import annotations

from collections.abc import Mapping

from nc_latent_tod.labels import Act
from nc_latent_tod.simulation.catalogue import Catalogue, Row
from nc_latent_tod.simulation.conversation import Conversation
from nc_latent_tod.simulation.detours import change, detour, missing_slots, named, other_values, withdraw
from nc_latent_tod.simulation.wording import is_yes

References = Mapping[str, tuple[str, str]]
"""Slot -> (noun of the other service, its value)."""


def search(talk: Conversation, desk: Catalogue, references: References) -> Row:
    """Talk until the system has offered an entity that the user wants (not yet accepted in words); return it.

    The user then speaks. Takes one turn, and as many detours as `talk.extra` allows.
    """
    target = _open(talk, desk, references)
    offered: list[str] = []
    while True:
        matches = desk.matching(talk.slots(desk.service.name))
        if not matches:
            target = _no_result(talk, desk)
            continue
        if target not in matches:
            target = talk.rng.choice(matches)
        if _asked(talk, desk, target) or _confirmed(talk, desk, target):
            continue
        _offer(talk, desk, target)
        offered.append(target[desk.name_slot])
        if not detour(talk, desk, offered):
            return named(desk, offered[-1])


def _open(talk: Conversation, desk: Catalogue, references: References) -> Row:
    service, rng = desk.service.name, talk.rng
    target = rng.choice(desk.rows)
    if missing_slots(talk, desk, target) and talk.spend(0.08):
        talk.user(talk.speaker.user("open_bare", first=talk.first, service=talk.speaker.service(desk)))
        _request(talk, desk, target)
        return target
    same = {s: r for s, r in references.items() if s in desk.find_slots and talk.chance(0.6)}
    rows = [row for row in desk.rows if all(row.get(s) == v for s, (_, v) in same.items())]
    target, same = (rng.choice(rows), same) if rows else (target, {})
    count = min(len(desk.find_slots), rng.choice((1, 1, 2, 2, 3)))
    required = desk.required if talk.chance(0.8) else ()
    count = max(count, len({*same, *required}))
    slots = list(dict.fromkeys([*same, *required, *rng.sample(desk.find_slots, len(desk.find_slots))]))[:count]
    known = [s for s in slots if s in target and (s not in desk.yes_no or is_yes(target[s]) or talk.chance(0.3))]
    known = known or [s for s in slots if s in target]
    wanted = {s: target[s] for s in sorted(known, key=desk.find_slots.index)}
    if desk.name_slot and talk.chance(0.08):
        wanted, same = {desk.name_slot: target[desk.name_slot]}, {}
    elif talk.extra > 0 and talk.chance(0.15):
        mixed = {s: v if s in same or s in desk.yes_no else rng.choice(desk.values[s]) for s, v in wanted.items()}
        wanted = mixed if len(set(mixed.values())) == len(mixed) else wanted
        if not desk.matching(wanted):
            talk.extra -= 1
    say_open(talk, desk, wanted, {s: other for s, (other, _) in same.items()})
    talk.set(service, wanted)
    free = [s for s in desk.find_slots if s not in wanted and s not in desk.yes_no]
    if free and talk.chance(0.08):
        slot = rng.choice(free)
        talk.user(talk.speaker.user("dontcare", noun=talk.speaker.noun(desk, slot)))
        talk.set(service, {slot: "dontcare"})
    return target


def say_open(talk: Conversation, desk: Catalogue, wanted: Mapping[str, str], same: Mapping[str, str]) -> None:
    """The user names a service and what it should be like."""
    noun, phrases = talk.speaker.described(desk, wanted, same)
    move = "open" if not talk.state or talk.chance(0.2) else "open_next"
    talk.user(talk.speaker.user(move, first=talk.first, service=noun, phrases=phrases))


def _asked(talk: Conversation, desk: Catalogue, target: Row) -> bool:
    missing = missing_slots(talk, desk, target)
    likely = 0.9 if {*missing} & {*desk.required} else 0.35
    if desk.name_slot in talk.slots(desk.service.name) or not missing or not talk.spend(likely):
        return False
    _request(talk, desk, target)
    return True


def _request(talk: Conversation, desk: Catalogue, target: Row) -> None:
    """The system asks for one or two slots, and the user answers."""
    service, missing = desk.service.name, missing_slots(talk, desk, target)
    open_slots = [s for s in missing if s not in desk.yes_no]
    slots = [talk.rng.choice([s for s in missing if s in desk.required] or missing)]
    if len(open_slots) > 1 and talk.chance(0.15):
        slots = talk.rng.sample(open_slots, 2)
    talk.system([Act("Request", service, s) for s in slots], talk.speaker.question(desk, slots))
    if len(slots) == 1 and slots[0] not in desk.required and talk.chance(0.2):
        talk.user(talk.speaker.user("answer_dontcare", noun=talk.speaker.noun(desk, slots[0], main=True)))
        talk.set(service, {slots[0]: "dontcare"})
        return
    values = {s: target[s] for s in slots}
    talk.user(answer(talk, desk, values, "answer_phrase"))
    talk.set(service, values)


def answer(talk: Conversation, desk: Catalogue, values: Mapping[str, str], move: str) -> str:
    """The user's answer to a request for exactly these slots."""
    (slot, value), phrases = next(iter(values.items())), talk.speaker.phrases(desk, values)
    if len(values) == 1 and slot in desk.yes_no:
        return talk.speaker.user("answer_yes" if is_yes(value) else "answer_no", phrases=phrases)
    if len(values) == 1 and talk.chance(0.5):
        return talk.speaker.user("answer_value", value=talk.speaker.value(value))
    return talk.speaker.user(move, phrases=phrases)


def _confirmed(talk: Conversation, desk: Catalogue, target: Row) -> bool:
    """The system reads back the constraints; the user says yes, or changes one."""
    service = desk.service.name
    held = {s: v for s, v in talk.slots(service).items() if s in desk.find_slots and v != "dontcare"}
    if not held or not talk.spend(0.1):
        return False
    phrases = talk.speaker.phrases(desk, held, spoken=False)
    acts = [Act("Confirm", service, s, v) for s, v in held.items()]
    talk.system(acts, talk.speaker.system("confirm", service=desk.words.names[0], phrases=phrases))
    slot = talk.rng.choice(list(held))
    others = other_values(desk, talk.slots(service), slot)
    if others and talk.chance(0.3):
        values = {slot: talk.rng.choice(others)}
        talk.user(talk.speaker.user("confirm_no", phrases=talk.speaker.phrases(desk, values)))
        talk.set(service, values)
    else:
        talk.user(talk.speaker.user("confirm_yes"))
    return True


def _offer(talk: Conversation, desk: Catalogue, target: Row) -> None:
    service, name, state = desk.service.name, target[desk.name_slot], talk.slots(desk.service.name)
    asked = [s for s in desk.find_slots if s in state]
    told = [s for s in desk.find_slots if s in target and (talk.chance(0.7) if s in asked else talk.chance(0.25))][:3]
    known = state.get(desk.name_slot) == name  # the user named it: told about, not offered
    if known and not told:
        told = [s for s in desk.find_slots if s in target][:1]
    values = {s: target[s] for s in told}
    kind = "offer" if values else "offer_bare"
    if known and values:
        kind = "inform_name"
    act = "Inform" if kind == "inform_name" else "Offer"
    acts = [Act(act, service, desk.name_slot, name), *(Act(act, service, s, v) for s, v in values.items())]
    talk.system(acts, talk.speaker.system(kind, name=name, service=desk.words.names[0],
                                          phrases=talk.speaker.phrases(desk, values, spoken=False)))


def _no_result(talk: Conversation, desk: Catalogue) -> Row:
    """The system finds nothing; the user changes or withdraws constraints until something is there."""
    service, rng = desk.service.name, talk.rng
    held = {s: v for s, v in talk.slots(service).items() if s in desk.find_slots and v != "dontcare"}
    acts = [Act("NotifyFailure", service, s, v) for s, v in held.items()]
    sentences = [talk.speaker.system("no_result", service=desk.words.names[0],
                                     phrases=talk.speaker.phrases(desk, held, spoken=False))]
    if talk.chance(0.5):
        acts.append(Act("RequestAlternatives", service))
        sentences.append(talk.speaker.system("alternatives"))
    talk.system(acts, *sentences)
    slots = rng.sample(list(held), len(held))
    for slot in slots:
        rest = {s: v for s, v in held.items() if s != slot}
        rows = [row for row in desk.matching(rest) if slot in row]
        if rows:
            target = rng.choice(rows)
            if slot not in desk.required and talk.chance(0.25):
                withdraw(talk, desk, slot)
            else:
                change(talk, desk, slot, target[slot])
            return target
    target = rng.choice(desk.rows)
    changed = {s: target[s] for s in slots if s in target and target[s] != held[s]}
    talk.user(talk.speaker.user("change", phrases=talk.speaker.phrases(desk, changed)))
    talk.set(service, changed)
    return target
