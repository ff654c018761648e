"""Stored embeddings: a file that maps texts to vectors of one encoder. A text is known by its hash, so a vector is that of the
very text that is asked for, or it is not found.

One line of JSON (`encoder`, `rows`, `dimension`, `sha256` of what follows), then the texts' hashes of 16 bytes, then the
vectors as little-endian float32, bit by bit what the encoder gave.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import numpy as np

from nc_latent_tod.errors import DamagedError

_KEY_BYTES = 16


def text_key(text: str) -> bytes:
    """A text's hash: 16 bytes of BLAKE2b."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()


def pack(encoder: str, embeddings: Mapping[bytes, np.ndarray]) -> bytes:
    """The file's content; equal embeddings give equal bytes. `encoder` is the encoder's fingerprint."""
    keys = sorted(embeddings)
    vectors = np.stack([embeddings[key] for key in keys]) if keys else np.zeros((0, 0))
    payload = b"".join(keys) + np.ascontiguousarray(vectors, dtype="<f4").tobytes()
    header = {"encoder": encoder, "rows": len(keys), "dimension": vectors.shape[1],
              "sha256": hashlib.sha256(payload).hexdigest()}
    return f"{json.dumps(header)}\n".encode() + payload


def unpack(data: bytes, encoder: str) -> dict[bytes, np.ndarray]:
    """Vectors by the hash of their text. Raises `DamagedError` where the file is damaged or of another encoder."""
    line, _, payload = data.partition(b"\n")
    try:
        header = json.loads(line)
        of, rows, dimension, sha256 = header["encoder"], int(header["rows"]), int(header["dimension"]), header["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"its header cannot be read ({type(error).__name__}: {error})") from None
    if of != encoder:
        raise DamagedError(f"it is of another encoder ({str(of)[:12]}, not {encoder[:12]})")
    if hashlib.sha256(payload).hexdigest() != sha256 or len(payload) != rows * (_KEY_BYTES + 4 * dimension):
        raise DamagedError("its content does not have the sha256 that its header names")
    keys = [payload[at : at + _KEY_BYTES] for at in range(0, rows * _KEY_BYTES, _KEY_BYTES)]
    vectors = np.frombuffer(payload, dtype="<f4", offset=rows * _KEY_BYTES).reshape(rows, dimension)
    return dict(zip(keys, vectors, strict=True))
