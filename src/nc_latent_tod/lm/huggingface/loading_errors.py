"""What transformers and huggingface_hub raise while loading, told as one `ModelError` that says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)
from safetensors import SafetensorError

from nc_latent_tod.errors import ModelError


@contextmanager
def explained(name_or_path: str, part: str) -> Iterator[None]:
    """Turn a failure to load `part` (configuration, tokenizer, weights, adapter) of a model into a `ModelError`."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        raise ModelError(_message(name_or_path, part, error)) from error


def _message(name_or_path: str, part: str, error: BaseException) -> str:
    causes = tuple(_chain(error))

    def caused_by(*kinds: type[BaseException]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    if "trust_remote_code" in str(error):
        return (f"the {part} of the model {name_or_path!r} needs code of its own, which is never run here. Take a model that "
                "transformers knows by itself, or serve this one elsewhere and use it with model_type 'openai'.")
    folder = Path(name_or_path).expanduser()
    if part == "weights" and "no file named" in str(error) and (any(folder.glob("*.bin")) or not folder.is_dir()):
        return (f"the model {name_or_path!r} has no weights in the safetensors format. Pickled weights are not read, for they "
                "may hold code: load the model once where you trust it, and save_pretrained it.")
    if caused_by(torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return (f"the model {name_or_path!r} does not fit the memory of this machine: {_first_line(error)}. Load it with "
                "dtype bfloat16, with load_in_8bit or load_in_4bit, with device_map 'auto', or take a smaller model.")
    if folder.is_dir():
        return _local_message(name_or_path, part, error)
    if caused_by(GatedRepoError):
        return (f"the model {name_or_path!r} is gated on the Hub. Accept its terms at https://huggingface.co/{name_or_path}, "
                "then run: hf auth login")
    if caused_by(RepositoryNotFoundError, HFValidationError):
        return (f"there is no model {name_or_path!r} on the Hub, or it is private. Check the spelling; for a private model "
                "run: hf auth login. A folder is given by its path.")
    if caused_by(OfflineModeIsEnabled, LocalEntryNotFoundError, ConnectionError):
        return (f"the {part} of the model {name_or_path!r} is not in the local cache, and the Hub cannot be reached. Check "
                "the network (and that HF_HUB_OFFLINE is not set), or give the path of a folder that holds the model.")
    if caused_by(EntryNotFoundError):
        return f"the model {name_or_path!r} on the Hub has no {part} that transformers can read: {_first_line(error)}."
    if caused_by(HfHubHTTPError):
        return f"the Hub refused the {part} of the model {name_or_path!r}: {_first_line(error)}. Try again later."
    return f"the {part} of the model {name_or_path!r} cannot be loaded: {_first_line(error)}"


def _local_message(folder: str, part: str, error: BaseException) -> str:
    if part == "tokenizer":
        return (f"the model folder {folder!r} has no tokenizer that can be read ({_first_line(error)}). Save the tokenizer "
                "there too: tokenizer.save_pretrained(folder).")
    return (f"the {part} in the model folder {folder!r} cannot be read: {_first_line(error)}. Copy or save the model "
            "again, and check that it is a causal language model.")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _first_line(error: BaseException) -> str:
    text = str(error).strip()
    return (text.splitlines()[0] if text else type(error).__name__)[:300].rstrip(".")
