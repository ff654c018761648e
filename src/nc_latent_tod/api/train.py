"""Tiny models trained on simulated dialogues, and a labeller fine-tuned on labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nc_latent_tod.api.models import packaged_model
from nc_latent_tod.api.simulate import world

Report = Callable[[Mapping[str, Any]], None]
"""Told now and then: step, of so many steps, loss in nats a token, tokens a second, seconds left."""


def train_tiny(out: Path, *, steps: int | None = None, seed: int = 0, schema: str = "packaged:schema",
               entities: str | None = None, wording: str | None = None, report: Report = lambda row: None) -> Path:
    """Train a tiny model of StarCoder's architecture from scratch; its checkpoint's folder. A run found in `out` goes on.

    Raises `ConfigError` where `out` holds a run of another configuration, or schema, table or wording cannot be read.
    """
    from nc_latent_tod.training.loop import TrainConfig
    from nc_latent_tod.training.tiny import train_tiny as train

    config = TrainConfig(seed=seed) if steps is None else TrainConfig(seed=seed, steps=steps)
    return train(*world(schema, entities, wording), out, config, report=report)


def train_tiny_agent(out: Path, *, steps: int | None = None, seed: int = 0, schema: str = "packaged:schema",
                     entities: str | None = None, wording: str | None = None, report: Report = lambda row: None) -> Path:
    """Train the tiny agent's policy and response from the packaged tiny model on. As `train_tiny`."""
    from nc_latent_tod.training.tiny import agent_training
    from nc_latent_tod.training.tiny import train_tiny_agent as train

    return train(*world(schema, entities, wording), out, agent_training(steps, seed), packaged_model("tiny-starcoder"),
                 report=report)
