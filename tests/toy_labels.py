"""Published self-labels and a model of 20 k parameters, for tests that train for seconds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema, packaged_wording
from nc_latent_tod.labels import Example, TaskLabel
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.publishing.publish import publish
from nc_latent_tod.simulation import Wording, examples, simulate
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.training.tiny_model import new_model, train_tokenizer


@cache
def labelled(dialogues: int = 12) -> tuple[Example, ...]:
    """Simulated turns with known labels."""
    made = simulate(packaged_schema(), packaged_entities(), Wording.from_json(packaged_wording()), n=dialogues, seed=3,
                    templates="train")
    return tuple(replace(e, run_id="r") for dialogue in made for e in examples(dialogue))


def failed(example: Example, task: str) -> Example:
    """The turn with a task that gave no label."""
    return replace(example, label=replace(example.label, tasks={task: TaskLabel((), None, failure="no_candidate_parsed")}))


def dataset(folder: Path, turns: tuple[Example, ...] | None = None) -> str:
    """A published dataset of labelled turns; the last two dialogues are its validation split."""
    rows = labelled() if turns is None else turns
    url = str(folder / "labels.jsonl.gz")
    entry = ManifestEntry("g", "r", len(rows), url, "train", url, write_examples(url, rows),
                          num_dialogues=len({e.turn.dialogue_id for e in rows}),
                          num_failures=sum(bool(e.label.failures) for e in rows))
    manifest = LocalManifest(folder / "manifest")
    manifest.add(entry)
    return str(publish(manifest, "g", schema=packaged_schema(), to=folder / "datasets", validation_dialogues=2).path)


def tiny_base(folder: Path, *, vocabulary: int = 400) -> str:
    """A model that has learnt nothing, with its tokenizer."""
    tasks = [StateTracking(packaged_schema(), "none"), ActTagging(packaged_schema(), "none")]
    tokenizer = train_tokenizer((task.example(e, "direct") for task in tasks for e in labelled()), vocabulary)
    new_model(tokenizer, width=32, layers=1, heads=2, max_length=256, seed=0).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def configuration(dataset: str, base: str, **training: Any) -> dict[str, Any]:
    """A run of a few steps."""
    return {"data": {"dataset": dataset, "schema_path": "packaged:schema", "minimum_labels": 10},
            "model": {"model_name_or_path": base, "torch_dtype": "float32"}, "lora": None, "prompts": {"preamble": "none"},
            "mixture": [{"task": "dst"}, {"task": "dst", "order": "channel", "weight": 2}, {"task": "act_tag"}],
            "tracking": {"enabled": False},
            "training": {"steps": 4, "rows": 2, "gradient_accumulation": 1, "length": 192, "warmup_steps": 1,
                         "evaluate_every": 2, "heldout_packs": 2, "learning_rate": 0.003, **training}}
