"""Random-weight models of about 100 k parameters with a tokenizer of their own, for the tests of `lm/`."""

from __future__ import annotations

from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPTBigCodeConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Starcoder2Config,
)

from nc_latent_tod.lm.huggingface.model import HuggingFaceLM

END = "<|endoftext|>"
LINES = ["[agent.find_room(area='east', stars=4)],\n", "user_intent=[agent.no_change()],\n", "belief_state=dict(),\n",
         "I would like a cheap room in the east of town, please.\n", "system_acts=[Offer(entity=Room(name='Inn'))],\n"]


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of about 350 tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=[END], initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(LINES * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END)


def tiny_model(kind: str, vocabulary: int) -> Any:
    """A model of a kind: `bigcode` has multi-query attention and learned positions; the others have grouped queries and rotary
    positions, `mistral` a sliding window, `gemma2` soft caps."""
    common: dict[str, Any] = {"vocab_size": vocabulary, "initializer_range": 0.15, "bos_token_id": 0, "eos_token_id": 0}
    rotary: dict[str, Any] = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
              "intermediate_size": 96, "max_position_embeddings": 512, **common}
    config = {"bigcode": lambda: GPTBigCodeConfig(n_embd=48, n_layer=2, n_head=4, n_positions=512, multi_query=True, **common),
              "llama": lambda: LlamaConfig(**rotary),
              "qwen2": lambda: Qwen2Config(**rotary),
              "starcoder2": lambda: Starcoder2Config(sliding_window=None, **rotary),
              "gemma2": lambda: Gemma2Config(head_dim=12, **rotary),
              "mistral": lambda: MistralConfig(sliding_window=24, **rotary)}[kind]()
    torch.manual_seed(7)
    return AutoModelForCausalLM.from_config(config).eval()


def tiny_lm(kind: str = "bigcode", batch_size: int = 16) -> HuggingFaceLM:
    """Model and tokenizer, joined."""
    tokenizer = tiny_tokenizer()
    return HuggingFaceLM(tiny_model(kind, len(tokenizer)), tokenizer, batch_size=batch_size)


@torch.inference_mode()
def plain_logprobs(lm: HuggingFaceLM, context: list[int], continuation: list[int]) -> list[float]:
    """The reference: one forward pass over the whole text, nothing cached, nothing padded, every logit."""
    logits = lm._cached._model(input_ids=torch.tensor([context + continuation]), use_cache=False).logits[0]
    at = logits[len(context) - 1:-1].double().log_softmax(-1)
    return [float(row[token]) for row, token in zip(at, continuation, strict=True)]
