"""The tiny model before it has learnt anything: tokenizer, architecture, first weights."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM, PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"

# A frame (`\n    user_intent=[`), a word with its space, up to two digits, other signs, an empty line, spaces. No token spans
# the end of a call or the place where a prompt ends and an answer begins: packs and prompts are cut there.
_PRETOKEN = r"\n    [a-z_]+=[\"\[]?| ?[\p{L}_]+| ?\p{N}{1,2}| ?[^\s\p{L}\p{N}_]+|\n\n|\s+(?!\S)|\s+"


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of at most `vocabulary` tokens: any text can be written in it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(_PRETOKEN), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END_OF_TEXT], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END_OF_TEXT, bos_token=END_OF_TEXT,
                                   clean_up_tokenization_spaces=False)


def new_model(tokenizer: PreTrainedTokenizerFast, *, width: int, layers: int, heads: int, max_length: int,
              seed: int) -> GPTBigCodeForCausalLM:
    """StarCoder's architecture (multi-query attention, learned positions) with random weights from `seed`.

    Positions start as sinusoids, from which "shortly before" is learnt once for all positions, not for each. A word with a
    space before it starts near the word without, so that copying values out of a text is learnt once for all words.
    """
    torch.manual_seed(seed)
    model = GPTBigCodeForCausalLM(GPTBigCodeConfig(
        vocab_size=len(tokenizer), n_positions=max_length, n_embd=width, n_layer=layers,
        n_head=heads, multi_query=True, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
        bos_token_id=0, eos_token_id=0))
    with torch.no_grad():
        model.transformer.wpe.weight.copy_(_sinusoids(max_length, width))
        words = model.transformer.wte.weight
        space = torch.randn(width) * words.std()
        for plain, spaced in _spaced_words(tokenizer):
            words[spaced] = words[plain] + 0.5 * space
    return model


def grown_model(checkpoint: Path, tokenizer: PreTrainedTokenizerFast, seed: int) -> GPTBigCodeForCausalLM:
    """A trained model in float32, with random embeddings (from `seed`) for the tokens that `tokenizer` has more."""
    model: GPTBigCodeForCausalLM = GPTBigCodeForCausalLM.from_pretrained(checkpoint, dtype=torch.float32)
    torch.manual_seed(seed)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    return model


def _spaced_words(tokenizer: PreTrainedTokenizerFast) -> list[tuple[int, int]]:
    """Ids of (word, the same word after a space), for all words that have both."""
    ids = tokenizer.get_vocab()
    return [(ids[token[1:]], spaced) for token, spaced in ids.items() if token.startswith("\u0120") and token[1:] in ids]


def _sinusoids(positions: int, width: int) -> torch.Tensor:
    """Sines and cosines of wavelengths from 3 to 30,000 positions (Vaswani et al. 2017, section 3.5): (positions, width)."""
    wavelengths = 2 * math.pi * 10_000 ** (torch.arange(0, width, 2) / width) * 0.5
    angles = 2 * math.pi * torch.arange(positions)[:, None] / wavelengths[None, :]
    return 0.04 * torch.cat([angles.sin(), angles.cos()], dim=1)
