"""A name for what a model computes: it changes with weights, configuration or tokenizer, not with the place of the files."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor

_WHOLE_BYTES = 50_000_000  # models up to this size are read whole, of larger ones the beginning of every tensor
_BEGINNING_VALUES = 4_096
_NOT_WEIGHTS = ("_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype")  # where from, and precision


def fingerprint_of(model: Any, tokenizer: Any) -> str:
    """Sha256 in hex of configuration, tokenizer and weights.

    Above 50 MB of weights only the first 4,096 values of each tensor are read: training changes them all, an edit deep
    inside one tensor would not be seen.
    """
    digest = hashlib.sha256()
    config = {key: value for key, value in model.config.to_dict().items() if key not in _NOT_WEIGHTS}
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    digest.update(_tokenizer_text(tokenizer).encode())
    weights = dict(sorted(model.state_dict().items()))
    read_whole = sum(tensor.nbytes for tensor in weights.values()) <= _WHOLE_BYTES
    for name, tensor in weights.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if not tensor.is_meta:  # weights offloaded to disk are not here to be read
            digest.update(_bytes(tensor if read_whole else tensor.flatten()[:_BEGINNING_VALUES]))
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().flatten().contiguous().view(torch.uint8).cpu().numpy().tobytes()


def _tokenizer_text(tokenizer: Any) -> str:
    if not hasattr(tokenizer, "backend_tokenizer"):
        return json.dumps(tokenizer.get_vocab(), sort_keys=True)
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    kept = {key: value for key, value in parts.items() if key not in ("truncation", "padding")}  # settings of a call
    return json.dumps(kept, sort_keys=True)
