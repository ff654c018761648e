"""Whole jobs for tests: the toy labeller between files on disk."""

from pathlib import Path

from toy_labelling import corpus, labeller

from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline.run import Backends

MODEL = {"provenance": {"model": "scripted", "code": "1"}, "batch_size": 2}


def job(folder: Path, run_id="r", *, data_warmup=2, seed=0, **manifest) -> Job:
    """A job whose manifest, labels and checkpoints are below `folder`."""
    return parse_job({
        "seed": seed, "data": {"eval_set_path_or_name": "logs.jsonl", "eval_set_split_name": "train"},
        "output": {"labels_url": str(folder / "out")}, "data_warmup": data_warmup, "data_num_partitions": 2,
        "run_id": run_id,
        "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": "g", **manifest}})


def backends(folder: Path, run_id="r", *, lm=None, dialogues=None, manifest=None, **options) -> Backends:
    """What `job` works with: six dialogues and the scripted model, if not told otherwise."""
    return Backends(
        manifest=manifest or LocalManifest(folder / "manifest"),
        dialogues=lambda: corpus(6) if dialogues is None else dialogues,
        labeller=lambda: labeller(lm, run_id=run_id, **{**MODEL, **options}),
        labels=lambda entry: read_examples(entry.labels_url, entry.sha256))
