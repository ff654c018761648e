"""Training text is what prompts show, cut where a prompt ends and an answer begins."""

import random
import re
from dataclasses import replace

import pytest
from test_prompts import EXAMPLE, PRIOR, TURN
from toy_labelling import corpus, label, labeller
from toy_schema import SCHEMA

from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.tasks.policy import Policy
from nc_latent_tod.tasks.response import Responding
from nc_latent_tod.training.packing import call_segments, pack


def rooms(state):
    return {"stay": len(state)}


TASKS = [StateTracking(SCHEMA, "signatures"), ActTagging(SCHEMA, "signatures"), Policy(SCHEMA, rooms, "signatures"),
         Responding(SCHEMA, rooms, "signatures")]
EXAMPLE = replace(EXAMPLE, label=replace(EXAMPLE.label, delexicalised_response="[value_name] it is."))


def examples():
    return [EXAMPLE, *label(labeller(), corpus(6)).values()]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@pytest.mark.parametrize("order", ["direct", "channel"])
def test_joined_segments_are_the_example_as_prompts_show_it(task, order):
    for example in examples():
        segments = call_segments(task, example, order)
        assert "".join(segment.text for segment in segments) == task.example(example, order)
        assert segments[0].text == task.opening(example, order)
        assert [s.is_target for s in segments] == [False, True, False] if order == "direct" else [False, True, True, False]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_target_of_a_direct_call_is_what_sampling_asks_for_and_reads(task):
    _, answer, _ = call_segments(task, EXAMPLE, "direct")
    assert answer.text.endswith("],\n")  # the stop string is the end of the line
    assert task.parse(answer.text.split("\n")[0], PRIOR) == task.label(EXAMPLE)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_the_targets_of_a_channel_call_are_the_segments_that_are_scored(task):
    _, y, x, _ = call_segments(task, EXAMPLE, "channel")
    assert (y.text, x.text) == task.continuation(task.print(task.label(EXAMPLE)), TURN)


def test_a_pack_is_the_preamble_and_whole_calls_up_to_its_length():
    task, pool = TASKS[0], examples()
    for seed in range(20):
        segments = pack(task, "direct", pool, length=200, count=lambda text: len(text.split()), rng=random.Random(seed))
        calls = "".join(s.text for s in segments).removeprefix(task.preamble)
        texts = [task.example(example, "direct") for example in pool]
        used = [text for text in calls.split("agent.handle_turn")[1:] if f"agent.handle_turn{text}" in texts]
        assert segments[0].text == task.preamble
        assert len(used) == calls.count("agent.handle_turn") == (len(segments) - 1) / 3
        assert sum(len(s.text.split()) for s in segments[:-3]) < 200


def test_the_same_stream_gives_the_same_pack_and_no_call_comes_twice_in_one():
    first, again, other = (pack(TASKS[1], "channel", apart(range_of(30)), length=10**6, count=len, rng=random.Random(seed))
                           for seed in (1, 1, 2))
    assert first == again != other
    assert sorted(s.text for s in first if s.is_target) == sorted(s.text for s in other if s.is_target)
    assert sum(s.is_target for s in first) == 60


def apart(found):
    """The examples as turns of dialogues of their own."""
    return [replace(example, turn=replace(example.turn, dialogue_id=f"d{i}")) for i, example in enumerate(found)]


def range_of(n):
    """`n` examples."""
    return (list(examples()) * n)[:n]


def test_no_turn_comes_after_a_later_one_of_its_dialogue_which_tells_its_answer():
    drawn = [replace(EXAMPLE, turn=replace(EXAMPLE.turn, dialogue_id=f"d{n % 4}", turn_id=n // 4, user_utterance=f"said {n}"))
             for n in range(24)]

    packs = [pack(TASKS[0], "direct", drawn, length=10**6, count=len, rng=random.Random(seed), calls=5) for seed in range(30)]

    for segments in packs:
        said = [int(n) for n in re.findall(r"said (\d+)", "".join(segment.text for segment in segments))]
        assert len(said) == 5
        for dialogue in range(4):
            turns = [n // 4 for n in said if n % 4 == dialogue]
            assert turns == sorted(turns)
