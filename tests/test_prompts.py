"""Prompts, letter by letter, and what goes when they are too long."""

import pytest
from toy_labelling import turns
from toy_schema import SCHEMA

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import TurnError
from nc_latent_tod.labels import Act, Example, gold_label
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.tasks.fitting import fit_prompt

PRIOR = {"stay": {"area": "east"}}
TURN = Turn("d", 1, 'The "Mill"?', "Yes, for 4\nstars", "Lindsay's it is.")
LABEL = gold_label({"stay": {"area": "east", "stars": "4"}}, PRIOR, [Act("Offer", "stay", "name", "Lindsay's")])
EXAMPLE = Example(TURN, PRIOR, LABEL, "run")

DST, ACTS = StateTracking(SCHEMA, "none"), ActTagging(SCHEMA, "none")

DST_DIRECT = '''agent.handle_turn(
    belief_state=BeliefState(stay=Stay(area="east")),
    last_system_utterance="The \\"Mill\\"?",
    user_utterance="Yes, for 4\\nstars",
    user_intent=[agent.find_stay(stars=4)],
)

'''
DST_CHANNEL = '''agent.handle_turn(
    belief_state=BeliefState(stay=Stay(area="east")),
    last_system_utterance="The \\"Mill\\"?",
    user_intent=[agent.find_stay(stars=4)],
    user_utterance="Yes, for 4\\nstars",
)

'''
ACTS_DIRECT = '''agent.respond(
    system_response="Lindsay's it is.",
    system_acts=[Offer(entity=Stay(name="Lindsay's"))],
)

'''
ACTS_CHANNEL = '''agent.respond(
    system_acts=[Offer(entity=Stay(name="Lindsay's"))],
    system_response="Lindsay's it is.",
)

'''
WHOLE = [(DST, "direct", DST_DIRECT), (DST, "channel", DST_CHANNEL), (ACTS, "direct", ACTS_DIRECT),
         (ACTS, "channel", ACTS_CHANNEL)]


def words(texts):
    return [len(text.split()) for text in texts]


@pytest.mark.parametrize(("task", "order", "text"), WHOLE)
def test_an_example_is_a_whole_call(task, order, text):
    assert task.example(EXAMPLE, order) == text


@pytest.mark.parametrize(("task", "order", "text"), WHOLE)
def test_a_question_is_the_same_call_up_to_the_open_bracket(task, order, text):
    bracket = "user_intent=[" if task is DST else "system_acts=["
    assert task.question(TURN, PRIOR, order) == text[: text.index(bracket) + len(bracket)]


@pytest.mark.parametrize(("task", "text"), [(DST, DST_CHANNEL), (ACTS, ACTS_CHANNEL)])
def test_a_channel_question_and_its_continuation_are_the_whole_call(task, text):
    y, x = task.continuation(task.print(task.label(EXAMPLE)), TURN)
    assert task.question(TURN, PRIOR, "channel") + y + x + "\n)\n\n" == text
    assert y.endswith('="')
    assert x.endswith('",')


def test_the_nearest_example_comes_last():
    near, far = (Example(Turn(name, 0, "", name, name), {}, LABEL) for name in ("near", "far"))
    prompt = fit_prompt(DST, "direct", TURN, PRIOR, [near, far], budget=1_000, count_tokens=words)
    expected = DST.example(far, "direct") + DST.example(near, "direct") + DST.question(TURN, PRIOR, "direct")
    assert (prompt.text, prompt.num_examples, prompt.truncated) == (expected, 2, False)


def test_the_signatures_are_one_line_an_intent_or_a_service():
    assert StateTracking(SCHEMA, "signatures").preamble == (
        "agent.find_stay(area, stars, name)\nagent.book_stay(name, garage)\nagent._class(_from, leave_at, name)\n"
        "agent.no_change()\n\n")
    assert ActTagging(SCHEMA, "signatures").preamble == (
        "Stay(area, stars, garage, name)\nRides_2(_from, leave_at, name)\n"
        "Inform, Offer, Confirm, Affirm, Negate, NotifySuccess, NotifyFailure, Request, RequestAlternatives, Acknowledge, "
        "Greeting, ThankYou, Goodbye\n\n")


CLASSES = '''class Stay(Entity):
    """Rooms for the night"""
    area: Literal["north", "east", "town centre"]  # part of town
    stars: Literal[0, 1, 2, 3, 4, 5]  # how good
    garage: Literal["yes", "no"]  # room for a car
    name: str  # what it is called

class Rides_2(Entity):
    """Getting about"""
    _from: str  # where from
    leave_at: str  # when
    name: str  # whose car

'''


def test_the_full_preamble_shows_classes_types_and_descriptions():
    assert StateTracking(SCHEMA).preamble == CLASSES + '''class Agent:
    state: BeliefState

    def find_stay(self, area: str = None, stars: int = None, name: str = None) -> Stay:
        """look for a room"""
    def book_stay(self, name: str = None, garage: str = None) -> Stay:
        """take a room"""
    def _class(self, _from: str = None, leave_at: str = None, name: str = None) -> Rides_2:
        """"""
    def no_change(self):
        """The user changes nothing."""

'''
    acts = ActTagging(SCHEMA).preamble
    assert acts.startswith(CLASSES)
    assert "class Offer(Act):  # Offer(entity: Entity)\n" in acts
    assert "class Request(Act):  # Request(service: type[Entity], slots: list[str])\n" in acts


def test_without_a_preamble_a_prompt_begins_with_the_call():
    assert fit_prompt(DST, "direct", TURN, {}, [], budget=99, count_tokens=words).text.startswith("agent.handle_turn(\n")


@pytest.mark.parametrize(("budget", "kept", "last_words"), [
    (21, 3, 5), (20, 2, 5), (14, 1, 5), (10, 1, 5), (9, 0, 5), (8, 0, 5), (7, 0, 4), (4, 0, 1), (3, 0, 0),
])
def test_an_over_long_prompt_drops_the_farthest_examples_and_then_the_oldest_text(budget, kept, last_words):
    class Small:
        """A task whose lengths are easy to count: an example takes as many words as it is far, a question 3 and its text."""

        preamble = ""

        def example(self, example, order):
            return "x " * example

        def question(self, turn, state, order, given=()):
            return f"{turn.last_system_utterance} {turn.user_utterance} ?"

    turn = Turn("d", 0, "one two three four five", "six seven", "")
    prompt = fit_prompt(Small(), "direct", turn, {}, [2, 5, 6], budget=budget, count_tokens=words)
    assert prompt.num_examples == kept
    assert prompt.truncated == (last_words < 5)
    assert len(prompt.text.split()) <= budget
    kept_text = " ".join(["one", "two", "three", "four", "five"][5 - last_words:])
    assert prompt.text.endswith(f"{kept_text} six seven ?")


@pytest.mark.parametrize(("task", "order"), [(DST, "direct"), (ACTS, "direct"), (DST, "channel")])
def test_a_prompt_that_cannot_be_made_to_fit_is_a_typed_error(task, order):
    (turn,) = turns("long", ("word " * 50, "word " * 50)).turns
    with pytest.raises(TurnError, match="Turn 0 of dialogue 'long' does not fit the model") as caught:
        fit_prompt(task, order, turn, {}, [EXAMPLE], budget=3, count_tokens=words)
    assert caught.value.reason == "prompt_too_long"


def test_what_a_system_utterance_keeps_is_all_that_fits():
    turn = Turn("d", 0, " ".join(f"w{i}" for i in range(500)), "yes", "")
    for budget in range(10, 400, 37):
        prompt = fit_prompt(DST, "direct", turn, {}, [], budget=budget, count_tokens=words)
        assert len(prompt.text.split()) == budget
        assert "w499" in prompt.text
