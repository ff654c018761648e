"""Lengths in tokens without the model: only its tokenizer and configuration are loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from transformers import AutoConfig, AutoTokenizer

from nc_latent_tod.lm.huggingface.loading import locate
from nc_latent_tod.lm.huggingface.loading_errors import explained
from nc_latent_tod.lm.tokenising import TextTokens

UNBOUNDED = 1_000_000  # tokens; for a model whose configuration names no limit


def token_counter(name_or_path: str) -> tuple[Callable[[Sequence[str]], list[int]], int]:
    """Return a counter of tokens and the model's context length in tokens. Raises `ModelError`."""
    source, is_local = locate(name_or_path)
    with explained(name_or_path, "configuration"):
        config = AutoConfig.from_pretrained(source, local_files_only=is_local, trust_remote_code=False)
    with explained(name_or_path, "tokenizer"):
        tokens = TextTokens(AutoTokenizer.from_pretrained(source, local_files_only=is_local, trust_remote_code=False))
    positions = getattr(config.get_text_config(), "max_position_embeddings", None) or UNBOUNDED
    return lambda texts: [len(ids) for ids in tokens.encode_all(texts)], positions - len(tokens.leading)
