"""Attention to a shared prefix against plain passes over the whole text: multi-query, grouped-query, half precision."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_models import LINES, plain_logprobs, tiny_model, tiny_tokenizer

from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.batching import passes
from nc_latent_tod.lm.huggingface.model import HuggingFaceLM
from nc_latent_tod.lm.huggingface.shared_attention import Segment, SharedPrefix, shared_prefix_attention
from nc_latent_tod.lm.huggingface.sharing import can_share

KINDS = ["bigcode", "llama", "qwen2", "starcoder2"]
TOLERANCE = 1e-4  # nats a token, in float32
PREAMBLE = "".join(LINES[:2])

few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
prompts_of = st.lists(st.text("abc()=' \n", min_size=1, max_size=40), min_size=1, max_size=5)
stops = st.sampled_from([("\n",), ("a", "e", ")"), ("never there",)])


@pytest.fixture(scope="module", params=KINDS)
def lm(request: pytest.FixtureRequest) -> HuggingFaceLM:
    return made(request.param)


def made(kind: str, dtype: torch.dtype = torch.float32, **options: object) -> HuggingFaceLM:
    tokenizer = tiny_tokenizer()
    lm = HuggingFaceLM(tiny_model(kind, len(tokenizer)).to(dtype), tokenizer, **options)  # type: ignore[arg-type]
    assert lm._sharing is not None or options.get("attention") == "plain"
    return lm


def ids_of(lm: HuggingFaceLM, text: str, preamble: str) -> list[int]:
    return lm._text.encode(preamble) + lm._text.encode(text)


@few
@given(rests=prompts_of, preamble=st.sampled_from(["", PREAMBLE]), n=st.integers(1, 6), stop=stops,
       budget=st.integers(1, 60), batch=st.integers(1, 20))
def test_samples_have_the_logprobs_of_plain_passes(lm: HuggingFaceLM, rests: list[str], preamble: str, n: int,
                                                   stop: tuple[str, ...], budget: int, batch: int) -> None:
    lm._token_budget, lm._batch_size = budget, batch
    sampling = Sampling(n=n, top_p=0.95, temperature=1.3, max_new_tokens=10, stop=stop)
    found = lm.sample_branches([preamble + rest for rest in rests], sampling, range(len(rests)), preamble)
    for rest, branches in zip(rests, found, strict=True):
        for branch in branches:
            plain = plain_logprobs(lm, ids_of(lm, rest, preamble), branch.token_ids)
            assert branch.logprobs == pytest.approx(plain, abs=TOLERANCE)


@few
@given(rests=prompts_of, preamble=st.sampled_from(["", PREAMBLE]), budget=st.integers(1, 60), batch=st.integers(1, 20),
       candidates=st.lists(st.text("xyz=( ", min_size=1, max_size=25), min_size=1, max_size=6))
def test_candidates_have_the_scores_of_plain_passes(lm: HuggingFaceLM, rests: list[str], preamble: str, budget: int,
                                                    batch: int, candidates: list[str]) -> None:
    lm._token_budget, lm._batch_size = budget, batch
    found = lm.loglikelihood([(preamble + rest, [(c,) for c in candidates]) for rest in rests], preamble)
    for rest, scores in zip(rests, found, strict=True):
        for candidate, (score,) in zip(candidates, scores, strict=True):
            ids = lm._text.encode(candidate)
            plain = plain_logprobs(lm, ids_of(lm, rest, preamble), ids)
            assert score == pytest.approx(sum(plain), abs=TOLERANCE * len(ids))


@pytest.mark.parametrize("kind", KINDS)
def test_in_half_precision_it_rounds_no_more_than_the_plain_way(kind: str) -> None:
    candidates = [(line,) for line in LINES]
    requests = [(PREAMBLE + line, candidates) for line in LINES]
    exact, plain, shared = (
        torch.tensor(made(kind, dtype, attention=attention).loglikelihood(requests, PREAMBLE)).flatten()
        for dtype, attention in ((torch.float32, "plain"), (torch.bfloat16, "plain"), (torch.bfloat16, "shared")))
    assert (shared - exact).abs().mean() <= 1.5 * (plain - exact).abs().mean()


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seeds_give_the_same_samples_in_the_shared_and_the_plain_way(kind: str) -> None:
    sampling = Sampling(n=5, top_p=0.9, max_new_tokens=12, stop=("\n", ")"))
    prompts = [PREAMBLE + line for line in LINES]
    shared, plain = (made(kind, attention=attention).sample(prompts, sampling, range(5), PREAMBLE)
                     for attention in ("shared", "plain"))
    assert [[c.text for c in row] for row in shared] == [[c.text for c in row] for row in plain]


@few
@given(owners=st.lists(st.integers(0, 3), min_size=1, max_size=9).map(sorted), tokens=st.sampled_from([1, 5]),
       padded=st.integers(0, 6), heads=st.sampled_from([(4, 1), (4, 2), (2, 2)]))
def test_parts_merge_to_the_attention_over_everything(owners: list[int], tokens: int, padded: int,
                                                      heads: tuple[int, int]) -> None:
    torch.manual_seed(1)
    (asked, kv), size, rows = heads, 8, len(owners)
    common = Segment([torch.randn(1, kv, 11, size)], [torch.randn(1, kv, 11, size)])
    real = torch.arange(7) < 7 - padded * (torch.arange(4) % 2)[:, None]
    owned = Segment([torch.randn(4, kv, 7, size)], [torch.randn(4, kv, 7, size)], real)
    query, key, value = torch.randn(rows, asked, tokens, size), *torch.randn(2, rows, kv, tokens, size)
    layer = type("Layer", (), {"layer_idx": 0})()

    found, _ = shared_prefix_attention(layer, query, key, value, None, shared=SharedPrefix.of([common, owned], owners))

    for row, owner in enumerate(owners):
        keys, values = (torch.cat([c[0], o[owner][:, real[owner]], mine[row]], 1).repeat_interleave(asked // kv, 0)
                        for c, o, mine in ((common.keys[0], owned.keys[0], key), (common.values[0], owned.values[0], value)))
        seen = torch.ones(tokens, keys.shape[1], dtype=torch.bool).tril(keys.shape[1] - tokens)
        whole = torch.nn.functional.scaled_dot_product_attention(query[row], keys, values, attn_mask=seen)
        assert torch.allclose(found[row], whole.transpose(0, 1), atol=1e-5)


def test_attention_of_another_formula_is_refused_and_its_model_read_in_the_plain_way() -> None:
    with pytest.raises(NotImplementedError, match="soft caps"):
        shared_prefix_attention(None, *torch.zeros(3, 1, 1, 1, 4), None, softcap=30.0, shared=SharedPrefix(()))
    assert not can_share(tiny_model("gemma2", 400))


def test_a_window_shorter_than_the_text_is_read_in_the_plain_way() -> None:
    lm = HuggingFaceLM(tiny_model("mistral", len(tiny_tokenizer())), tiny_tokenizer())
    assert lm._sharing is not None and lm._cached.longest_padded is not None
    [[(score,)]] = lm.loglikelihood([("Q" * 40, [("ZZ",)])])
    assert score == pytest.approx(sum(plain_logprobs(lm, lm._text.encode("Q" * 40), lm._text.encode("ZZ"))), abs=2e-4)


@given(lengths=st.lists(st.integers(1, 50), max_size=20), budget=st.integers(1, 200), rows=st.integers(1, 8),
       cost=st.integers(0, 40))
def test_passes_hold_every_text_once_within_budget_rows_and_padding(lengths: list[int], budget: int, rows: int,
                                                                    cost: int) -> None:
    found = list(passes(lengths, budget=budget, most_rows=rows, pass_cost=cost))
    assert sorted(i for part in found for i in part) == list(range(len(lengths)))
    for part in found:
        width = max(lengths[i] for i in part)
        assert len(part) <= rows
        assert len(part) == 1 or width * len(part) <= budget
        assert sum(width - lengths[i] for i in part) <= cost
