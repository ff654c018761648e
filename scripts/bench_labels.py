"""The labels of the main job by the engine and by the plain path: the same seeds, the same labels, and what it gains."""

from __future__ import annotations

import json
import tempfile
import time
from typing import Any

from nc_latent_tod.api.backends import Builder
from nc_latent_tod.api.models import model_path
from nc_latent_tod.api.quickstart import packaged_job
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.config.sections import ModelSection
from nc_latent_tod.labels import Example
from nc_latent_tod.lm import LanguageModel
from nc_latent_tod.lm.huggingface.model import load
from nc_latent_tod.pipeline.run import run_job


class PlainBuilder(Builder):
    """Models are read in the plain way."""

    def model(self, section: ModelSection) -> LanguageModel:
        key = f"plain {section.model_name_or_path}"
        if key not in self._models:
            self._models[key] = load(model_path(section), dtype="float32", batch_size=section.batch_size * 8, attention="plain")
        return self._models[key]


def compared(dialogues: int) -> dict[str, Any]:
    """Label `dialogues` of the packaged corpus in both ways; how many turns came out differently."""
    labels: dict[str, list[Example]] = {}
    found: dict[str, Any] = {}
    for way, builder in (("plain", PlainBuilder()), ("shared", Builder())):
        with tempfile.TemporaryDirectory() as made:
            data = packaged_job()
            job = parse_job({**data, "data": {**data["data"], "eval_set_split_name": f"train_0_{dialogues}"},
                             "output": {"labels_url": f"{made}/outputs"},
                             "manifest": {**data["manifest"], "manifest_path": f"{made}/manifest"}})
            began = time.process_time()
            result = run_job(job, builder.backends(job))
            assert result.progress is not None, "a new manifest holds no finished run"
            labels[way] = list(result.examples)
            found[way] = {"turns": result.progress.turns, "cpu_seconds": round(time.process_time() - began, 2),
                          "tokens_per_turn": round(result.progress.tokens.computed / result.progress.turns, 1),
                          "seconds_by_phase": {k: round(v, 2) for k, v in result.progress.phases.seconds.items()}}
            print(way, json.dumps(found[way]), flush=True)
    pairs = list(zip(labels["plain"], labels["shared"], strict=True))
    found["different_labels"] = sum(meaning(one) != meaning(other) for one, other in pairs)
    found["different_candidates"] = sum(texts(one) != texts(other) for one, other in pairs)
    print(f"{len(pairs)} turns; different labels: {found['different_labels']}, candidates: {found['different_candidates']}")
    return found


def meaning(example: Example) -> tuple[Any, ...]:
    """What a label says."""
    label = example.label
    return label.state, label.change, label.acts, label.delexicalised_response, label.failures


def texts(example: Example) -> list[tuple[str, ...]]:
    return [tuple(sorted(c.text for c in outcome.candidates)) for outcome in example.label.tasks.values()]
