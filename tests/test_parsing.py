"""The label language: what is printed is read back, and nothing else is read."""

import contextlib
import time

import pytest
from hostile_texts import HOSTILE_ACTS, HOSTILE_CHANGES
from hypothesis import example, given
from hypothesis import strategies as st
from toy_schema import SCHEMA

from nc_latent_tod.errors import ParseError
from nc_latent_tod.labels import ACT_NAMES, ENTITY_ACTS, SERVICE_ACTS, Act
from nc_latent_tod.notation.parsing import parse_acts, parse_change
from nc_latent_tod.notation.printing import NO_CHANGE, print_acts, print_change, print_state

SLOTS = [(service.name, slot.name) for service in SCHEMA.services for slot in service.slots]
AWKWARD = ["Lindsay's", 'the "Old" Mill', "back\\slash", "None", "True", "007", "1.5", "-3", "1_000", "[a]", "f(x=1)",
           "#1", "", "{x}", "%s", "مطعم", "🏨👩‍👩‍👧", "e\u0301", "a\u2028b", "agent.state.stay.name", "999999999999",
           "\u200fא", "’", "'", '"']
VALUES = (st.sampled_from(AWKWARD) | st.text(max_size=20)).map(
    lambda text: " ".join("".join(c for c in text if c.isprintable() or c in "\u200d\u200f").split())).filter(bool)


def nested(pairs):
    """{(service, slot): value} as {service: {slot: value}}."""
    state = {}
    for (service, slot), value in pairs.items():
        state.setdefault(service, {})[slot] = value
    return state


@given(st.dictionaries(st.sampled_from(SLOTS), VALUES | st.none()))
def test_a_printed_change_is_read_back(pairs):
    change = nested(pairs)
    state = nested(dict.fromkeys(pairs, "something else \x7f"))  # so that a deletion and every value is a change
    assert parse_change(print_change(change, SCHEMA), SCHEMA, state, normalise=False) == change


@st.composite
def acts(draw):
    """Acts as `parse_acts` gives them: where slots are named, there is no act without one."""
    found = set()
    for name in draw(st.lists(st.sampled_from(ACT_NAMES), unique=True)):
        if name not in ENTITY_ACTS | SERVICE_ACTS:
            found.add(Act(name))
        for service in draw(st.lists(st.sampled_from(SCHEMA.services), unique_by=lambda s: s.name)):
            slots = draw(st.lists(st.tuples(st.sampled_from([s.name for s in service.slots]), VALUES), max_size=4))
            if name in ENTITY_ACTS:
                found.update([Act(name, service.name, *pair) for pair in slots] or [Act(name, service.name)])
            elif name in SERVICE_ACTS:
                found.update([Act(name, service.name, slot) for slot, _ in slots] or [Act(name, service.name)])
    return found


@given(acts())
def test_printed_acts_are_read_back(found):
    assert parse_acts(print_acts(found, SCHEMA), SCHEMA, normalise=False) == tuple(sorted(found))


def test_labels_print_as_written_down_here():
    change = {"Rides_2": {"leave at": "9"}, "stay": {"name": "Lindsay's", "area": "east", "garage": None}}
    said = [Act("Goodbye"), Act("Offer", "stay", "name", "A"), Act("Offer", "stay", "name", "B"), Act("Inform", "stay"),
            Act("Request", "stay", "area"), Act("Offer", "stay", "stars", "4"), Act("Request", "Rides_2", "from")]

    assert print_change(change, SCHEMA) == (
        '[agent.find_stay(area="east", name="Lindsay\'s"), agent.book_stay(garage=None), agent._class(leave_at=9)]')
    assert print_acts(said, SCHEMA) == (
        '[Inform(entity=Stay()), Offer(entity=Stay(stars=4, name="A")), Offer(entity=Stay(name="B")), '
        'Request(service=Stay, slots=["area"]), Request(service=Rides_2, slots=["_from"]), Goodbye()]')
    assert print_state({"stay": {"area": "east"}}, SCHEMA) == 'BeliefState(stay=Stay(area="east"))'


@pytest.mark.parametrize("text", ["agent.find_stay(area='east')],", "agent.find_stay(area='east')]",
                                  "agent.find_stay(area='east')", " [agent.find_stay(area='east')], ",
                                  "agent.find_stay(area='east'),"])
def test_a_stop_string_may_have_taken_the_bracket_or_the_comma(text):
    assert parse_change(text, SCHEMA, {}) == {"stay": {"area": "east"}}


def test_a_value_may_refer_to_the_state():
    state = {"stay": {"name": "Lindsay's"}}
    change = parse_change("agent._class(_from=agent.state.stay.name, name=agent.state.Stay.name)]", SCHEMA, state)
    assert change == {"Rides_2": {"from": "Lindsay's", "name": "Lindsay's"}}


@pytest.mark.parametrize("reference", ["agent.state.stay.area", "agent.state.stay", "agent.state.stay.name.upper",
                                       "agent.__class__.stay.name", "other.state.stay.name", "agent.state.nothing.name"])
def test_a_reference_to_what_the_state_lacks_is_an_error(reference):
    with pytest.raises(ParseError) as caught:
        parse_change(f"agent._class(_from={reference})]", SCHEMA, {"stay": {"name": "A"}})
    assert caught.value.reason == "unresolved_reference"


def test_a_change_holds_only_what_changes():
    state = {"stay": {"area": "east", "stars": "4"}}
    text = "agent.find_stay(area='north', stars=4, name=None), agent.book_stay(garage=None)]"
    assert parse_change(text, SCHEMA, state) == {"stay": {"area": "north"}}
    assert parse_change("agent.find_stay(area=None)]", SCHEMA, state) == {"stay": {"area": None}}
    assert parse_change(NO_CHANGE, SCHEMA, state) == {}


def test_values_become_the_schemas_own():
    assert parse_change("agent.find_stay(area='Town Center', stars='four')]", SCHEMA, {}) == {
        "stay": {"area": "town centre", "stars": "4"}}
    assert parse_acts("Inform(entity=Stay(garage=True, stars='six'))]", SCHEMA) == (
        Act("Inform", "stay", "garage", "yes"), Act("Inform", "stay", "stars", "six"))  # a system may say so


def test_a_number_keeps_its_spelling():
    (act,) = parse_acts("Inform(entity=Stay(name=12.50))]", SCHEMA)
    assert act.value == "12.50"


def test_a_request_with_an_empty_list_of_slots_is_still_a_request():
    assert parse_acts("Request(service=Stay, slots=[])]", SCHEMA) == (Act("Request", "stay"),)


@pytest.mark.parametrize("value", ["👩‍👩‍👧", "\u200fא\u200f", "a\u00a0b", "می‌خواهم"])
def test_joined_emoji_and_right_to_left_text_are_values(value):
    (act,) = parse_acts(f"Offer(entity=Stay(name='{value}'))]", SCHEMA)
    assert act.value == value.replace("\u00a0", " ")


def flat(hostile):
    """(reason, text) of a corpus of hostile texts, with short test ids."""
    pairs = [(reason, text) for reason, texts in hostile.items() for text in texts]
    return [pytest.param(reason, text, id=f"{reason}-{i}") for i, (reason, text) in enumerate(pairs)]


@pytest.mark.parametrize(("reason", "text"), flat(HOSTILE_CHANGES))
def test_a_hostile_change_is_a_parse_error_with_its_reason(reason, text):
    with pytest.raises(ParseError) as caught:
        parse_change(text, SCHEMA, {})
    assert caught.value.reason == reason
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("reason", "text"), flat(HOSTILE_ACTS))
def test_hostile_acts_are_a_parse_error_with_its_reason(reason, text):
    with pytest.raises(ParseError) as caught:
        parse_acts(text, SCHEMA)
    assert caught.value.reason == reason


def test_hostile_texts_cost_no_more_than_reading_their_characters():
    texts = [text for hostile in (HOSTILE_CHANGES, HOSTILE_ACTS) for group in hostile.values() for text in group]
    plain = "[agent.find_stay(name='x')]"

    def seconds(texts: list[str]) -> float:
        started = time.process_time()
        for text in texts:
            for read in (lambda t: parse_change(t, SCHEMA, {}), lambda t: parse_acts(t, SCHEMA)):
                with contextlib.suppress(ParseError):
                    read(text)
        return time.process_time() - started

    alike = [plain] * (sum(map(len, texts)) // len(plain))
    assert seconds(texts) < 5 * min(seconds(alike) for _ in range(3))


def test_nothing_that_is_read_is_run(tmp_path):
    target = tmp_path / "made.txt"
    for text in (f'[open(file="{target}", mode="w")]', f'[agent.find_stay(name=open(file="{target}", mode="w"))]',
                 f'[Offer(entity=open(file="{target}", mode="w"))]', f"[f'{{open(\"{target}\", \"w\")}}']"):
        for read in (lambda t: parse_change(t, SCHEMA, {}), lambda t: parse_acts(t, SCHEMA)):
            with pytest.raises(ParseError):
                read(text)
    assert not target.exists()


PIECES = st.sampled_from([
    "agent.", "find_stay", "book_stay", "no_change", "state.stay.name", "(", ")", "[", "]", ",", "=", "name",
    "area", "'", '"', "\\", "east", "None", "True", "0x", "9", "1e9", "Offer", "Request", "entity", "service",
    "slots", "Stay", "{", "}", "f'", "lambda:", "*", "**", ":=", " for x in ", '\n', '\t', '\x00', '\ud800', "é",
    "🏨", "#", " ",
])


@given(st.text(alphabet=st.characters(codec=None)) | st.lists(PIECES, max_size=25).map("".join))
@example("agent.find_stay(name=0x" + "f" * 3_900 + ")")
def test_any_text_is_read_or_is_a_parse_error(text):
    readers = (lambda t: parse_change(t, SCHEMA, {"stay": {"name": "A"}}), lambda t: parse_acts(t, SCHEMA))
    for read, show in zip(readers, (print_change, print_acts), strict=True):
        try:
            label = read(text)
        except ParseError as error:
            assert error.reason
        else:
            assert show(read(show(label, SCHEMA)), SCHEMA) == show(label, SCHEMA)
