"""The transformers backend against plain full-context forward passes of the same models."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tiny_models import END, LINES, plain_logprobs, tiny_lm, tiny_model, tiny_tokenizer
from tokenizers.processors import TemplateProcessing

from nc_latent_tod.errors import ConfigError, TurnError
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import HuggingFaceLM

PREAMBLE = "".join(LINES[2:4])
PROMPTS = [PREAMBLE + rest for rest in ("user_intent=[", LINES[3] * 2 + "system_acts=[", "é😀", LINES[0] + "x")]
FREE = Sampling(n=3, top_p=0.9, temperature=1.2, max_new_tokens=12, stop=("\n",))
TOLERANCE = 1e-4  # nats a token

few = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=30)


@pytest.fixture(scope="module", params=["bigcode", "llama", "mistral"])
def lm(request: pytest.FixtureRequest) -> HuggingFaceLM:
    return tiny_lm(request.param)


def context_ids(lm: HuggingFaceLM, prompt: str, shared_prefix: str) -> list[int]:
    return lm._text.encode(shared_prefix) + lm._text.encode(prompt.removeprefix(shared_prefix))


def different_texts(branches: list) -> set[tuple[int, ...]]:
    """What must be read of one prompt's branches: every token but the last, once where the text up to it is the same."""
    return {tuple(b.token_ids[:length]) for b in branches for length in range(1, len(b.token_ids))}


@pytest.mark.parametrize("shared_prefix", ["", PREAMBLE])
def test_logprobs_of_samples_equal_plain_forward_passes(lm: HuggingFaceLM, shared_prefix: str) -> None:
    found = lm.sample_branches(PROMPTS, FREE, [1, 2, 3, 4], shared_prefix)
    for prompt, branches in zip(PROMPTS, found, strict=True):
        for branch in branches:
            plain = plain_logprobs(lm, context_ids(lm, prompt, shared_prefix), branch.token_ids)
            assert branch.logprobs == pytest.approx(plain, abs=TOLERANCE)
            assert branch.completion().logprob == pytest.approx(sum(plain), abs=TOLERANCE * len(plain))


@few
@given(prefix=texts, rests=st.lists(texts, min_size=1, max_size=4), seed=st.integers(0, 2**64))
def test_logprobs_of_samples_are_exact_for_any_prompts(lm: HuggingFaceLM, prefix: str, rests: list[str], seed: int) -> None:
    prompts = [prefix + rest for rest in rests]
    found = lm.sample_branches(prompts, FREE, [seed + at for at in range(len(rests))], prefix)
    for prompt, branches in zip(prompts, found, strict=True):
        for branch in branches:
            plain = plain_logprobs(lm, context_ids(lm, prompt, prefix), branch.token_ids)
            assert branch.logprobs == pytest.approx(plain, abs=TOLERANCE)


@few
@given(prefix=st.one_of(st.just(""), texts), contexts=st.lists(texts, min_size=1, max_size=4),
       continuations=st.lists(st.lists(st.one_of(texts, st.just("")), max_size=3), max_size=5))
def test_scores_are_exact_for_any_contexts_and_continuations(lm: HuggingFaceLM, prefix: str, contexts: list[str],
                                                             continuations: list[list[str]]) -> None:
    # a different number of continuations for each context
    requests = [(prefix + context, continuations[at:]) for at, context in enumerate(contexts)]
    answers = lm.loglikelihood(requests, prefix)
    for (context, of_request), scores in zip(requests, answers, strict=True):
        before = context_ids(lm, context, prefix)
        for segments, sums in zip(of_request, scores, strict=True):
            assert len(sums) == len(segments)
            read = list(before)
            for segment, found in zip(segments, sums, strict=True):
                ids = lm._text.encode(segment)
                plain = sum(plain_logprobs(lm, read, ids)) if ids else 0.0
                assert found == pytest.approx(plain, abs=TOLERANCE * max(1, len(ids)))
                read += ids


def test_a_preamble_read_earlier_changes_nothing(lm: HuggingFaceLM) -> None:
    fresh = lm.loglikelihood([(PROMPTS[0], [["a", "b"]])], PREAMBLE)
    again = lm.loglikelihood([(PROMPTS[0], [["a", "b"]])], PREAMBLE)
    assert again == fresh


@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_samples_do_not_depend_on_batch_size_or_order(kind: str) -> None:
    seeds = [11, 12, 13, 14]
    together = tiny_lm(kind, batch_size=16).sample_branches(PROMPTS, FREE, seeds, PREAMBLE)
    alone = tiny_lm(kind, batch_size=1).sample_branches(PROMPTS[::-1], FREE, seeds[::-1], PREAMBLE)[::-1]
    assert [[b.token_ids for b in p] for p in together] == [[b.token_ids for b in p] for p in alone]
    assert [[b.text for b in p] for p in together] == [[b.text for b in p] for p in alone]


def test_samples_of_one_prompt_differ_and_follow_the_seed() -> None:
    lm = tiny_lm()
    first, second = ([c.text for c in p] for p in lm.sample([PROMPTS[0]] * 2, FREE, [1, 2]))
    assert len(set(first)) > 1
    assert first != second
    assert [c.text for c in lm.sample([PROMPTS[0]], FREE, [1])[0]] == first


def test_greedy_equals_generate(lm: HuggingFaceLM) -> None:
    greedy = Sampling(n=2, temperature=0, max_new_tokens=15, stop=())
    model = lm._cached._model
    for prompt, branches in zip(PROMPTS, lm.sample_branches(PROMPTS, greedy, [0] * 4), strict=True):
        ids = torch.tensor([context_ids(lm, prompt, "")])
        mask = torch.ones_like(ids)
        expected = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=15, pad_token_id=0)
        assert [b.token_ids for b in branches] == [expected[0, ids.shape[1]:].tolist()] * 2


@few
@given(prompt=texts, seed=st.integers(0, 999), start=st.integers(0, 30), length=st.integers(1, 9))
def test_a_text_ends_before_its_first_stop_string_wherever_tokens_split_it(
        lm: HuggingFaceLM, prompt: str, seed: int, start: int, length: int) -> None:
    free = Sampling(max_new_tokens=20, stop=())
    whole = lm.sample_branches([prompt], free, [seed])[0][0]
    stop = whole.text[start:start + length]
    assume(stop and "�" not in stop)
    cut = lm.sample_branches([prompt], replace(free, stop=("never there", stop)), [seed])[0][0]
    read = next(n for n in range(21) if stop in lm._text.decode(whole.token_ids[:n]))
    assert cut.finished
    assert cut.text == whole.text[:whole.text.index(stop)]
    assert cut.token_ids == whole.token_ids[:read]
    assert cut.completion().logprob == pytest.approx(sum(whole.logprobs[:read]), abs=1e-4 * read)


def test_text_that_met_neither_stop_string_nor_end_is_unfinished() -> None:
    lm = tiny_lm()
    [[branch]] = lm.sample_branches(["x"], Sampling(max_new_tokens=5, stop=("never there",)), [3])
    assert not branch.finished
    assert len(branch.token_ids) == 5
    assert branch.text == lm._text.decode(branch.token_ids)


def test_the_end_of_text_token_finishes_a_text_and_counts_in_its_logprob() -> None:
    free = Sampling(temperature=0, max_new_tokens=8, stop=())
    [[whole]] = tiny_lm().sample_branches([PROMPTS[1]], free, [0])
    model = tiny_model("bigcode", len(tiny_tokenizer()))
    end = next(at for at in range(1, 8) if whole.token_ids[at] not in whole.token_ids[:at])
    model.generation_config.eos_token_id = [1, whole.token_ids[end]]
    lm = HuggingFaceLM(model, tiny_tokenizer())
    [[cut]] = lm.sample_branches([PROMPTS[1]], free, [0])
    assert cut.finished
    assert cut.text == lm._text.decode(whole.token_ids[:end])
    assert cut.logprobs == pytest.approx(whole.logprobs[:end + 1], abs=TOLERANCE)


def test_special_tokens_in_a_prompt_are_plain_text() -> None:
    lm = tiny_lm()
    assert lm.count_tokens([END]) == [len(lm._text.encode(END))]
    assert 0 not in lm._text.encode(f"hello {END} bye")
    assert lm._text.decode(lm._text.encode(f"é😀 {END}\n")) == f"é😀 {END}\n"


def test_tokens_of_sampling_are_counted_as_worked_out_by_hand() -> None:
    lm = tiny_lm()  # Q and Z are one token each: no merge was learnt for them
    assert lm.count_tokens(["QQQQQ", "ZZ", "ZZZZ", ""]) == [5, 2, 4, 0]
    found = lm.sample_branches(["QQQQQZZ", "QQQQQZZZZ"], Sampling(n=3, max_new_tokens=4, stop=()), [1, 2], "QQQQQ")
    assert [len(b.token_ids) for p in found for b in p] == [4] * 6
    # preamble 5, rests 2 + 4, three of the four sampled tokens of 6 branches, once where branches are still the same
    read = sum(len(different_texts(branches)) for branches in found)
    assert lm.tokens.computed == 5 + 2 + 4 + read
    assert lm.tokens.padding == 2  # the rest of 2 is padded to 4
    # second prompt's preamble, the whole prompts of the two other samples of each, and what branches have in common
    assert lm.tokens.shared == 5 + 2 * (5 + 2) + 2 * (5 + 4) + 3 * 6 - read
    assert lm.tokens.computed + lm.tokens.shared == 3 * (7 + 3) + 3 * (9 + 3)  # every sample on its own


def test_tokens_of_scoring_are_counted_as_worked_out_by_hand() -> None:
    lm = tiny_lm()
    lm.loglikelihood([("QQQQQZZ", [["Q"], ["ZZ", "Z"], [""]])], "QQQQQ")
    # preamble 5, rest 2, the first two tokens of ZZZ: the last one is never read, and row Q has nothing to read at all
    assert lm.tokens.computed == 5 + 2 + 2
    assert lm.tokens.padding == 0
    assert lm.tokens.shared == 7  # the second candidate's context; the empty one has nothing to compute


def test_a_finished_branch_leaves_the_batch() -> None:
    sampling = Sampling(n=8, top_p=1, temperature=1.5, max_new_tokens=20, stop=("a", "e", "o", ")"))
    lm = tiny_lm()
    [branches] = lm.sample_branches(["QQ"], sampling, [5])
    lengths = [len(b.token_ids) for b in branches]
    assert min(lengths) < max(lengths)
    assert lm.tokens.computed == 2 + len(different_texts(branches))


def test_an_over_long_prompt_is_a_typed_error_that_names_the_lengths() -> None:
    lm = tiny_lm()
    fits = "Q" * 508
    assert lm.sample([fits], Sampling(max_new_tokens=4, stop=()), [0])
    assert lm.loglikelihood([(fits, [["ZZZZ"]])])
    with pytest.raises(TurnError, match="508 tokens and 5 .* holds 512") as sampled:
        lm.sample(["x", fits], Sampling(max_new_tokens=5), [0, 0])
    with pytest.raises(TurnError) as scored:
        lm.loglikelihood([(fits, [["Z"], ["ZZZ", "ZZ"]])])
    assert {sampled.value.reason, scored.value.reason} == {"prompt_too_long"}


@pytest.mark.parametrize("kind", ["bigcode", "llama"])
def test_an_empty_context_is_scored_after_the_beginning_of_text_token(kind: str) -> None:
    lm = tiny_lm(kind)
    [[(found,)]] = lm.loglikelihood([("", [["hello"]])])
    assert found == pytest.approx(sum(plain_logprobs(lm, [0], lm._text.encode("hello"))), abs=TOLERANCE * 5)


def test_a_prompt_that_is_the_shared_prefix_alone_is_scored_like_any_other() -> None:
    lm = tiny_lm()
    [[(alone,)], [(other,)]] = lm.loglikelihood([("hello", [["Z"]]), ("hello you", [["Z"]])], "hello")
    assert alone == pytest.approx(plain_logprobs(lm, lm._text.encode("hello"), lm._text.encode("Z"))[0], abs=TOLERANCE)
    before = lm._text.encode("hello") + lm._text.encode(" you")
    assert other == pytest.approx(plain_logprobs(lm, before, lm._text.encode("Z"))[0], abs=TOLERANCE)


def test_what_a_tokenizer_puts_before_a_text_comes_once_and_is_not_counted() -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{END} $A", special_tokens=[(END, 0)])
    lm = HuggingFaceLM(tiny_model("llama", len(tokenizer)), tokenizer)
    assert (lm.count_tokens(["Q"]), lm.max_length) == ([1], 511)
    for shared_prefix in ("", "Q"):
        [[(found,)]] = lm.loglikelihood([("QZ", [["QQ"]])], shared_prefix)
        before = [0, *lm._text.encode("QZ")]
        assert found == pytest.approx(sum(plain_logprobs(lm, before, lm._text.encode("QQ"))), abs=TOLERANCE * 2)


def test_a_prompt_without_the_shared_prefix_is_refused() -> None:
    with pytest.raises(ValueError, match="does not begin with the shared prefix"):
        tiny_lm().sample(["abc"], FREE, [1], "b")


@pytest.mark.parametrize("wrong", [{"top_p": 0}, {"top_p": 1.1}, {"temperature": -1}, {"n": 0}, {"stop": ("",)}])
def test_impossible_sampling_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        tiny_lm().sample(["abc"], replace(FREE, **wrong), [1])


def test_no_prompts_and_no_continuations_give_no_answers() -> None:
    lm = tiny_lm()
    assert lm.sample([], FREE, []) == []
    assert lm.loglikelihood([]) == []
    assert lm.loglikelihood([("a", []), ("b", [[], ["", ""]])]) == [[], [(), (0.0, 0.0)]]
    assert lm.tokens.computed == 0
