"""Attention over keys and values that several rows of a batch share: read once, never copied to the rows.

All queries that see the same keys (rows x tokens x heads of a group) are folded into one block, so that a shared text is one
matrix product for each key-value head. What a row attends to comes in parts (preamble, prompt, its own tokens); each part
gives its output and the log-sum-exp of its scores, and together they are the softmax over all parts, exactly:

    out = sum_i exp(lse_i - lse) out_i,    lse = log sum_i exp(lse_i)

(the decomposition of Hydragen, Juravsky et al. 2024, arXiv 2402.05099, section 3.1). It is registered with transformers under
`SHARED_PREFIX`, so that no model code is rewritten: `model(..., shared=prefix)` hands the prefix to every attention layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface

SHARED_PREFIX = "nc_shared_prefix"

_FUSED_FROM = 256  # queries of a block; below it, two matrix products are faster on a CPU than the fused kernel
_SCORES_AT_A_TIME = 1 << 26  # of the matrix products: more queries are taken in turns
_OTHER_FORMULAS = ("softcap", "s_aux", "position_bias")

Part = tuple[Tensor, Tensor]
"""Output (rows, tokens, heads, head size) and log-sum-exp (rows, tokens, heads) of the attention to some of the keys."""


@dataclass(frozen=True)
class Segment:
    """Keys and values of texts that rows share: one text an owner."""

    keys: Sequence[Tensor]  # a layer: (owners, key-value heads, width, head size)
    values: Sequence[Tensor]
    real: Tensor | None = None  # (owners, width) bool, False at padding; None where there is none

    @property
    def owners(self) -> int:
        return int(self.keys[0].shape[0])

    def select(self, owners: Sequence[int]) -> Segment:
        """The texts of some owners, in order."""
        at = torch.tensor(owners)
        return Segment([k[at.to(k.device)] for k in self.keys], [v[at.to(v.device)] for v in self.values],
                       None if self.real is None else self.real[at.to(self.real.device)])


@dataclass(frozen=True)
class SharedPrefix:
    """What the rows of a batch share. A segment has one owner, who owns all rows, or as many as `grid` says."""

    segments: tuple[Segment, ...]
    grid: tuple[int, int] = (1, 1)  # owners, the most rows that one of them has
    places: Tensor | None = None  # (rows,) of each row in the grid; None where it is full and in order

    @classmethod
    def of(cls, segments: Sequence[Segment], owners: Sequence[int]) -> SharedPrefix:
        """The prefix of rows with the given owners, which must be in ascending order."""
        count = max((segment.owners for segment in segments), default=1)
        seen = [0] * count
        places = []
        for owner in owners:
            places.append((owner, seen[owner]))
            seen[owner] += 1
        most = max(seen)
        flat = [owner * most + rank for owner, rank in places]
        is_full = flat == list(range(count * most))
        return cls(tuple(segments), (count, most), None if is_full or count == 1 else torch.tensor(flat))

    def parts(self, layer: int, queries: Tensor) -> list[Part]:
        """Attention of `queries`, (rows, tokens, heads, head size), scaled, to each segment."""
        return [self._over(segment, layer, queries) for segment in self.segments]

    def _over(self, segment: Segment, layer: int, queries: Tensor) -> Part:
        keys, values = segment.keys[layer], segment.values[layer]
        mask = None if segment.real is None else segment.real[:, None, None, :].to(keys.device)
        if self.places is None or segment.owners == 1:
            return _folded(queries, keys, values, mask)
        owners, most = self.grid
        places = self.places.to(queries.device)
        filled = queries.new_zeros(owners * most, *queries.shape[1:])
        filled[places] = queries
        out, lse = _folded(filled, keys, values, mask)
        return out[places], lse[places]


def shared_prefix_attention(module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None,
                            dropout: float = 0.0, scaling: float | None = None, shared: SharedPrefix | None = None,
                            **options: Any) -> tuple[Tensor, None]:
    """An attention function of transformers: (rows, heads, tokens, head size) against `shared` and the rows' own keys.

    A row's own keys are those of the tokens that are being read, which attend causally, or end with that of the only one.
    Returns (rows, tokens, heads, head size). Raises `NotImplementedError` for attention of another formula.
    """
    if shared is None or any(options.get(name) is not None for name in _OTHER_FORMULAS):
        raise NotImplementedError("attention to a shared prefix knows neither soft caps nor sinks nor position biases")
    scaled = query * (query.shape[-1]**-0.5 if scaling is None else scaling)
    return _merged([_own(scaled, key, value), *shared.parts(module.layer_idx, scaled.transpose(1, 2))]), None


def _merged(parts: Sequence[Part]) -> Tensor:
    if len(parts) == 1:
        return parts[0][0]
    weights = torch.stack([lse for _, lse in parts]).softmax(0)[..., None].to(parts[0][0].dtype)
    merged = parts[0][0] * weights[0]
    for (out, _), weight in zip(parts[1:], weights[1:], strict=True):
        merged = torch.addcmul(merged, out, weight)
    return merged


def _folded(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Part:
    """Attend to keys (owners, kv, width, size) with equally many rows an owner: one block of queries an owner and kv head."""
    rows, tokens, heads, size = queries.shape
    owners, kv = keys.shape[:2]
    split = (owners, rows // owners * tokens, kv, heads // kv)
    block = queries.reshape(*split, size).transpose(1, 2).reshape(owners, kv, -1, size)
    out, lse = _attend(block, keys, values, mask)
    out = out.reshape(owners, kv, split[1], split[3], size).transpose(1, 2).reshape(rows, tokens, heads, size)
    return out, lse.reshape(owners, kv, split[1], split[3]).transpose(1, 2).reshape(rows, tokens, heads)


def _own(queries: Tensor, keys: Tensor, values: Tensor) -> Part:
    """Attend to the rows' own keys: `queries` (rows, heads, tokens, size) against (rows, kv, width, size)."""
    rows, heads, tokens, size = queries.shape
    if tokens == 1:
        return _folded(queries.transpose(1, 2), keys, values, None)
    assert keys.shape[2] == tokens, "many tokens are read only where a row has none of its own yet"
    # Causality is by token, so heads are not folded: each key-value head is seen by its group without a copy.
    group = heads // keys.shape[1]
    each = queries.reshape(-1, group, tokens, size)
    seen, told = (x.reshape(-1, 1, tokens, size).expand(-1, group, -1, -1) for x in (keys, values))
    out, lse = _attend(each, seen, told, None, is_causal=True)
    return out.reshape(rows, heads, tokens, size).transpose(1, 2), lse.reshape(rows, heads, tokens).transpose(1, 2)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, is_causal: bool = False) -> Part:
    """Softmax attention of scaled queries (batch, heads, tokens, size), with the log-sum-exps (batch, heads, tokens)."""
    tokens, width = queries.shape[2], keys.shape[2]
    if queries.device.type == "cpu" and (tokens >= _FUSED_FROM or is_causal or queries.dtype != torch.float32):
        bias = None
        if mask is not None:
            bias = torch.zeros_like(mask, dtype=queries.dtype).masked_fill(~mask, -torch.inf).expand(-1, -1, tokens, -1)
        # the kernel behind scaled_dot_product_attention, which does not hand out its log-sum-exps
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(queries, keys, values, 0.0, is_causal,
                                                                          attn_mask=bias, scale=1.0)
    if is_causal:
        mask = torch.ones(tokens, width, dtype=torch.bool, device=queries.device).tril()[None, None]
    rows = max(1, _SCORES_AT_A_TIME // (queries.shape[0] * queries.shape[1] * width))
    done = [_by_products(queries[:, :, at:at + rows], keys, values,
                         mask[:, :, at:at + rows] if mask is not None and mask.shape[2] > 1 else mask)
            for at in range(0, tokens, rows)]
    return done[0] if len(done) == 1 else (torch.cat([out for out, _ in done], 2), torch.cat([lse for _, lse in done], 2))


def _by_products(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Part:
    scores = (queries @ keys.transpose(-1, -2)).float()
    if mask is not None:
        scores.masked_fill_(~mask, -torch.inf)
    top = scores.amax(-1, keepdim=True)
    scores.sub_(top).exp_()
    total = scores.sum(-1, keepdim=True)
    return (scores.to(values.dtype) @ values) / total.to(values.dtype), (top + total.log())[..., 0]


def _no_mask(*_: Any, **__: Any) -> None:
    """What a row may see is known from the prefix."""


AttentionInterface.register(SHARED_PREFIX, shared_prefix_attention)
AttentionMaskInterface.register(SHARED_PREFIX, _no_mask)
