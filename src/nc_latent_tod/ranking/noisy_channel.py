"""Candidates merged by meaning and ranked, directly or through the noisy channel (King & Flanigan 2024, section 4.3).

For a label y of observed text x in context z, with log-probabilities in nats summed over tokens:

    direct              log p(y|x,z)
    noisy_channel_cond  log p(x|y,z)
    noisy_channel_joint log p(y|z) + log p(x|y,z)
    pmi                 log p(y|x,z) - log p(y|z)

The last is the pointwise mutual information of x and y (Holtzman et al. 2021, "Surface Form Competition", with z for their
domain premise; `acc_mutual_info` of lm-evaluation-harness, where z is empty). By Bayes' rule it is log p(x|y,z) less a constant
of the turn: a model that is one distribution ranks by it as by `noisy_channel_cond`, and by `direct` as by
`noisy_channel_joint`. The prior is that of the canonical text, `direct` that of all texts of its meaning that were sampled.

With length normalization `tokens` every term is divided by its own tokens first: mean nats a token, as GPT-3 was scored
(Brown et al. 2020, section 2.4; `token_length_normalized` of SGLang), and for `pmi` SGLang's
`unconditional_likelihood_normalized`. Readings of a turn share x, so the channel term's divisor is the same for all of them.

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

Ranking = Literal["greedy", "direct", "noisy_channel_cond", "noisy_channel_joint", "pmi", "proposal"]
LengthNormalization = Literal["none", "tokens"]

_TERMS: Mapping[str, Mapping[str, int]] = {  # with the sign of each
    "greedy": {"direct": 1},
    "direct": {"direct": 1},
    "noisy_channel_cond": {"channel": 1},
    "noisy_channel_joint": {"prior": 1, "channel": 1},
    "pmi": {"direct": 1, "prior": -1},
    "proposal": {"proposal": 1},
}


def uses_channel(ranking: Ranking) -> bool:
    """Whether candidates must be scored under the channel prompt."""
    return not {"prior", "channel"}.isdisjoint(_TERMS[ranking])


def scores_text(ranking: Ranking) -> bool:
    """Whether the text, too, must be scored under the channel prompt, after each candidate."""
    return "channel" in _TERMS[ranking]


def merge(candidates: Iterable[Candidate], canonical: Callable[[str], str]) -> list[Candidate]:
    """Merge candidates of equal canonical text; those that do not parse stay, with `error` set.

    The direct log-probability of a merged candidate is that of its distinct texts together, in nats: a lower bound of
    log p(y|x,z), since texts that were not seen are left out. Its tokens are those of the likeliest text.
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
    likeliest = max((c for c in group if "direct" in c.logprobs), key=lambda c: c.logprobs["direct"], default=group[0])
    if proposed := [c.logprobs["proposal"] for c in group if "proposal" in c.logprobs]:
        logprobs["proposal"] = max(proposed)
    return replace(group[0], text=text, logprobs=logprobs, count=sum(c.count for c in group), error=error,
                   tokens=likeliest.tokens)


def rank(candidates: Iterable[Candidate], ranking: Ranking, proposal_weight: float = 0.0,
         length_normalization: LengthNormalization = "none") -> tuple[Candidate, ...]:
    """Score and order candidates, best first; equal scores by count, then text.

    With `proposal_weight`, so many times the pseudo-score is added; a reading that was not proposed gets the least of the turn.
    Unparsable ones come last, unscored, and so do those whose score is not a number: a model that overflows has no opinion.
    """
    candidates = list(candidates)
    least = min((c.logprobs["proposal"] for c in candidates if "proposal" in c.logprobs), default=0.0)
    scored = [_scored(c, ranking, proposal_weight, least, length_normalization) for c in candidates]
    return tuple(sorted(scored, key=lambda c: (c.score is None, -(c.score or 0.0), -c.count, c.text)))


def _scored(candidate: Candidate, ranking: Ranking, proposal_weight: float, least: float,
            length_normalization: LengthNormalization) -> Candidate:
    if candidate.error:
        return replace(candidate, score=None)
    value = score(candidate, ranking, length_normalization)
    if proposal_weight:
        value += proposal_weight * candidate.logprobs.get("proposal", least)
    if math.isnan(value) or value == math.inf:  # infinite where the prior alone is: the difference says nothing
        return replace(candidate, score=None, error="not_a_number")
    return replace(candidate, score=value)


def score(candidate: Candidate, ranking: Ranking, length_normalization: LengthNormalization = "none") -> float:
    """What `ranking` compares: in nats, or with `tokens` in nats a token, each term by its own; one of no tokens is 0.

    Raises `KeyError` where a term was not computed, or its tokens are not known.
    """
    terms = _TERMS[ranking].items()
    if length_normalization == "tokens":
        return sum(sign * candidate.logprobs[term] / max(1, candidate.tokens[term]) for term, sign in terms)
    return sum(sign * candidate.logprobs[term] for term, sign in terms)


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
