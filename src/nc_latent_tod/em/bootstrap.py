"""EM from nothing: proposals label, a tiny model learns from the sure ones, proposals and noisy channel relabel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nc_latent_tod.corpus import split_names
from nc_latent_tod.em.config import Em, parse_em
from nc_latent_tod.errors import ConfigError

SIMULATED_SHARE = 0.25  # of the packs that are learnt from
_LABELS = "simulated/gold.jsonl.gz"


def bootstrap_config(corpus: str, schema: str, entities: str | None, *, out: Path, split: str | None = None,
                     base: str = "packaged:tiny-starcoder", steps: int = 600, min_confidence: float = 0.6,
                     proposal_weight: float = 8.0, gold: str | None = None, seed: int = 0, workers: int = 1) -> Em:
    """What `em` runs to label `corpus` from nothing. Simulated labels are taken from `out`/simulated.

    Rounds after round 0 rank by the joint noisy channel and `proposal_weight` times the pseudo-score of a proposal, so
    confidences are computed at that temperature. Raises `ConfigError` or `CorpusError`.
    """
    splits = split_names(corpus)
    if split is None and len(splits) != 1:
        raise ConfigError(f"{corpus} has the splits {', '.join(splits)}: name one with --split.")
    data: dict[str, Any] = {"eval_set_path_or_name": corpus, "eval_set_split_name": split or splits[0], "schema_path": schema,
                            **({"entities_path": entities} if entities else {})}
    alone = {"model": {"model_type": "none"}}
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
    return parse_em({
        "name": "bootstrap", "job": {"data": data, "dst": alone, "act_tag": alone, "seed": seed},
        "relabel": {"dst": reading, "act_tag": reading}, "finetune": {**learning, "seed": seed}, "workers": workers,
        "min_confidence": min_confidence, "relabel_temperature": proposal_weight,
        **({"gold": {"path": gold}} if gold else {})}, "bootstrap")
