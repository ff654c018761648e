"""Models of other kinds than StarCoder's: right numbers, or one clear error when they are loaded."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_models import LINES, plain_logprobs, tiny_model, tiny_tokenizer
from transformers import (
    AutoModelForCausalLM,
    DeepseekV3Config,
    FalconH1Config,
    GPTNeoConfig,
    Lfm2Config,
    MambaConfig,
    MptConfig,
    PretrainedConfig,
)

from nc_latent_tod.errors import ModelError
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import HuggingFaceLM
from nc_latent_tod.lm.huggingface.prefill import allowed_difference

PREAMBLE = "".join(LINES[:2])
SIZES: dict[str, Any] = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4,
                         "intermediate_size": 96, "max_position_embeddings": 512}


def made(kind: type[PretrainedConfig], **options: Any) -> HuggingFaceLM:
    tokenizer = tiny_tokenizer()
    torch.manual_seed(7)
    config = kind(vocab_size=len(tokenizer), initializer_range=0.1, bos_token_id=0, eos_token_id=0, **options)
    return HuggingFaceLM(AutoModelForCausalLM.from_config(config), tokenizer)


def alibi() -> HuggingFaceLM:
    return made(MptConfig, d_model=48, n_heads=4, n_layers=2, max_seq_len=512)


def local_attention() -> HuggingFaceLM:
    return made(GPTNeoConfig, hidden_size=48, num_layers=2, num_heads=4, max_position_embeddings=512, window_size=16,
                attention_types=[[["global", "local"], 1]])


def latent_attention() -> HuggingFaceLM:
    return made(DeepseekV3Config, **SIZES, kv_lora_rank=16, q_lora_rank=24, qk_rope_head_dim=8, qk_nope_head_dim=16,
                v_head_dim=12, n_routed_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, n_group=1, topk_group=1)


@pytest.mark.parametrize("model", [alibi, local_attention, latent_attention])
def test_prompts_of_different_lengths_have_the_logprobs_of_plain_passes(model) -> None:
    lm = model()
    rests = [LINES[2], LINES[3] * 2, "x="]

    samples = lm.sample_branches([PREAMBLE + rest for rest in rests], Sampling(n=3, max_new_tokens=8), range(3), PREAMBLE)
    scores = lm.loglikelihood([(PREAMBLE + rest, [("ab",), (LINES[4],)]) for rest in rests], PREAMBLE)

    for rest, branches, row in zip(rests, samples, scores, strict=True):
        context = lm._text.encode(PREAMBLE) + lm._text.encode(rest)
        for branch in branches:
            assert branch.logprobs == pytest.approx(plain_logprobs(lm, context, branch.token_ids), abs=1e-4)
        for text, (score,) in zip(("ab", LINES[4]), row, strict=True):
            assert score == pytest.approx(sum(plain_logprobs(lm, context, lm._text.encode(text))), abs=2e-3)


def mamba() -> HuggingFaceLM:
    return made(MambaConfig, hidden_size=48, num_hidden_layers=2, state_size=8)


def convolutions() -> HuggingFaceLM:
    return made(Lfm2Config, **SIZES, layer_types=["conv", "full_attention"])


def parallel_mamba() -> HuggingFaceLM:
    return made(FalconH1Config, **SIZES, mamba_n_heads=8, mamba_d_head=12, mamba_n_groups=1, mamba_d_state=8, mamba_d_ssm=96)


@pytest.mark.parametrize("model", [mamba, convolutions, parallel_mamba])
def test_a_model_that_cannot_go_on_from_a_prompt_is_refused_when_it_is_loaded(model) -> None:
    with pytest.raises(ModelError, match="does not go on from a prompt.*recurrent layers.*Take a model"):
        model()


def test_a_quantised_model_may_round_more_before_it_is_refused() -> None:
    exact = tiny_model("bigcode", 400)
    assert allowed_difference(exact) == 1e-3

    exact.is_quantized = True  # as transformers marks it, in whatever type the other layers are

    assert allowed_difference(exact) == 5e-2
