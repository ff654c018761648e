"""Text to token ids and back, for any tokenizer of the transformers library."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nc_latent_tod.errors import ConfigError, ModelError

_BEFORE = "\n"  # it is joined with nothing that follows, but for another line break


class TextTokens:
    """A tokenizer that takes every text as plain text.

    Special tokens that a user wrote out ("<|endoftext|>") are split into ordinary tokens. What the tokenizer itself puts
    before a text (a beginning-of-text token, where it has one) is `leading`; it is never part of `encode`'s answer, and
    neither is the space that SentencePiece puts before a word: a text is encoded as it stands after another one.
    """

    def __init__(self, tokenizer: Any, end_ids: Sequence[int] = ()) -> None:
        self._tokenizer = tokenizer
        self.leading = _leading_ids(tokenizer)
        before, after, alone = self._plain([_BEFORE, f"{_BEFORE}x", "x"])
        adds_space = after[:len(before)] == before and after[len(before):] != alone
        self._before = before if adds_space else []
        own_end = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        self.end_ids = frozenset([*own_end, *end_ids])  # any of them ends a text

    def encode(self, text: str) -> list[int]:
        """Token ids of one text, without special tokens."""
        return self.encode_all([text])[0]

    def encode_all(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of each text, without special tokens."""
        if not texts:
            return []
        if not self._before:
            return self._plain(texts)
        whole, start = self._plain([_BEFORE + text for text in texts]), len(self._before)
        return [ids[start:] if ids[:start] == self._before else self._plain([text])[0]
                for ids, text in zip(whole, texts, strict=True)]

    def _plain(self, texts: Sequence[str]) -> list[list[int]]:
        options = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
        return self._tokenizer(list(texts), **options)["input_ids"]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids, special tokens written out; bytes that are no UTF-8 become U+FFFD."""
        return self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)

    def beginning(self) -> list[int]:
        """What stands before the first token of an empty context, so that it has a distribution at all."""
        for token_id in (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id):
            if token_id is not None:
                return [token_id]
        raise ModelError("an empty prompt needs a beginning-of-text or end-of-text token, and this tokenizer has neither. "
                         "Set bos_token in its tokenizer_config.json, or give a prompt that is not empty.")


class StopStrings:
    """Finds the first stop string in the text of sampled tokens."""

    def __init__(self, stop: Sequence[str], tokens: TextTokens) -> None:
        if any(not text for text in stop):
            raise ConfigError(f"sampling.stop {list(stop)!r} holds an empty string, which would end every text at once. "
                              "Remove it.")
        self._stop = tuple(stop)
        self._tokens = tokens
        # A token is at least one byte, so a stop string that ends in the last token begins within that many tokens.
        # One more, since some decoders strip a space before the first token.
        self._window = max((len(text.encode()) for text in stop), default=0) + 1

    def cut(self, ids: Sequence[int]) -> str | None:
        """Text before the first stop string; None where none has been completed.

        To be called after every token: only the newest tokens are searched.
        """
        newest = self._tokens.decode(ids[-self._window:]) if self._stop else ""
        if not any(text in newest for text in self._stop):
            return None
        whole = self._tokens.decode(ids)
        places = [place for text in self._stop if (place := whole.find(text)) >= 0]
        return whole[:min(places)] if places else None


def _leading_ids(tokenizer: Any) -> list[int]:
    bare = tokenizer("x", add_special_tokens=False)["input_ids"]
    full = tokenizer("x")["input_ids"]
    starts = [at for at in range(len(full)) if full[at:at + len(bare)] == bare]
    return list(full[:starts[0]]) if starts else []
