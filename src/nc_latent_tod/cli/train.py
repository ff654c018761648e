"""Commands that train the packaged kinds of model: `train-tiny`, `train-tiny-agent`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nc_latent_tod.cli.console import epilog, say, standard_error
from nc_latent_tod.cli.quickstart import EntitiesOption, SchemaOption, SeedOption, WordingOption

app = typer.Typer()

OutOption = Annotated[Path, typer.Option("--out", show_default=False, help="The run's folder; a run found there goes on.")]
StepsOption = Annotated[int | None, typer.Option("--steps", min=1, show_default=False, help="Optimiser steps.")]


@app.command("train-tiny", epilog=epilog("nc-latent-tod train-tiny --out tiny --steps 4000"))
def train_tiny(out: OutOption, steps: StepsOption = None, seed: SeedOption = 0, schema: SchemaOption = "packaged:schema",
               entities: EntitiesOption = None, wording: WordingOption = None) -> None:
    """Train a tiny model of StarCoder's architecture on simulated dialogues, from scratch. Stop it and it can go on."""
    from nc_latent_tod.api.train import train_tiny as train

    checkpoint = _trained(train, out, steps=steps, seed=seed, schema=schema, entities=entities, wording=wording)
    say(f"The checkpoint is in {checkpoint}: name it as model.model_name_or_path, with model_type huggingface.")


@app.command("train-tiny-agent", epilog=epilog("nc-latent-tod train-tiny-agent --out tiny_agent"))
def train_tiny_agent(out: OutOption, steps: StepsOption = None, seed: SeedOption = 0, schema: SchemaOption = "packaged:schema",
                     entities: EntitiesOption = None, wording: WordingOption = None) -> None:
    """Train the tiny agent's policy and response on simulated dialogues, from the packaged tiny model on."""
    from nc_latent_tod.api.train import train_tiny_agent as train

    checkpoint = _trained(train, out, steps=steps, seed=seed, schema=schema, entities=entities, wording=wording)
    say(f"The checkpoint is in {checkpoint}: name it as policy.model and response.model in an agent's configuration.")


def _trained(train: Any, out: Path, **options: Any) -> Path:
    from nc_latent_tod.cli.views.progress import LiveProgress

    with LiveProgress(standard_error()) as progress:
        checkpoint: Path = train(out, report=progress.training, **options)
    return checkpoint
