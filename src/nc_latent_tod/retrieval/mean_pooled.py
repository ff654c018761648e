"""Sentence-transformers that average the tokens of a transformer, with transformers alone.

The vectors are the library's, bit by bit, without the two seconds that importing it takes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

_MODULES = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])
_ORDINARY = {"word_embedding_dimension", "embedding_dimension", "include_prompt", "pooling_mode", "pooling_mode_mean_tokens"}

_OF_A_CALL = ("truncation", "padding")  # settings of a call that the tokenizer keeps


def is_mean_pooled(folder: Path) -> bool:
    """Whether a sentence-transformer's folder says: a transformer, the mean of its tokens, and nothing else that matters."""
    try:
        modules = json.loads((folder / "modules.json").read_text())
        pooling = json.loads((folder / modules[1]["path"] / "config.json").read_text())
        settings = json.loads((folder / modules[0]["path"] / "sentence_bert_config.json").read_text())
        prompts = json.loads((folder / "config_sentence_transformers.json").read_text()).get("default_prompt_name")
    except (OSError, ValueError, KeyError, IndexError):
        return False
    kinds = [module["type"].rpartition(".")[2] for module in modules]
    others = {key for key, value in pooling.items() if value and key not in _ORDINARY}
    is_mean = pooling.get("pooling_mode_mean_tokens") or pooling.get("pooling_mode") == "mean"
    return (kinds in _MODULES and modules[0]["path"] == "" and bool(is_mean) and not others and not prompts
            and not settings.get("do_lower_case") and set(settings) <= {"max_seq_length", "do_lower_case"})


class MeanPooled:
    """The model in such a folder. Raises `OSError` or `ValueError` where it cannot be loaded."""

    def __init__(self, folder: Path, device: str | None = None) -> None:
        transformers_logging.disable_progress_bar()
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model: Any = AutoModel.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False,
                                               use_safetensors=True).to(self.device).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        self._normalises = len(json.loads((folder / "modules.json").read_text())) - 1  # once a module, and once at the end
        self._longest = json.loads((folder / "sentence_bert_config.json").read_text()).get("max_seq_length")
        self.settings = f"mean of {self._longest} tokens at most, {self._normalises} times normalised"
        self.dimension: int = self.model.config.hidden_size

    @torch.inference_mode()
    def encode(self, texts: Sequence[str], batch_size: int) -> np.ndarray:
        """Embed texts: (len(texts), dimension), float32, rows of norm 1."""
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))  # as the library does: little padding
        rows: dict[int, np.ndarray] = {}
        for at in range(0, len(order), batch_size):
            part = order[at : at + batch_size]
            rows.update(zip(part, self._embedded([texts[i] for i in part]), strict=True))
        return np.stack([rows[i] for i in range(len(texts))])

    def _embedded(self, texts: Sequence[str]) -> np.ndarray:
        tokens = self.tokenizer(list(texts), padding=True, truncation=True, max_length=self._longest, return_tensors="pt")
        tokens = tokens.to(self.device)
        hidden = self.model(**tokens).last_hidden_state  # (texts, tokens, dimension)
        mask = tokens["attention_mask"].unsqueeze(-1)  # (texts, tokens, 1)
        mean = (hidden * mask).sum(dim=1, dtype=torch.float32) / mask.sum(dim=1, dtype=torch.float32).clamp(min=1e-9)
        for _ in range(self._normalises):  # twice is what the library does, and changes the last bit
            mean = torch.nn.functional.normalize(mean, p=2, dim=1)
        return mean.float().cpu().numpy()


def fingerprint_of(encoder: Any) -> str:
    """Sha256 in hex of an encoder's `settings`, tokenizer and weights, each tensor whole."""
    digest = hashlib.sha256(f"{encoder.settings} {getattr(encoder.tokenizer, 'model_max_length', '')}".encode())
    tokenizer = getattr(encoder.tokenizer, "backend_tokenizer", None)
    parts = json.loads(tokenizer.to_str()) if tokenizer else encoder.tokenizer.get_vocab()
    digest.update(json.dumps({key: value for key, value in parts.items() if key not in _OF_A_CALL}, sort_keys=True).encode())
    for name, tensor in sorted(encoder.model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().flatten().contiguous().view(torch.uint8).cpu().numpy().tobytes())
    return digest.hexdigest()
