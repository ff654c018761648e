"""Prompts as a completions server takes them: token ids where the tokenizer is at hand, text where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from nc_latent_tod.errors import ModelError

_BYTES_A_TOKEN = 3  # of text in English and code; a little less than the tokenizers of code models need


class PromptScores(NamedTuple):
    """Log-probability of each token of a prompt, in nats, and where the token begins: its number, or its character."""

    logprobs: Sequence[float | None]  # None for the first, which nothing stands before
    starts: Sequence[int]


class PromptTexts:
    """Texts to prompts."""

    def __init__(self, tokenizer: str | None) -> None:
        """`tokenizer`: a folder or Hub id. Raises `ModelError` where it cannot be loaded."""
        self.has_ids = tokenizer is not None
        self.leading: list[int] = []
        if tokenizer is None:
            return
        from transformers import AutoTokenizer

        from nc_latent_tod.lm.tokenising import TextTokens

        try:
            self._tokens = TextTokens(AutoTokenizer.from_pretrained(tokenizer, trust_remote_code=False))
        except (OSError, ValueError) as error:
            raise ModelError(f"the tokenizer {tokenizer!r} (server.tokenizer) cannot be loaded: {error}. Give the folder or "
                             "Hub id of the model that the server has.") from error
        self.leading = self._tokens.leading

    def count(self, texts: Sequence[str]) -> list[int]:
        """Length of each text in tokens, estimated where there is no tokenizer."""
        if self.has_ids:
            return [len(ids) for ids in self._tokens.encode_all(texts)]
        return [-(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_A_TOKEN) for text in texts]

    def prompt(self, text: str, shared_prefix: str) -> str | list[int]:
        """A prompt that begins with `shared_prefix`. The two are tokenised apart, as `HuggingFaceLM` does it."""
        if not self.has_ids:
            return text
        ids = self.leading + self._tokens.encode(shared_prefix) + self._tokens.encode(text[len(shared_prefix):])
        return ids or self._tokens.beginning()

    def with_segments(self, context: str, segments: Sequence[str], shared_prefix: str) -> tuple[str | list[int], list[int]]:
        """A context with its continuation, and where each segment begins, then where the last one ends."""
        prompt = self.prompt(context, shared_prefix)
        if isinstance(prompt, str):
            return prompt + "".join(segments), list(accumulate(map(len, segments), initial=len(prompt)))
        cut = self._tokens.encode_all(segments)
        return prompt + sum(cut, []), list(accumulate(map(len, cut), initial=len(prompt)))


def segment_sums(scores: PromptScores, bounds: Sequence[int]) -> tuple[float, ...]:
    """Sum of the log-probabilities of each segment's tokens, in nats. A token belongs to the segment in which it begins."""
    sums = []
    for begin, end in zip(bounds, bounds[1:], strict=False):
        of_segment = [logprob for logprob, start in zip(scores.logprobs, scores.starts, strict=True) if begin <= start < end]
        if None in of_segment:
            raise ModelError("the server gave no log-probability for a token that is to be scored: the context is empty. Give "
                             "prompts that have one.")
        sums.append(float(sum(logprob for logprob in of_segment if logprob is not None)))
    return tuple(sums)
