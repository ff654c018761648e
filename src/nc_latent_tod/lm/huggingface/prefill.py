"""Keys and values of prompts, computed once and copied to the rows that need them: the plain way, for any causal model.

A row of a batch is laid out as [preamble][padding][rest of the prompt][what follows]. The preamble is the same in every row
and is computed once in the life of the model; the rest is computed once a prompt, however many samples or candidates follow.
`sharing` computes the same numbers without copies, for the models whose attention can be told what is shared.
"""

from __future__ import annotations

import copy
import inspect
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from nc_latent_tod.errors import ModelError
from nc_latent_tod.lm import TokenCount

logger = logging.getLogger(__name__)

_PREAMBLES_KEPT = 8  # the least recently used goes first; a job has two or four
_REPLACING_LAYERS = (DynamicLayer, DynamicSlidingWindowLayer)  # they replace their tensors, never write into them
_TRIED = ((3, 1), ((4, 1, 5, 2, 3, 1, 4, 2), (5,)), (2, 4))  # a preamble, prompts of two lengths, and what follows them
_ALIKE, _ALIKE_IN_HALF = 1e-3, 5e-2  # of the largest logit, by which logits may differ

T = TypeVar("T")


class Limits(NamedTuple):
    """What one forward pass may hold, and what it costs."""

    positions: int  # padding included
    rows: int
    pass_cost: int  # of a pass besides its positions, in positions: more padding than this is dearer than another pass


class Preambles(Generic[T]):
    """What was read of the preambles: the least recently used of more than eight goes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], T] = OrderedDict()

    def __contains__(self, preamble: tuple[int, ...]) -> bool:
        return preamble in self._kept

    def get(self, preamble: tuple[int, ...], read: Callable[[], T]) -> T:
        """What is kept of a preamble, or else what `read` gives."""
        if preamble not in self._kept:
            self._kept[preamble] = read()
            while len(self._kept) > _PREAMBLES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(preamble)
        return self._kept[preamble]


@dataclass
class Contexts:
    """Texts that a model has read, one a row, and what it predicts after each."""

    cache: DynamicCache  # a layer's keys and values: (rows, key-value heads, width, head size)
    real: Tensor | None  # (rows, width) bool, False at padding; None where there is none
    lengths: Tensor  # (rows,) tokens, padding excluded
    logits: Tensor  # (rows, vocab) after the last token

    def select(self, rows: Sequence[int]) -> Contexts:
        """Take rows, in order, each as often as it is named. The original stays as it is."""
        index = torch.tensor(rows, dtype=torch.long)
        cache = copy_cache(self.cache)
        cache.batch_select_indices(index)
        at = index.to(self.lengths.device)
        real = None if self.real is None else self.real[at]
        return Contexts(cache, real, self.lengths[at], self.logits[index.to(self.logits.device)])


class CachedModel:
    """A causal language model that is read in the plain way. Counts every position it computes."""

    def __init__(self, model: Any, tokens: TokenCount) -> None:
        self._model = model
        self._takes_positions = takes_positions(model)
        self._preambles: Preambles[Contexts] = Preambles()
        self.tokens = tokens
        self.longest_padded = _longest_padded(self._new_cache(), model.config)

    def check(self) -> None:
        """Try the model: one that reads padding gets none. Raises `ModelError` where it cannot read a text in parts."""
        _, prompts, follows = _TRIED
        if self.longest_padded is None or self.longest_padded >= max(map(len, prompts)) + len(follows):
            try:
                if _difference(self._model, prompts) <= allowed_difference(self._model):
                    return
            except _FAILURES as error:
                logger.debug("prompts of two lengths: %s", error)
            self.longest_padded = 0
        try:
            difference = _difference(self._model, prompts[:1])
        except _FAILURES as error:
            raise ModelError(_in_parts(self._model, f"{type(error).__name__}: {error}")) from error
        if difference > allowed_difference(self._model) and _is_exact(self._model):
            raise ModelError(_in_parts(self._model, f"logits differ by {difference:.0%} of the largest"))
        if difference > allowed_difference(self._model):  # half precision may round as much
            logger.warning("%s: logits of a text that is read in parts differ by %.0f%% of the largest",
                           type(self._model).__name__, 100 * difference)

    def _new_cache(self) -> DynamicCache:
        return DynamicCache(config=self._model.config)

    def read(self, preamble: Sequence[int], rests: Sequence[Sequence[int]], limits: Limits) -> Contexts:
        """Read prompts, each `preamble` + its rest, in one pass. No rest may be empty; all are padded to the longest."""
        width = max(map(len, rests))
        ids = torch.tensor([[0] * (width - len(rest)) + list(rest) for rest in rests])  # (rows, width)
        real = torch.tensor([[False] * (width - len(rest)) + [True] * len(rest) for rest in rests])
        start = self._start(tuple(preamble), len(rests), limits)
        # padding stands on the left, so the last position is each prompt's last token
        last = (torch.arange(width) == width - 1).expand(len(rests), -1)
        start.logits = self.extend(start, ids, real, last)
        return start

    def extend(self, contexts: Contexts, ids: Tensor, real: Tensor, keep: Tensor) -> Tensor:
        """Read more tokens, in place: `ids` and `real` are (rows, new), `real` False at padding.

        Returns logits at the positions where the (rows, new) mask `keep` is True, (positions, vocab) in row order.
        """
        device = contexts.lengths.device
        counted = int(real.sum())
        self.tokens.computed += counted
        self.tokens.padding += real.numel() - counted
        is_full = counted == real.numel()
        ids, real, keep = ids.to(device), real.to(device), keep.to(device)
        positions = contexts.lengths[:, None] + (real.cumsum(1) - 1).clamp(min=0)
        contexts.real = None if is_full and contexts.real is None else _join(contexts, real)
        contexts.lengths = contexts.lengths + real.sum(1)
        options = {"position_ids": positions} if self._takes_positions else {}
        logits = self._model(input_ids=ids, past_key_values=contexts.cache, attention_mask=contexts.real, use_cache=True,
                             logits_to_keep=keep, **options).logits
        return logits[keep] if logits.dim() == 3 else logits

    def _start(self, preamble: tuple[int, ...], rows: int, limits: Limits) -> Contexts:
        """Contexts that hold the preamble alone, in `rows` rows."""
        if not preamble:
            zeros = torch.zeros(rows, dtype=torch.long, device=self._model.device)
            return Contexts(self._new_cache(), None, zeros, torch.empty(0))
        self.tokens.shared += (rows if preamble in self._preambles else rows - 1) * len(preamble)
        return self._preambles.get(preamble, lambda: self.read((), [preamble], limits)).select([0] * rows)


def takes_positions(model: Any) -> bool:
    """Whether a model is told the positions of its tokens."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model  # peft hides the signature
    return "position_ids" in inspect.signature(inner.forward).parameters


def copy_cache(cache: DynamicCache) -> DynamicCache:
    """A cache that can grow without the original; tensors are shared until then."""
    twin = copy.copy(cache)
    twin.layers = [copy.copy(layer) if type(layer) in _REPLACING_LAYERS else copy.deepcopy(layer) for layer in cache.layers]
    return twin


def _join(contexts: Contexts, real: Tensor) -> Tensor:
    """The mask of what was read and what is being read, (rows, width + new)."""
    seen = contexts.real
    if seen is None:
        seen = torch.ones(real.shape[0], contexts.cache.get_seq_length(), dtype=torch.bool, device=real.device)
    return torch.cat([seen, real], dim=1)


_FAILURES = (RuntimeError, TypeError, ValueError, LookupError, AttributeError)  # of models that were made for other uses


@torch.inference_mode()
def _difference(model: Any, prompts: Sequence[Sequence[int]]) -> float:
    """Largest difference between the logits of texts read in parts and at once, as a share of the largest logit."""
    preamble, _, follows = _TRIED
    cached = CachedModel(model, TokenCount())
    read = cached.read(preamble, prompts, Limits(1, 1, 0))
    rows = sorted([*range(len(prompts))] * 2)
    new = torch.tensor([follows] * len(rows))
    every = torch.ones_like(new, dtype=torch.bool)
    found = cached.extend(read.select(rows), new, every, every).float()  # (rows x follows, vocab)
    texts = [torch.tensor([[*preamble, *prompts[row], *follows]], device=model.device) for row in rows]
    whole = torch.cat([model(input_ids=text, use_cache=False).logits[0, -len(follows):] for text in texts]).float()
    return float((found - whole.to(found.device)).abs().max() / whole.abs().max())


def allowed_difference(model: Any) -> float:
    """Share of the largest logit by which rounding may change another, when the same text is read in another way."""
    return _ALIKE if _is_exact(model) else _ALIKE_IN_HALF


def _is_exact(model: Any) -> bool:
    """Whether a model computes in float32: 8-bit layers round to less, whatever the rest is."""
    return bool(model.dtype == torch.float32) and not getattr(model, "is_quantized", False)


def _in_parts(model: Any, what: str) -> str:
    return (f"{type(model).__name__} does not go on from a prompt that was read before ({what[:200]}). So it is with recurrent "
            "layers, as in Mamba, and with transformers before 5.21. Take a model whose layers are attention, or one behind a "
            "server (model_type 'openai').")


def _longest_padded(cache: DynamicCache, config: Any) -> int | None:
    """Tokens up to which padding inside a row changes nothing; None where there is no limit.

    A sliding window counts padding as tokens, and a recurrent layer reads it: such models take padding only while the
    window covers everything, or never.
    """
    windows = [getattr(layer, "sliding_window", 0) for layer in cache.layers if type(layer) is not DynamicLayer]
    if "local" in getattr(config, "attention_layers", ()):  # GPT-Neo's, of which the cache knows nothing
        windows.append(config.window_size)
    return min(windows, default=None)
