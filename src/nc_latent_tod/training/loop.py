"""A tiny causal language model of StarCoder's architecture, trained from scratch on simulated dialogues.

It speaks the product's prompts over one schema and nothing else: an embedded default for trials and tests. Every batch is a
function of (seed, step), so a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import PreTrainedTokenizerFast

from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Example
from nc_latent_tod.system.durable import move_tree, scratch_folder
from nc_latent_tod.system.files import write_bytes
from nc_latent_tod.tasks import Order, Task
from nc_latent_tod.training.mixture import Packer, Part
from nc_latent_tod.training.tiny_model import grown_model, new_model, train_tokenizer

LABELLING: tuple[tuple[str, Order, float], ...] = (
    ("dst", "direct", 0.50), ("dst", "channel", 0.14), ("act_tag", "direct", 0.24), ("act_tag", "channel", 0.12))
"""Task, order and share of the packs: what reads dialogues that happened."""
ANSWERING: tuple[tuple[str, Order, float], ...] = (("policy", "direct", 0.5), ("response", "direct", 0.5))
"""What an agent answers with."""


@dataclass(frozen=True)
class TrainConfig:
    """Sizes of model and run. The defaults give 2.2 M parameters."""

    steps: int = 5_700
    rows: int = 16  # packs a step
    length: int = 256  # tokens a pack
    short_steps: int = 1_500  # at first, twice as many packs of half the length: copying is learnt from few distractors
    long_steps: int = 700  # in the end, half as many packs of twice the length: prompts with several examples
    learning_rate: float = 2e-3  # peak; linear warm-up, then a cosine to a twentieth
    warmup_steps: int = 100
    context_weight: float = 0.05  # of the loss on tokens that no prompt asks for
    vocabulary: int = 2_048
    width: int = 192
    layers: int = 4
    heads: int = 3
    max_length: int = 1_024
    autocast: bool = True  # bfloat16 products; slower where the processor has none
    seed: int = 0
    mixture: tuple[tuple[str, Order, float], ...] = LABELLING


Batch = Callable[[int], Sequence[Example]]
"""Fresh labelled turns for a step; the same ones for the same step."""


def train(tasks: Sequence[Task], batch: Batch, out: Path, config: TrainConfig, *, start: Path | None = None,
          new_tokens: Sequence[str] = (), report: Callable[[dict[str, Any]], None] = lambda row: None,
          save_every_s: float = 120.0) -> Path:
    """Train to `config.steps` and return the folder of the checkpoint (float16 safetensors and tokenizer).

    `out` holds the run's state; a run with the same configuration resumes there, another one raises `ConfigError`.
    `start`: a checkpoint whose weights and tokenizer are taken over, with `new_tokens` added; else both are new, in the sizes
    of `config`. `report` receives step, loss (nats a target token), tokens/s and seconds left.
    """
    run = _Run(tasks, batch, out, config, start, new_tokens)
    started, first, saved = time.monotonic(), run.step, time.monotonic()
    while run.step < config.steps:
        loss = run.advance()
        elapsed = time.monotonic() - started
        done = run.step - first
        report({"step": run.step, "steps": config.steps, "loss": loss, "learning_rate": run.learning_rate(run.step),
                "tokens_per_second": done * config.rows * config.length / elapsed,
                "seconds_left": (config.steps - run.step) * elapsed / done})
        if time.monotonic() - saved > save_every_s:
            run.save()
            saved = time.monotonic()
    run.save()
    return run.export()


class _Run:
    def __init__(self, tasks: Sequence[Task], batch: Batch, out: Path, config: TrainConfig, start: Path | None,
                 new_tokens: Sequence[str]) -> None:
        self.tasks = {task.name: task for task in tasks}
        self.batch, self.out, self.config = batch, out, config
        self.step = 0
        out.mkdir(parents=True, exist_ok=True)
        self._check_configuration()
        self.tokenizer = self._tokenizer(start, new_tokens)
        encode = lru_cache(maxsize=100_000)(lambda text: self.tokenizer.encode(text, add_special_tokens=False))
        self._packer = Packer(self.tasks, [Part(*mode) for mode in config.mixture], encode, config.context_weight)
        self.model = grown_model(start, self.tokenizer, config.seed) if start else new_model(
            self.tokenizer, width=config.width, layers=config.layers, heads=config.heads, max_length=config.max_length,
            seed=config.seed)
        decayed = [p for p in self.model.parameters() if p.dim() > 1]
        plain = [p for p in self.model.parameters() if p.dim() <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}],
            lr=config.learning_rate, betas=(0.9, 0.95))
        if (out / "state.pt").exists():
            state = torch.load(out / "state.pt", weights_only=True)
            self.model.load_state_dict(state["model"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]

    def _check_configuration(self) -> None:
        path = self.out / "train_config.json"
        now = {**json.loads(json.dumps(asdict(self.config))), "first_texts_sha256": self._digest()}
        before = {**now, **json.loads(path.read_text())} if path.exists() else now  # earlier runs did not note the texts
        if before != now:
            changed = {key: (before.get(key), value) for key, value in now.items() if before.get(key) != value}
            raise ConfigError(f"{self.out} holds a run with another configuration (before, now): {changed}. "
                              "Give the old values (the texts follow from schema, entities and wording), or another folder.")
        write_bytes(path, f"{json.dumps(now, indent=2)}\n".encode())

    def _tokenizer(self, start: Path | None, new_tokens: Sequence[str]) -> PreTrainedTokenizerFast:
        folder = self.out / "tokenizer"
        if folder.exists():
            return PreTrainedTokenizerFast.from_pretrained(folder)
        if start:
            tokenizer = PreTrainedTokenizerFast.from_pretrained(start)
            tokenizer.add_tokens(list(new_tokens))
        else:
            tokenizer = train_tokenizer(self._texts(), self.config.vocabulary)
        with scratch_folder(self.out, "tokenizer") as temporary:  # renamed whole: a killed run would leave half of it
            tokenizer.save_pretrained(temporary)
            move_tree(temporary, folder)
        return tokenizer

    def _digest(self) -> str:
        return hashlib.sha256("\n".join(self._texts(steps=2)).encode("utf-8", "surrogatepass")).hexdigest()

    def _texts(self, steps: int = 40) -> Iterator[str]:
        for step in range(steps):
            for task in self.tasks.values():
                yield task.preamble
                for example in self.batch(step):
                    yield from (task.example(example, order) for order in ("direct", "channel"))

    def advance(self) -> float:
        """One step; returns the loss in nats a target token."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate(self.step)
        ids, weights = self._tensors(self.step)
        self.model.train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.config.autocast):
            logits = self.model(ids[:, :-1]).logits
        losses = functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        flat = weights[:, 1:].flatten()
        loss = (losses * flat).sum() / flat.sum()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        targets = flat == 1.0
        return float(losses.detach()[targets].mean())

    def learning_rate(self, step: int) -> float:
        peak, warmup = self.config.learning_rate, self.config.warmup_steps
        if step < warmup:
            return peak * (step + 1) / warmup
        along = (step - warmup) / max(1, self.config.steps - warmup)
        return peak * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * along)))

    def _tensors(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids and loss weights of a step, both (packs, tokens + 1)."""
        rng = random.Random(f"{self.config.seed}/{step}")
        examples, (rows, length) = self.batch(step), self._shape(step)
        length += 1
        ids, weights = torch.zeros(rows, length, dtype=torch.long), torch.zeros(rows, length)
        for row in range(rows):
            tokens, weight = self._packer.pack(self._packer.draw(rng), examples, length, rng)
            ids[row, : len(tokens)] = torch.tensor(tokens)
            weights[row, : len(weight)] = torch.tensor(weight)
        return ids, weights

    def _shape(self, step: int) -> tuple[int, int]:
        """Packs of a step and their tokens."""
        rows, length = self.config.rows, self.config.length
        if step < self.config.short_steps:
            return rows * 2, length // 2
        return (rows // 2, length * 2) if step >= self.config.steps - self.config.long_steps else (rows, length)

    def save(self) -> None:
        temporary = self.out / "state.pt.tmp"
        torch.save({"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step}, temporary)
        os.replace(temporary, self.out / "state.pt")

    def export(self) -> Path:
        """Write the checkpoint that `HuggingFaceLM` loads."""
        folder = self.out / "checkpoint"
        self.model.half().save_pretrained(folder)
        self.model.float()
        self.tokenizer.save_pretrained(folder)
        return folder
