"""Reading of prompts and of what follows them, with attention that knows what is shared.

The preamble's keys and values are computed once in the life of the model, a prompt's once for all its samples or candidates,
and none of them is copied to the rows: see `shared_attention`. `prefill` holds the plain way to the same numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache

from nc_latent_tod.lm import TokenCount
from nc_latent_tod.lm.huggingface.batching import passes
from nc_latent_tod.lm.huggingface.prefill import Limits, Preambles, allowed_difference, copy_cache, takes_positions
from nc_latent_tod.lm.huggingface.shared_attention import SHARED_PREFIX, Segment, SharedPrefix

logger = logging.getLogger(__name__)


@dataclass
class SharedPrompts:
    """Prompts that a model has read, and what it predicts after each."""

    preamble: Segment | None  # one owner
    rests: Segment  # an owner a prompt
    lengths: Tensor  # (prompts,) tokens, preamble included
    logits: Tensor  # (prompts, vocab) after the last token

    def select(self, prompts: Sequence[int]) -> SharedRows:
        """Rows that follow the named prompts, in ascending order, each as often as it is named."""
        index = torch.tensor(prompts)
        prefix = SharedPrefix.of(self._segments(self.rests), prompts)
        return SharedRows(self, self.rests, prefix, list(prompts), DynamicCache(),
                          self.lengths[index.to(self.lengths.device)], self.logits[index.to(self.logits.device)])

    def _segments(self, rests: Segment) -> list[Segment]:
        return [rests] if self.preamble is None else [self.preamble, rests]


@dataclass
class SharedRows:
    """Texts that begin with shared prompts, one a row."""

    prompts: SharedPrompts
    rests: Segment
    prefix: SharedPrefix
    owners: list[int]  # places in `rests`
    own: DynamicCache  # of what follows the prompts
    lengths: Tensor  # (rows,)
    logits: Tensor  # (rows, vocab)

    def select(self, rows: Sequence[int]) -> SharedRows:
        """Rows in ascending order, each as often as it is named. The original stays as it is."""
        index = torch.tensor(rows)
        owners, rests = [self.owners[row] for row in rows], self.rests
        left = sorted(set(owners))
        if len(left) <= rests.owners // 2:  # enough prompts are done to let go of theirs
            owners, rests = [left.index(owner) for owner in owners], rests.select(left)
        own = copy_cache(self.own)
        own.batch_select_indices(index)
        prefix = SharedPrefix.of(self.prompts._segments(rests), owners)
        return SharedRows(self.prompts, rests, prefix, owners, own, self.lengths[index.to(self.lengths.device)],
                          self.logits[index.to(self.logits.device)])


class SharingModel:
    """A causal language model whose rows share what they begin with. Counts every position that it computes."""

    def __init__(self, model: Any, tokens: TokenCount) -> None:
        self._model = model
        self._takes_positions = takes_positions(model)
        self._preambles: Preambles[Segment] = Preambles()
        self.tokens = tokens

    def read(self, preamble: Sequence[int], rests: Sequence[Sequence[int]], limits: Limits) -> SharedPrompts:
        """Read prompts, each `preamble` + its rest, in as few passes as the budget and little padding allow."""
        known = tuple(preamble) in self._preambles
        first = self._preambles.get(tuple(preamble), lambda: self._pass((), [preamble], None)[0]) if preamble else None
        self.tokens.shared += (len(rests) if known else len(rests) - 1) * len(preamble)
        order, parts, logits = [], [], []
        for part in passes(list(map(len, rests)), budget=limits.positions, most_rows=limits.rows, pass_cost=limits.pass_cost):
            segment, after = self._pass(preamble, [rests[i] for i in part], first)
            order += part
            parts.append(segment)
            logits.append(after)
        back = torch.tensor(order).argsort()
        lengths = torch.tensor([len(preamble) + len(rest) for rest in rests], device=self._model.device)
        whole = _joined(parts, [len(rests[i]) for i in order])
        if order != sorted(order):
            whole = whole.select(back.tolist())
        together = torch.cat(logits)
        return SharedPrompts(first, whole, lengths, together[back.to(together.device)])

    def _pass(self, preamble: Sequence[int], rests: Sequence[Sequence[int]], first: Segment | None) -> tuple[Segment, Tensor]:
        """One forward pass over prompts padded on the right: their keys and values, and logits after the last token of each."""
        width = max(map(len, rests))
        ids = torch.tensor([[*rest, *[0] * (width - len(rest))] for rest in rests])  # (rows, width)
        lengths = torch.tensor(list(map(len, rests)))
        real = torch.arange(width) < lengths[:, None]
        last = torch.arange(width) == lengths[:, None] - 1
        prefix = SharedPrefix.of([] if first is None else [first], [0] * len(rests))
        own = DynamicCache()
        starts = torch.full((len(rests),), len(preamble), device=self._model.device)
        logits = self._forward(ids, real, starts, own, prefix, last)
        layers: list[Any] = own.layers
        return Segment([layer.keys for layer in layers], [layer.values for layer in layers]), logits

    def extend(self, rows: SharedRows, ids: Tensor, real: Tensor, keep: Tensor) -> Tensor:
        """Read more tokens, in place: `ids` and `real` are (rows, new), `real` False at padding, which stands on the right.

        Returns logits at the positions where the (rows, new) mask `keep` is True, (positions, vocab) in row order.
        More than one token is read only right after the prompts.
        """
        logits = self._forward(ids, real, rows.lengths, rows.own, rows.prefix, keep)
        rows.lengths = rows.lengths + real.sum(1).to(rows.lengths.device)
        return logits

    def _forward(self, ids: Tensor, real: Tensor, starts: Tensor, own: DynamicCache, prefix: SharedPrefix,
                 keep: Tensor) -> Tensor:
        device = starts.device
        counted = int(real.sum())
        self.tokens.computed += counted
        self.tokens.padding += real.numel() - counted
        positions = starts[:, None] + (real.to(device).cumsum(1) - 1).clamp(min=0)
        options = {"position_ids": positions} if self._takes_positions else {}
        every = bool(keep.all())
        with attending(self._model, SHARED_PREFIX):
            logits = self._model(input_ids=ids.to(device), past_key_values=own, use_cache=True, shared=prefix,
                                 logits_to_keep=0 if every else keep.to(device), **options).logits
        if logits.dim() == 3:
            logits = logits.flatten(0, 1) if every else logits[keep.to(device)]
        return logits


def can_share(model: Any) -> bool:
    """Whether a model's attention takes a shared prefix, found by trying: the same logits as in the plain way."""
    if not getattr(model, "_supports_attention_backend", False):
        return False
    sharing = SharingModel(model, TokenCount())
    text = torch.tensor([[3, 1, 4, 1, 5, 2]])
    try:
        with torch.inference_mode():
            prompts = sharing.read([3, 1], [[4, 1], [4]], Limits(8, 8, 0))
            rows = prompts.select([0, 0])
            real = torch.ones(2, 2, dtype=torch.bool)
            found = sharing.extend(rows, text[:, 4:].expand(2, -1), real, real)[-2:].float()
            plain = model(input_ids=text.to(model.device), use_cache=False).logits[0, -2:].float().to(found.device)
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:  # it may fail in any way
        logger.info("attention of %s does not take a shared prefix (%s: %s): prompts are copied to their rows",
                    type(model).__name__, type(error).__name__, error)
        return False
    difference = float((found - plain).abs().max() / plain.abs().max())
    if not difference <= allowed_difference(model):
        logger.info("logits of %s with a shared prefix differ by %.1f%% of the largest: prompts are copied to their rows",
                    type(model).__name__, 100 * difference)
        return False
    return True


@contextmanager
def attending(model: Any, implementation: str) -> Iterator[None]:
    """Let a model attend in another way inside the block."""
    config = model.config
    before = config._attn_implementation
    config._attn_implementation = implementation
    try:
        yield
    finally:
        config._attn_implementation = before


def _joined(parts: Sequence[Segment], lengths: Sequence[int]) -> Segment:
    """Segments of different widths as one, padded on the right. `lengths` are those of all texts, in order."""
    width = max(lengths)
    keys, values = ([torch.cat([pad(x, (0, 0, 0, width - x.shape[2])) for x in of_layer])
                     for of_layer in zip(*tensors, strict=True)]
                    for tensors in ([part.keys for part in parts], [part.values for part in parts]))
    counts = torch.tensor(lengths, device=keys[0].device)
    real = torch.arange(width, device=counts.device) < counts[:, None]
    return Segment(keys, values, None if min(lengths) == width else real)
