"""Sampling within a grammar: which tokens may come next, by llguidance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from nc_latent_tod.errors import ConfigError


class Grammars:
    """Grammars in Lark's notation over the tokens of one tokenizer. `vocabulary`: the width of the model's logits."""

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        self._tokenizer, self._vocabulary = tokenizer, vocabulary

    @cached_property
    def _tokens(self) -> Any:
        import llguidance.hf

        return llguidance.hf.from_tokenizer(self._tokenizer, self._vocabulary)

    def matchers(self, grammar: str, n: int) -> list[Any]:
        """One `llguidance.LLMatcher` a sample, at the beginning of `grammar`. Raises `ConfigError` where it is no grammar."""
        from llguidance import LLMatcher

        first = LLMatcher(self._tokens, LLMatcher.grammar_from_lark(grammar))
        if first.get_error():
            raise ConfigError(f"llguidance refuses the grammar of a turn: {first.get_error()[:400]}. Sample without it "
                              "(generation_cfg.constrained false), and tell us of the schema.")
        return [first, *(first.deep_copy() for _ in range(n - 1))]


def masked(logits: torch.Tensor, matchers: Sequence[Any]) -> torch.Tensor:
    """`logits`, (rows, vocab), with -inf for the tokens that a row's matcher does not allow next."""
    import llguidance.numpy

    vocabulary = logits.shape[-1]
    words = llguidance.numpy.allocate_token_bitmask(len(matchers), vocabulary)
    for row, matcher in enumerate(matchers):
        llguidance.numpy.fill_next_token_bitmask(matcher, words, row)
    allowed = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")[:, :vocabulary]  # (rows, vocab)
    return logits.masked_fill(torch.from_numpy(allowed == 0).to(logits.device), float("-inf"))
