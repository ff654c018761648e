"""A run's folder: what the run is of, its checkpoints, and the record that says it is finished."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nc_latent_tod.errors import ConfigError, ModelError
from nc_latent_tod.system.durable import move_tree, remove_own, scratch_folder
from nc_latent_tod.system.files import write_bytes

log = logging.getLogger(__name__)

_OF_A_CHECKPOINT = re.compile(
    r"(config|generation_config|adapter_config|trainer_state|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab)\.json|"
    r"(model|adapter_model|pytorch_model)(-\d{5}-of-\d{5})?\.(safetensors|bin)|model\.safetensors\.index\.json|README\.md|merges\.txt|"
    r"(optimizer|scheduler|scaler|rng_state(_\d+)?)\.(pt|pth|bin)|training_args\.bin|[a-z_]+\.model|chat_template\.jinja")
"""The files that transformers and peft write into one."""

_NOT_OF_A_RUN = {"tracking": True, "training": {"rows", "checkpoints"}}  # may change between two attempts


@dataclass(frozen=True, slots=True)
class Finetuned:
    """What a run left. Losses are nats a target token, on held-out self-labels."""

    checkpoint: str  # what a job names: model_name_or_path, or adapter where `is_adapter`
    is_adapter: bool
    base: str
    dataset: str
    steps: int
    heldout_loss: float | None  # of the checkpoint; None where nothing was held out
    stopped_early: bool
    labels: Mapping[str, int]  # labelled turns by task
    digest: str  # of all that was learnt from
    fingerprint: str  # of the configuration


class RunFolder:
    """Everything below one folder. Raises `ConfigError` where it holds another run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.checkpoint, self.checkpoints = folder, folder / "checkpoint", folder / "checkpoints"

    @property
    def finished(self) -> Finetuned | None:
        """The record of a finished run; None while it is not finished."""
        path = self.folder / "finetuned.json"
        return Finetuned(**json.loads(path.read_text("utf-8"))) if path.is_file() else None

    def claim(self, identity: Mapping[str, Any]) -> None:
        """Make the folder that of a run. Raises `ConfigError` where it is another's: what differs, before and now."""
        path, now = self.folder / "run.json", json.loads(json.dumps(identity))
        if not path.exists() and (foreign := [place.name for place in (self.checkpoint, self.checkpoints) if place.exists()]):
            raise ConfigError(f"{self.folder} holds {foreign[0]!r}, which no run of this project has written. Name another "
                              "folder with --out.")
        if path.is_file() and (before := json.loads(path.read_text("utf-8"))) != now:
            a, b = _flat(before), _flat(now)
            changed = {key: (a.get(key), b.get(key)) for key in sorted(a.keys() | b.keys()) if a.get(key) != b.get(key)}
            hint = (" Its checkpoints are of another tokenizer." if "tokenizer" in changed else "")
            raise ConfigError(f"{self.folder} holds another run.{hint} Before and now: {changed}. Restore the old values, or "
                              "name another folder with --out.")
        write_bytes(path, f"{json.dumps(now, indent=2)}\n".encode())

    def last_good(self) -> str | None:
        """The newest whole checkpoint, and torn ones away: the trainer's state is the last file that it writes."""
        whole = []
        for path in self.checkpoints.glob("checkpoint-*"):
            if _is_json(path / "trainer_state.json"):
                whole.append(path)
            else:
                _remove_checkpoint(path)
        return str(max(whole, key=lambda path: int(path.name.rsplit("-", 1)[1]))) if whole else None

    def check_tokenizer(self, tokenizer: Any) -> None:
        """Raise `ModelError` where a checkpoint is of another tokenizer than `tokenizer`."""
        known = self.folder / "tokenizer.sha256"
        if known.is_file() and known.read_text() != tokenizer_digest(tokenizer):
            raise ModelError(f"The checkpoints in {self.folder} are of another tokenizer than the model's: they mean nothing"
                             " to it. Restore the model, or name another folder with --out.")
        write_bytes(known, tokenizer_digest(tokenizer).encode())

    def finish(self, model: Any, tokenizer: Any, record: Finetuned) -> Finetuned:
        """Store the checkpoint, whole or not at all, then the record."""
        with scratch_folder(self.folder, "checkpoint") as temporary:
            model.save_pretrained(temporary)
            tokenizer.save_pretrained(temporary)
            if left := _remove_checkpoint(self.checkpoint):
                raise ConfigError(f"{self.checkpoint} is to be replaced and holds {left[0]}, which no run has written: move it "
                                  "away, and run the same command again.")
            move_tree(temporary, self.checkpoint)
        write_bytes(self.folder / "finetuned.json", f"{json.dumps(asdict(record), indent=2)}\n".encode())
        for path in self.checkpoints.glob("checkpoint-*"):
            _remove_checkpoint(path)
        with contextlib.suppress(OSError):  # it holds something else, which stays
            self.checkpoints.rmdir()
        return record


def _remove_checkpoint(folder: Path) -> list[str]:
    """Delete the files that trainer, model and tokenizer write; what else lies there stays, with a warning, and is returned."""
    left = remove_own(folder, _OF_A_CHECKPOINT)
    if left:
        log.warning("%s: %s is no file of a checkpoint, and stays", folder, left[0])
    return left


def identity_of(config: Any) -> dict[str, Any]:
    """What tells runs apart, as JSON data: every option that can change a weight."""
    identity: dict[str, Any] = config.model_dump(mode="json", exclude=_NOT_OF_A_RUN)
    if identity["data"]["human_weight"] == 1:
        del identity["data"]["human_weight"]  # runs from before there were corrections keep their identity
    return identity


def fingerprint_of(identity: Mapping[str, Any]) -> str:
    """SHA-256 (hex) of canonical JSON."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def tokenizer_digest(tokenizer: Any) -> str:
    """SHA-256 (hex) of the vocabulary."""
    return hashlib.sha256(json.dumps(sorted(tokenizer.get_vocab().items())).encode()).hexdigest()


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):  # missing, or half written
        return False
    return True


def _flat(tree: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(tree, dict):
        return {path: tree}
    return {name: value for key, part in tree.items() for name, value in _flat(part, f"{path}.{key}".strip(".")).items()}
