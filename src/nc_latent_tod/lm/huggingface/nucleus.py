"""Nucleus sampling from a random stream that belongs to one sample alone."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from nc_latent_tod.errors import ConfigError, TurnError

_LIKELY = 512  # tokens looked at before all are sorted; a nucleus seldom holds more


def random_stream(seed: int, sample_index: int) -> np.random.Generator:
    """The uniforms of one sample: a counter-based generator whose key is (seed, sample index), so streams never overlap."""
    key = np.array([seed % 2**64, sample_index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def check_sampling(top_p: float, temperature: float, n: int) -> None:
    """Raise `ConfigError` for settings that no distribution has."""
    if not 0 < top_p <= 1:
        raise ConfigError(f"top_p must be above 0 and at most 1, not {top_p}. Use 1 to sample from all tokens.")
    if not temperature >= 0:
        raise ConfigError(f"temperature must be 0 or more, not {temperature}. Use 0 for greedy decoding.")
    if n < 1:
        raise ConfigError(f"the number of samples must be at least 1, not {n}.")


def nucleus_probabilities(logits: Tensor, top_p: float, temperature: float) -> Tensor:
    """Probabilities that the nucleus keeps, others 0, not renormalised: float64, shape of `logits`, (rows, vocab).

    The nucleus is the smallest set of most probable tokens whose mass reaches `top_p` (Holtzman et al. 2020, section 3.1).
    Of equally probable tokens at its edge those with the lowest ids are in.
    """
    probabilities = torch.softmax(logits.double() / temperature, dim=-1)  # (rows, vocab)
    if top_p >= 1:
        return probabilities
    ranked = _most_probable(probabilities, top_p)  # (rows, k), falling
    before = ranked.cumsum(-1) - ranked  # mass of all that rank above
    kept = (before < top_p).sum(-1, keepdim=True)  # (rows, 1), at least 1
    edge = ranked.gather(-1, kept - 1)
    above = probabilities > edge
    at_edge = probabilities == edge
    wanted = kept - above.sum(-1, keepdim=True)
    inside = above | (at_edge & (at_edge.cumsum(-1) <= wanted))
    return probabilities * inside


def choose_tokens(logits: Tensor, uniforms: np.ndarray, top_p: float, temperature: float) -> Tensor:
    """One token id a row, (rows,): the most probable at temperature 0, else by inverse CDF at the row's uniform in [0, 1).

    The CDF runs over token ids, not over ranks: two tokens of nearly equal probability may swap ranks with the rounding of
    a differently shaped batch, and the choice must not follow. Raises `TurnError('not_a_number')` where logits overflowed.
    """
    if logits.device.type == "mps":
        logits = logits.cpu()  # no float64 there
    if not bool(logits.amax(-1).isfinite().all()):  # else an index out of range, which ends a CUDA process for good
        raise TurnError("not_a_number", "the model's logits are no numbers: it overflows. Load it with torch_dtype bfloat16 or "
                                        "float32.")
    if temperature == 0:
        return logits.argmax(-1)
    cdf = nucleus_probabilities(logits, top_p, temperature).cumsum(-1)  # (rows, vocab)
    total = cdf[:, -1:].contiguous()
    target = torch.from_numpy(uniforms).to(cdf)[:, None] * total
    found = torch.searchsorted(cdf, target, right=True)
    last = torch.searchsorted(cdf, total)  # where rounding lifts the target to the total itself
    return torch.minimum(found, last)[:, 0]


def token_logprobs(logits: Tensor, token_ids: Tensor) -> Tensor:
    """Log-probability of a token a row at temperature 1, in nats, float32: (rows, vocab), (rows,) -> (rows,)."""
    wide = logits.float()
    return wide.gather(-1, token_ids.to(wide.device)[:, None])[:, 0] - wide.logsumexp(-1)


def _most_probable(probabilities: Tensor, top_p: float) -> Tensor:
    likely = probabilities.topk(min(_LIKELY, probabilities.shape[-1])).values
    if bool((likely.sum(-1) >= top_p).all()):
        return likely
    return probabilities.sort(-1, descending=True).values
