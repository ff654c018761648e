"""Sampling of many continuations of many prompts, each from its own random stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from nc_latent_tod.lm import Completion, Sampling
from nc_latent_tod.lm.nucleus import choose_tokens, token_logprobs
from nc_latent_tod.lm.prefill import CachedModel, Contexts
from nc_latent_tod.lm.tokenising import StopStrings, TextTokens


@dataclass
class Branch:
    """One continuation while it grows."""

    stream: np.random.Generator
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)  # nats at temperature 1, one a token
    text: str = ""  # set when the branch ends
    finished: bool = False  # a stop string or an end-of-text token was met

    def completion(self) -> Completion:
        """The value that callers see."""
        return Completion(self.text, float(sum(self.logprobs)), self.finished)


def decode(model: CachedModel, contexts: Contexts, branches: Sequence[Branch], sampling: Sampling,
           tokens: TextTokens) -> None:
    """Grow branches to their ends, in place: one a row of `contexts`, which is used up.

    A branch that has met its end leaves the batch, so no position is computed for it any more.
    """
    stops = StopStrings(sampling.stop, tokens)
    alive = list(branches)
    for step in range(sampling.max_new_tokens):
        uniforms = np.array([branch.stream.random() for branch in alive])
        chosen = choose_tokens(contexts.logits, uniforms, sampling.top_p, sampling.temperature)  # (rows,)
        _record(alive, chosen.tolist(), token_logprobs(contexts.logits, chosen).tolist(), stops, tokens)
        staying = [row for row, branch in enumerate(alive) if not branch.finished]
        if not staying or step == sampling.max_new_tokens - 1:
            break
        if len(staying) < len(alive):
            alive = [alive[row] for row in staying]
            contexts = contexts.select(staying)
            chosen = chosen[staying]
        ids = chosen[:, None]  # (rows, 1)
        contexts.logits = model.extend(contexts, ids, torch.ones_like(ids, dtype=torch.bool), keep=1)[:, -1]
    for branch in alive:
        if not branch.finished:
            branch.text = tokens.decode(branch.token_ids)


def _record(branches: Sequence[Branch], chosen: Sequence[int], logprobs: Sequence[float], stops: StopStrings,
            tokens: TextTokens) -> None:
    for branch, token_id, logprob in zip(branches, chosen, logprobs, strict=True):
        branch.logprobs.append(logprob)
        branch.token_ids.append(token_id)
        if token_id in tokens.end_ids:
            branch.text, branch.finished = tokens.decode(branch.token_ids[:-1]), True
        elif (text := stops.cut(branch.token_ids)) is not None:
            branch.text, branch.finished = text, True
