"""A group that rules labelled from the packaged dialogues, for tests of what a person does with it."""

import json
from pathlib import Path

from nc_latent_tod.annotation.corrections import Correction
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.api.backends import Builder
from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.corpus.gold.load import GoldTurns
from nc_latent_tod.corpus.packaged import packaged_entities
from nc_latent_tod.pipeline.run import run_job

GOLD = "packaged:simulated_gold"


def job_of(folder: Path, split: str = "train_0_40", *, entities: bool = False, group_id: str = "g") -> Job:
    """A job without a model over the packaged dialogues, with everything below `folder`."""
    table = folder / "entities.json"
    table.write_text(json.dumps(packaged_entities()))
    alone = {"model": {"model_type": "none"}}
    data = {"eval_set_path_or_name": "packaged:simulated", "eval_set_split_name": split, "schema_path": "packaged:schema"}
    return parse_job({"data": {**data, **({"entities_path": str(table)} if entities else {})}, "dst": alone, "act_tag": alone,
                      "output": {"labels_url": str(folder / "out")},
                      "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": group_id}})


def label(folder: Path, *splits: str, **options: object) -> str:
    """Label the splits; the manifest."""
    for split in splits or ("train_0_40",):
        job = job_of(folder, split, **options)
        run_job(job, Builder().backends(job))
    return str(folder / "manifest")


def right(made: Round, gold: GoldTurns, **changed: object) -> list[Correction]:
    """What a person who knows the gold says of a round."""
    return [Correction(**{"dialogue_id": t.dialogue_id, "turn_id": t.turn_id, "text_sha256": t.text_sha256, "verdict": "fixed",
                          "change": gold[t.key].label.change, "acts": tuple(gold[t.key].label.acts), "annotator": "ann",
                          "time": "2026-01-31T12:00:00+00:00", "seconds": 12.0, "round": made.number,
                          "round_sha256": made.sha256, **changed}) for t in made.turns]
