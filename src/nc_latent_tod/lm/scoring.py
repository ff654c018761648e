"""Log-probabilities of given tokens after prompts that were read once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nc_latent_tod.lm.nucleus import token_logprobs
from nc_latent_tod.lm.prefill import CachedModel, Contexts

_SLICE = 256  # scored positions turned into float32 at a time


def score(model: CachedModel, contexts: Contexts, continuations: Sequence[Sequence[int]]) -> list[list[float]]:
    """Log-probability of each token of each continuation, in nats: one continuation a row of `contexts`, which is used up.

    No continuation may be empty. The first token is read off what the context predicts already, and the last is not run
    through the model at all; logits are computed at no other position than the scored ones.
    """
    first = token_logprobs(contexts.logits, torch.tensor([row[0] for row in continuations]))
    later = _later_logprobs(model, contexts, continuations)
    scores = []
    for row, head in zip(continuations, first.tolist(), strict=True):
        scores.append([head, *later[:len(row) - 1]])
        later = later[len(row) - 1:]
    return scores


def _later_logprobs(model: CachedModel, contexts: Contexts, continuations: Sequence[Sequence[int]]) -> list[float]:
    """Log-probabilities of all tokens but each row's first, row after row."""
    width = max(map(len, continuations)) - 1
    if width == 0:
        return []
    ids = torch.tensor([[*row[:-1], *[0] * (width - len(row) + 1)] for row in continuations])  # (rows, width)
    real = torch.tensor([[at < len(row) - 1 for at in range(width)] for row in continuations])
    logits = model.extend(contexts, ids, real, keep=real)  # (scored positions, vocab)
    targets = torch.tensor([token for row in continuations for token in row[1:]])
    return _in_slices(logits, targets)


def _in_slices(logits: Tensor, targets: Tensor) -> list[float]:
    starts = range(0, len(targets), _SLICE)
    return [value for at in starts
            for value in token_logprobs(logits[at:at + _SLICE], targets[at:at + _SLICE]).tolist()]
