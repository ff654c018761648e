"""Log-probabilities of given tokens after prompts that were read once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nc_latent_tod.lm.huggingface.batching import passes
from nc_latent_tod.lm.huggingface.nucleus import token_logprobs
from nc_latent_tod.lm.huggingface.prefill import Limits
from nc_latent_tod.lm.huggingface.reading import Prompts, Reader

_SLICE = 256  # scored positions turned into float32 at a time


def score(model: Reader, prompts: Prompts, owners: Sequence[int], continuations: Sequence[Sequence[int]],
          limits: Limits) -> list[list[float]]:
    """Log-probability of each token of each continuation, in nats; `owners[i]` is the prompt before continuation i.

    No continuation may be empty. The first token is read off what the prompt predicts already, and the last is not run
    through the model at all; logits are computed at no other position than the scored ones.
    """
    firsts = torch.tensor([row[0] for row in continuations])
    at = torch.tensor(owners, device=prompts.logits.device)
    scores = [[value] for value in token_logprobs(prompts.logits[at], firsts).tolist()]
    longer = [index for index, row in enumerate(continuations) if len(row) > 1]
    lengths = [len(continuations[index]) - 1 for index in longer]
    for part in passes(lengths, budget=limits.positions, most_rows=limits.rows, pass_cost=limits.pass_cost):
        rows = sorted((longer[i] for i in part), key=lambda index: owners[index])
        later = _later_logprobs(model, prompts, [owners[i] for i in rows], [continuations[i] for i in rows])
        for index in rows:
            count = len(continuations[index]) - 1
            scores[index] += later[:count]
            later = later[count:]
    return scores


def _later_logprobs(model: Reader, prompts: Prompts, owners: Sequence[int], rows: Sequence[Sequence[int]]) -> list[float]:
    """Log-probabilities of all tokens but each row's first, row after row."""
    width = max(map(len, rows)) - 1
    ids = torch.tensor([[*row[:-1], *[0] * (width - len(row) + 1)] for row in rows])  # (rows, width)
    real = torch.arange(width) < torch.tensor([len(row) - 1 for row in rows])[:, None]
    logits = model.extend(prompts.select(owners), ids, real, real)  # (scored positions, vocab)
    targets = torch.tensor([token for row in rows for token in row[1:]])
    return _in_slices(logits, targets)


def _in_slices(logits: Tensor, targets: Tensor) -> list[float]:
    starts = range(0, len(targets), _SLICE)
    return [value for at in starts
            for value in token_logprobs(logits[at:at + _SLICE], targets[at:at + _SLICE]).tolist()]
