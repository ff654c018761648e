"""The packaged tiny models: what they are trained on, and how the command line trains them anew."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nc_latent_tod.labels import BeliefState, Example
from nc_latent_tod.schema import Schema
from nc_latent_tod.simulation import Wording, entities_of, examples, simulate
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.context import Counts
from nc_latent_tod.tasks.database import Database
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.tasks.policy import Policy
from nc_latent_tod.tasks.response import Responding
from nc_latent_tod.training.loop import ANSWERING, TrainConfig, train

_DIALOGUES_A_STEP = 12

Entities = Mapping[str, Sequence[Mapping[str, str]]]


def train_tiny(schema: Schema, entities: Entities, wording: Wording, out: Path, config: TrainConfig,
               report: Callable[[dict[str, Any]], None] = lambda row: None) -> Path:
    """Train the tiny model on simulated dialogues (train templates, train entities); return the checkpoint's folder.

    Its prompts have no preamble: it knows this one schema by heart. Every other step renames the entities at random, so that
    names are copied from the text and not learnt by heart.
    """
    def batch(step: int) -> Sequence[Example]:
        table = entities if step % 2 else renamed(entities, random.Random(f"{config.seed}/names/{step}"))
        dialogues = simulate(schema, table, wording, n=_DIALOGUES_A_STEP, start=step * _DIALOGUES_A_STEP, seed=config.seed,
                             templates="train", entity_split="train")
        return [example for dialogue in dialogues for example in examples(dialogue)]

    return train([StateTracking(schema, "none"), ActTagging(schema, "none")], batch, out, config, report=report)


def agent_training(steps: int | None, seed: int) -> TrainConfig:
    """How the packaged tiny agent is trained."""
    return TrainConfig(steps=steps or 1_700, rows=8, length=256, short_steps=0, long_steps=0, learning_rate=1e-3,
                       warmup_steps=50, seed=seed, mixture=ANSWERING)


def train_tiny_agent(schema: Schema, entities: Entities, wording: Wording, out: Path, config: TrainConfig, start: Path,
                     report: Callable[[dict[str, Any]], None] = lambda row: None) -> Path:
    """Train policy and response on simulated dialogues, from the checkpoint `start` on; return the checkpoint's folder.

    As in `train_tiny`, every other step renames the entities, and the database with them.
    """
    at = {"step": Database(schema, entities)}  # the database of the dialogues that are being packed

    def batch(step: int) -> Sequence[Example]:
        table = entities if step % 2 else renamed(entities, random.Random(f"{config.seed}/names/{step}"))
        at["step"] = Database(schema, entities_of(schema, table, wording, "train"))
        dialogues = simulate(schema, table, wording, n=_DIALOGUES_A_STEP, start=step * _DIALOGUES_A_STEP, seed=config.seed,
                             templates="train", entity_split="train")
        return [example for dialogue in dialogues for example in examples(dialogue)]

    def query(state: BeliefState) -> Counts:
        return at["step"].counts(state)

    placeholders = dict.fromkeys(f"[value_{slot.name}]" for service in schema.services for slot in service.slots)
    return train([Policy(schema, query, "none"), Responding(schema, query, "none")], batch, out, config, start=start,
                 new_tokens=list(placeholders), report=report)


def renamed(entities: Entities, rng: random.Random) -> dict[str, list[dict[str, str]]]:
    """The table with new names, put together at random from the words of all names."""
    words = sorted({word for rows in entities.values() for row in rows for word in row.get("name", "").split()})

    def new_name(old: str) -> str:
        return " ".join(rng.sample(words, len(old.split())))

    return {service: [{**row, "name": new_name(row["name"])} if "name" in row else dict(row) for row in rows]
            for service, rows in entities.items()}
