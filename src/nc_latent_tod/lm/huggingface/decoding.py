"""Sampling of many continuations of many prompts, each from its own random stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from nc_latent_tod.lm import Completion, Sampling
from nc_latent_tod.lm.huggingface.constraining import masked
from nc_latent_tod.lm.huggingface.nucleus import choose_tokens, token_logprobs
from nc_latent_tod.lm.huggingface.reading import Prompts, Reader
from nc_latent_tod.lm.tokenising import StopStrings, TextTokens


@dataclass
class Branch:
    """One continuation while it grows."""

    stream: np.random.Generator
    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)  # nats at temperature 1, one a token
    text: str = ""  # set when the branch ends
    finished: bool = False  # a stop string or an end-of-text token was met, or the grammar's end
    matcher: Any = None  # where in its grammar the branch is; None where any token may follow

    def completion(self) -> Completion:
        """The value that callers see."""
        return Completion(self.text, float(sum(self.logprobs)), self.finished, len(self.logprobs))


def decode(model: Reader, prompts: Prompts, owners: Sequence[int], branches: Sequence[Branch], sampling: Sampling,
           tokens: TextTokens) -> None:
    """Grow branches to their ends, in place; `owners[i]` is the prompt before branch i, in ascending order.

    Branches of a prompt are one row while their texts are the same, and part where they differ. A branch that has met its
    end leaves the batch, so no position is computed for it any more. Either all branches have a matcher or none has: tokens
    are drawn within the grammar, their log-probabilities are the model's without it.
    """
    stops = StopStrings(sampling.stop, tokens)
    alive, rows, at = list(branches), prompts, list(owners)  # `at`: the row that each branch stands at
    for step in range(sampling.max_new_tokens):
        logits = rows.logits[torch.tensor(at, device=rows.logits.device)]  # (branches, vocab)
        uniforms = np.array([branch.stream.random() for branch in alive])
        within = masked(logits, [branch.matcher for branch in alive]) if alive[0].matcher else logits
        chosen = choose_tokens(within, uniforms, sampling.top_p, sampling.temperature).tolist()
        _record(alive, chosen, token_logprobs(logits, torch.tensor(chosen)).tolist(), stops, tokens)
        grown = [(row, token) for row, token, branch in zip(at, chosen, alive, strict=True) if not branch.finished]
        alive = [branch for branch in alive if not branch.finished]
        if not alive or step == sampling.max_new_tokens - 1:
            break
        different = sorted(set(grown))
        places = {pair: place for place, pair in enumerate(different)}
        at = [places[pair] for pair in grown]
        model.tokens.shared += len(grown) - len(different)
        parents = [row for row, _ in different]
        if rows is prompts or parents != list(range(len(rows.logits))):
            rows = rows.select(parents)
        ids = torch.tensor([[token] for _, token in different])  # (rows, 1)
        everywhere = torch.ones_like(ids, dtype=torch.bool)
        rows.logits = model.extend(rows, ids, everywhere, everywhere)
    for branch in alive:
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
        elif branch.matcher and branch.matcher.consume_token(token_id) and branch.matcher.is_stopped():
            branch.text, branch.finished = tokens.decode(branch.token_ids), True
