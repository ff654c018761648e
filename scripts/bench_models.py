"""Random-weight models of StarCoder's architecture, texts of an exact number of tokens, and the naive way to label."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, GPTBigCodeConfig, PreTrainedTokenizerFast

END = "<|endoftext|>"
SHAPES = {"3M": {"n_embd": 192, "n_layer": 6, "n_head": 3}, "25M": {"n_embd": 512, "n_layer": 8, "n_head": 8},
          "starcoder": {"n_embd": 6144, "n_layer": 40, "n_head": 48}}  # the last: 15.5 billion, for a GPU


def random_model(shape: str, *, vocabulary: int = 4_096, positions: int = 8_192, dtype: torch.dtype = torch.float32,
                 device: str = "cpu") -> Any:
    """A multi-query model with random weights. Its last norm is scaled up, so that nuclei are as small as after training."""
    config = GPTBigCodeConfig(vocab_size=vocabulary, n_positions=positions, multi_query=True, bos_token_id=0, eos_token_id=0,
                              **SHAPES[shape])
    torch.manual_seed(0)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    with torch.no_grad():
        model.transformer.ln_f.weight.mul_(8.0)
    model.generation_config.eos_token_id = None  # nothing ends before its last token: every shape is exact
    return model


def word_tokenizer(vocabulary: int = 4_096) -> PreTrainedTokenizerFast:
    """One token a word, so that a text of so many words has exactly so many tokens."""
    words = {END: 0, **{f"w{i}": i for i in range(1, vocabulary)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=END))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END)


def byte_tokenizer(texts: Sequence[str], vocabulary: int = 4_096) -> PreTrainedTokenizerFast:
    """Byte-level BPE, as StarCoder's, learnt from texts."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=[END],
                                                             initial_alphabet=alphabet, show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=END, eos_token=END)


def text(tokens: int, rng: random.Random, vocabulary: int = 4_096) -> str:
    """A text of so many tokens; ends in a space, so that texts can be joined."""
    return "".join(f"w{rng.randrange(1, vocabulary)} " for _ in range(tokens))


@torch.inference_mode()
def naive(model: Any, direct: Sequence[int], channel: Sequence[int], candidates: Sequence[Sequence[int]], *, n: int,
          new_tokens: int, top_p: float) -> int:
    """Sample with `generate`, then score each candidate by a forward pass of its own. Returns the positions computed."""
    ids = torch.tensor([direct], device=model.device)
    model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=True, top_p=top_p, top_k=0, num_return_sequences=n,
                   min_new_tokens=new_tokens, max_new_tokens=new_tokens, pad_token_id=0)
    computed = n * (len(direct) + new_tokens - 1)
    for candidate in candidates:
        whole = torch.tensor([[*channel, *candidate]], device=model.device)
        logits = model(input_ids=whole, use_cache=False).logits[0, len(channel) - 1:-1]
        logits.float().log_softmax(-1).gather(-1, whole[0, len(channel):, None]).sum().item()
        computed += whole.shape[1]
    return computed
