"""The nucleus sampler on distributions worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nc_latent_tod.errors import TurnError
from nc_latent_tod.lm.huggingface.nucleus import choose_tokens, nucleus_probabilities, random_stream, token_logprobs

HALF = torch.tensor([[0.15, 0.5, 0.1, 0.25]]).log()  # one row of four tokens


@pytest.mark.parametrize(("top_p", "kept"), [
    (0.3, [0, 0.5, 0, 0]),
    (0.6, [0, 0.5, 0, 0.25]),  # 0.5 does not reach 0.6, 0.75 does
    (0.8, [0.15, 0.5, 0, 0.25]),
    (1.0, [0.15, 0.5, 0.1, 0.25]),
])
def test_the_nucleus_is_the_smallest_set_that_reaches_top_p(top_p: float, kept: list[float]) -> None:
    assert nucleus_probabilities(HALF, top_p, 1.0)[0].tolist() == pytest.approx(kept, abs=1e-7)


def test_temperature_sharpens_before_the_nucleus_is_cut() -> None:
    # squares 0.0225, 0.25, 0.01, 0.0625 of sum 0.345: the largest has 0.7246
    assert nucleus_probabilities(HALF, 0.7, 0.5)[0].tolist() == pytest.approx([0, 0.25 / 0.345, 0, 0], abs=1e-6)


def test_equal_tokens_at_the_edge_enter_by_lowest_id() -> None:
    logits = torch.tensor([[1.0, 3.0, 3.0, 3.0, 3.0]])
    kept = nucleus_probabilities(logits, 0.4, 1.0)[0] > 0
    assert kept.tolist() == [False, True, True, False, False]


def test_a_nucleus_of_most_of_a_flat_vocabulary_is_found() -> None:
    kept = nucleus_probabilities(torch.zeros(1, 2_000), 0.9, 1.0)[0] > 0
    assert int(kept.sum()) in (1_800, 1_801)  # rounding of 1,800 sums of 1/2,000
    assert bool(kept[:1_800].all())


def test_a_token_is_read_off_the_cumulated_nucleus() -> None:
    # top_p 0.8 keeps 0.15, 0.5, 0.25 of 0.9: edges at 1/6 and 13/18
    uniforms = np.array([0.0, 0.166, 0.167, 0.722, 0.7223, 1 - 2**-53])
    chosen = choose_tokens(HALF.expand(6, 4), uniforms, 0.8, 1.0)
    assert chosen.tolist() == [0, 0, 1, 1, 3, 3]


def test_temperature_zero_takes_the_most_probable_and_lowest_of_equals() -> None:
    logits = torch.tensor([[0.0, 2.0, 2.0], [5.0, 1.0, 1.0]])
    assert choose_tokens(logits, np.array([0.99, 0.99]), 0.5, 0).tolist() == [1, 0]


def test_sampled_frequencies_follow_the_nucleus() -> None:
    uniforms = np.array([random_stream(17, index).random() for index in range(4_000)])
    chosen = choose_tokens(HALF.expand(4_000, 4), uniforms, 0.6, 1.0)
    share = torch.bincount(chosen, minlength=4) / 4_000
    # 2/3 and 1/3; the standard error is 0.0075
    assert share.tolist() == pytest.approx([0, 2 / 3, 0, 1 / 3], abs=0.03)


def test_streams_of_seeds_and_samples_are_their_own() -> None:
    first = {(seed, index): random_stream(seed, index).random() for seed in (-1, 0, 1, 2**64 - 2) for index in range(3)}
    assert len(set(first.values())) == len(first)
    assert random_stream(1, 0).random() == first[1, 0]


def test_recorded_logprobs_are_those_of_the_model_itself() -> None:
    assert token_logprobs(HALF.bfloat16().expand(2, 4), torch.tensor([1, 2])).dtype == torch.float32
    assert token_logprobs(HALF.expand(2, 4), torch.tensor([1, 2])).tolist() == pytest.approx([np.log(0.5), np.log(0.1)])


@pytest.mark.parametrize("temperature", [1.0, 0.0])
@pytest.mark.parametrize("strange", [float("nan"), float("inf")])
def test_a_model_that_overflows_fails_the_turn_and_chooses_no_token(strange: float, temperature: float) -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0], [0.0, strange, 2.0]])

    with pytest.raises(TurnError, match="bfloat16") as caught:
        choose_tokens(logits, np.array([0.1, 0.9]), 0.7, temperature)

    assert caught.value.reason == "not_a_number"
    assert choose_tokens(torch.tensor([[0.0, -torch.inf]]), np.array([0.9]), 0.7, 1.0).tolist() == [0]
