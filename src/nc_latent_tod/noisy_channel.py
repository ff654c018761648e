"""Candidates merged by meaning and ranked, directly or through the noisy channel (King & Flanigan 2024, section 4.3).

For a label y of observed text x in context z, with log-probabilities in nats summed over tokens:

    direct              log p(y|x,z)
    noisy_channel_cond  log p(x|y,z)
    noisy_channel_joint log p(y|z) + log p(x|y,z)

Without a model, `proposal` ranks by the pseudo-score that proposals come with. With one, the pseudo-score may be a further
term, with a weight: a log-linear model (Och & Ney 2002, "Discriminative Training and Maximum Entropy Models").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from nc_latent_tod.errors import ParseError
from nc_latent_tod.labels import Candidate

Ranking = Literal["greedy", "direct", "noisy_channel_cond", "noisy_channel_joint", "proposal"]

_TERMS: Mapping[str, tuple[str, ...]] = {
    "greedy": ("direct",),
    "direct": ("direct",),
    "noisy_channel_cond": ("channel",),
    "noisy_channel_joint": ("prior", "channel"),
    "proposal": ("proposal",),
}


def uses_channel(ranking: Ranking) -> bool:
    """Whether candidates must be scored under the channel prompt."""
    return "channel" in _TERMS[ranking]


def merge(candidates: Iterable[Candidate], canonical: Callable[[str], str]) -> list[Candidate]:
    """Merge candidates of equal canonical text; those that do not parse stay, with `error` set.

    The direct log-probability of a merged candidate is that of its distinct texts together, in nats: a lower bound of
    log p(y|x,z), since texts that were not seen are left out.
    """
    groups: dict[tuple[bool, str], list[Candidate]] = {}
    errors: dict[tuple[bool, str], str | None] = {}
    for candidate in candidates:
        text, error = candidate.text, None
        if not candidate.finished:
            error = "unfinished"
        else:
            try:
                text = canonical(candidate.text)
            except ParseError as parse_error:
                error = parse_error.reason
        groups.setdefault((error is None, text), []).append(candidate)
        errors[error is None, text] = error
    return [_merged(text, group, errors[parsed, text]) for (parsed, text), group in groups.items()]


def _merged(text: str, group: Sequence[Candidate], error: str | None) -> Candidate:
    by_text = {c.text: c.logprobs["direct"] for c in group if "direct" in c.logprobs}
    logprobs = {"direct": _log_sum_exp(by_text.values())} if by_text else {}
    if proposed := [c.logprobs["proposal"] for c in group if "proposal" in c.logprobs]:
        logprobs["proposal"] = max(proposed)
    return replace(group[0], text=text, logprobs=logprobs, count=sum(c.count for c in group), error=error)


def rank(candidates: Iterable[Candidate], ranking: Ranking, proposal_weight: float = 0.0) -> tuple[Candidate, ...]:
    """Score and order candidates, best first; equal scores by count, then text.

    With `proposal_weight`, so many times the pseudo-score is added; a reading that was not proposed gets the least of the turn.
    Unparsable ones come last, unscored, and so do those whose score is not a number: a model that overflows has no opinion.
    """
    candidates = list(candidates)
    least = min((c.logprobs["proposal"] for c in candidates if "proposal" in c.logprobs), default=0.0)
    scored = [_scored(c, ranking, proposal_weight, least) for c in candidates]
    return tuple(sorted(scored, key=lambda c: (c.score is None, -(c.score or 0.0), -c.count, c.text)))


def _scored(candidate: Candidate, ranking: Ranking, proposal_weight: float, least: float) -> Candidate:
    if candidate.error:
        return replace(candidate, score=None)
    value = score(candidate, ranking)
    if proposal_weight:
        value += proposal_weight * candidate.logprobs.get("proposal", least)
    return replace(candidate, score=None, error="not_a_number") if math.isnan(value) else replace(candidate, score=value)


def score(candidate: Candidate, ranking: Ranking) -> float:
    """What `ranking` compares, in nats. Raises `KeyError` where a term was not computed."""
    return sum(candidate.logprobs[term] for term in _TERMS[ranking])


def posterior(candidates: Sequence[Candidate], temperature: float = 1.0) -> list[float]:
    """Share of each candidate by the softmax of score / `temperature` over distinct parses; 0.0 for unparsable ones."""
    scores = [c.score / temperature for c in candidates if c.score is not None]
    if not scores:
        return [0.0] * len(candidates)
    total = _log_sum_exp(scores)
    return [0.0 if c.score in (None, -math.inf) else math.exp(c.score / temperature - total) for c in candidates]


def _log_sum_exp(values: Iterable[float]) -> float:
    values = list(values)
    top = max(values)
    if top == -math.inf:
        return top
    return top + math.log(sum(math.exp(value - top) for value in values))
