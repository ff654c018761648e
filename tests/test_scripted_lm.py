"""The model without a model."""

from __future__ import annotations

import subprocess
import sys

import pytest

from nc_latent_tod.errors import ConfigError, TurnError
from nc_latent_tod.lm import Completion, Sampling
from nc_latent_tod.lm.scripted import ScriptedLM

FIVE = Sampling(n=5, max_new_tokens=10)


def test_completions_are_a_function_of_prompt_and_seed() -> None:
    script = {"a[": ["one", "two", "three"]}
    together = ScriptedLM(script).sample(["x a[", "y a["], FIVE, [1, 2])
    alone = [ScriptedLM(script).sample([prompt], FIVE, [seed])[0] for prompt, seed in (("y a[", 2), ("x a[", 1))]
    assert together == alone[::-1]
    assert {c.text for of_prompt in ScriptedLM(script).sample(["x a["] * 9, FIVE, list(range(9))) for c in of_prompt} == \
        {"one", "two", "three"}


def test_the_longest_ending_of_a_mapping_answers() -> None:
    lm = ScriptedLM({"[": ["short"], "acts=[": ["long"]})
    assert [c[0].text for c in lm.sample(["x acts=[", "x ["], Sampling(), [0, 0])] == ["long", "short"]


def test_greedy_takes_the_first_completion() -> None:
    lm = ScriptedLM(lambda prompt: [prompt.upper(), "other"])
    assert [c.text for c in lm.sample(["abc"], Sampling(n=3, temperature=0), [7])[0]] == ["ABC"] * 3


def test_a_completion_is_cut_at_a_stop_string_or_at_the_limit() -> None:
    lm = ScriptedLM({"cut": ["a b\nc"], "long": ["a b  c d"]})
    [cut], [long] = lm.sample(["cut", "long"], Sampling(max_new_tokens=3), [0, 0])
    assert (cut.text, cut.finished) == ("a b", True)
    assert (long.text, long.finished) == ("a b  c", False)


def test_without_a_script_direct_prompts_get_plain_labels_and_those_shown_before() -> None:
    lm = ScriptedLM()
    prompt = "user_intent=[agent.find_room(stars=4)],\nuser_intent=["
    answers = {c.text for c in lm.sample([prompt], Sampling(n=20), [1])[0]}
    assert answers == {"agent.no_change()],", "agent.find_room(stars=4)],"}
    [[act]] = lm.sample(["system_acts=["], Sampling(), [1])
    assert act.text == "Acknowledge()],"
    assert isinstance(act, Completion)
    assert act.logprob < 0


@pytest.mark.parametrize("lm", [ScriptedLM(), ScriptedLM({"a": ["b"]})])
def test_a_prompt_that_the_script_does_not_know_is_an_error_that_quotes_it(lm: ScriptedLM) -> None:
    with pytest.raises(ConfigError, match="strange prompt"):
        lm.sample(["a strange prompt"], Sampling(), [0])


def test_scores_are_negative_grow_with_length_and_hang_on_what_came_before() -> None:
    lm = ScriptedLM()
    [[(short, empty, long)], [(other, _, _)]] = lm.loglikelihood([("x", [["ab", "", "c" * 40]]), ("y", [["ab", "", "c"]])])
    assert -2 * 0.15 <= short <= -2 * 0.05
    assert -40 * 0.15 <= long <= -40 * 0.05
    assert empty == 0
    assert other != short
    assert lm.loglikelihood([("x", [["ab"]])]) == [[(short,)]]


def test_words_are_counted_as_worked_out_by_hand() -> None:
    lm = ScriptedLM({"c": ["d e"]})
    lm.sample(["a b c", "a b x c"], Sampling(n=2), [1, 2], "a b ")
    # the prefix of 2 is read once; 1 + 2 words after it, and 2 words for each of four samples
    assert (lm.tokens.computed, lm.tokens.shared, lm.tokens.padding) == (2 + 1 + 2 + 8, 2, 0)
    assert lm.count_tokens(["a  b", ""]) == [2, 0]


def test_an_over_long_prompt_is_a_typed_error() -> None:
    lm = ScriptedLM({"c": ["d"]}, max_length=5)
    assert lm.sample(["a b c"], Sampling(max_new_tokens=2), [0])
    with pytest.raises(TurnError, match="3 words and 3 .* holds 5") as caught:
        lm.sample(["a b c"], Sampling(max_new_tokens=3), [0])
    assert caught.value.reason == "prompt_too_long"
    with pytest.raises(TurnError):
        lm.loglikelihood([("a b c", [["d e", " f"]])])


def test_the_fingerprint_follows_the_script() -> None:
    prints = [ScriptedLM(script).fingerprint for script in (None, {"a": ["b"]}, {"a": ["c"]}, {"a": ["b"]})]
    assert prints[1] == prints[3]
    assert len(set(prints)) == 3


def test_importing_it_costs_no_torch() -> None:
    code = "import sys, nc_latent_tod.lm.scripted; assert not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
