"""EM from nothing: proposals label, weights (and a tiny model) are learnt from the labels, and all of them relabel."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nc_latent_tod.config.em import Em, parse_em
from nc_latent_tod.corpus.load import split_names
from nc_latent_tod.errors import ConfigError

SIMULATED_SHARE = 0.25  # of the packs that are learnt from
_LABELS = "simulated/gold.jsonl.gz"


def bootstrap_config(corpus: str, schema: str, entities: str | None, *, out: Path, split: str | None = None,
                     base: str | None = None, steps: int = 600, min_confidence: float = 0.6,
                     proposal_weight: float = 8.0, gold: str | None = None, seed: int = 0, workers: int = 1,
                     corrections: Mapping[str, Any] | None = None) -> Em:
    """What `em` runs to label `corpus` from nothing. Raises `ConfigError` or `CorpusError`.

    `corrections`: group, manifest and weight of what a person corrected.

    Without `base`, weights of proposals alone are learnt. With it, that model is fine-tuned on labels that are at least
    `min_confidence` sure and on those in `out`/simulated, and rounds after round 0 rank by its joint noisy channel and
    `proposal_weight` times the pseudo-score of a proposal, which is also the temperature of their confidences.
    """
    splits = split_names(corpus)
    if split is None and len(splits) != 1:
        raise ConfigError(f"{corpus} has the splits {', '.join(splits)}: name one with --split.")
    data: dict[str, Any] = {"eval_set_path_or_name": corpus, "eval_set_split_name": split or splits[0], "schema_path": schema,
                            **({"entities_path": entities} if entities else {})}
    alone = {"model": {"model_type": "none"}}
    rounds: dict[str, Any] = {
        "name": "bootstrap", "job": {"data": data, "dst": alone, "act_tag": alone, "seed": seed}, "ranker": True,
        "workers": workers, "threads": 1 if base is None else None, "partition": 100,
        "min_confidence": min_confidence, **({"gold": {"path": gold}} if gold else {}),
        **({"corrections": dict(corrections)} if corrections else {})}
    if base is None:
        return parse_em(rounds, "bootstrap")
    reading = {"model": {"model_type": "huggingface", "torch_dtype": "float32"}, "retriever": {"type": "none"},
               "generation_cfg": {"preamble": "none", "generation_mode": "noisy_channel_joint", "proposals": 8,
                                  "proposal_weight": proposal_weight, "sampling_args": {"n": 1, "max_new_tokens": 48}}}
    learning = {
        "data": {"schema_path": schema, "also": [{"labels": str(out / _LABELS), "share": SIMULATED_SHARE}]},
        "model": {"model_name_or_path": base, "torch_dtype": "float32"}, "lora": None, "prompts": {"preamble": "none"},
        "mixture": [{"task": "dst"}, {"task": "dst", "order": "channel", "weight": 2.0}, {"task": "act_tag"},
                    {"task": "act_tag", "order": "channel"}],
        "training": {"steps": steps, "rows": 16, "gradient_accumulation": 1, "length": 256, "learning_rate": 1e-3,
                     "warmup_steps": min(50, steps // 4), "evaluate_every": max(10, steps // 6), "heldout_packs": 32}}
    return parse_em({**rounds, "relabel": {"dst": reading, "act_tag": reading}, "finetune": {**learning, "seed": seed},
                     "relabel_temperature": proposal_weight}, "bootstrap")
