"""The transformers backend against plain full-context forward passes of the same models."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import LINES, plain_logprobs, tiny_lm

from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface import HuggingFaceLM

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
