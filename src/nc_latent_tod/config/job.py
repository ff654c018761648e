"""Job files: one job labels one split of a corpus. Read strictly and whole, before anything is loaded.

Job files of the paper's code release are accepted unchanged.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic import Field, NonNegativeInt, PositiveInt

from nc_latent_tod.config.places import NAME_PATTERN
from nc_latent_tod.config.reading import read_section
from nc_latent_tod.config.sections import ActTagSection, DataSection, DstSection, ManifestSection, OutputSection, Section

_NOT_IN_FINGERPRINT: dict[str, Any] = {
    "output": True, "wandb": True, "profile": True, "run_id": True,
    "manifest": {"type", "manifest_path", "write_to_manifest", "manifest_must_exist", "group_id_must_exist",
                 "reuse_group_id"},  # a label that is taken over is of equal options, and says whose it is
    **{task: {"model": {"batch_size": True, "use_past_key_value_cache": True, "attn_implementation": True, "device_map": True,
                        "server": {"base_url", "api_key_variable", "concurrency", "timeout_s", "retries"}}}
       for task in ("dst", "act_tag")},
}


class Job(Section):
    """One job file: what to label, how, and where the result goes."""

    data: DataSection
    output: OutputSection = OutputSection()
    wandb: dict[str, Any] | None = None
    """Accepted for the sake of older job files; it has no meaning here."""
    dst: DstSection = DstSection()
    act_tag: ActTagSection = ActTagSection()
    profile: bool = False
    """Accepted for the sake of older job files; it has no meaning here."""
    data_num_partitions: PositiveInt = 4
    """Dialogues are labelled in this many parts, one after another."""
    data_warmup: NonNegativeInt = 24
    """Dialogues labelled before the parts, to fill the pool of examples."""
    manifest: ManifestSection
    seed: NonNegativeInt = 0
    """Every (dialogue, turn, task) derives its own random stream from it."""
    run_id: str | None = Field(None, pattern=NAME_PATTERN)
    """The run's name within the group; made from the split and the fingerprint where it is left out."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of every option that can change a label, defaults included, as canonical JSON.

        Left out: where the result goes and who records it, `run_id`, `wandb`, `profile`, and what only changes speed
        (batch size, cache, attention, device). The group is in it, for it decides which labels seed the examples.
        """
        return hashlib.sha256(json.dumps(self.labelling_options, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @property
    def labelling_options(self) -> dict[str, Any]:
        """What the fingerprint is of, as JSON data."""
        options = self.model_dump(mode="json", exclude=_NOT_IN_FINGERPRINT)
        for task in (options["dst"], options["act_tag"]):
            if task["model"]["server"] is None:
                del task["model"]["server"]  # jobs from before there were servers keep their fingerprint
            if not task["generation_cfg"]["proposal_weight"]:
                del task["generation_cfg"]["proposal_weight"]  # likewise
            if not task["retriever"]["prefer_human"]:
                del task["retriever"]["prefer_human"]
            if task["generation_cfg"]["length_normalization"] == "none":
                del task["generation_cfg"]["length_normalization"]
        if options["dst"]["generation_cfg"]["proposal_ranker"] is None:
            del options["dst"]["generation_cfg"]["proposal_ranker"]
        return options

    @property
    def label_options(self) -> dict[str, Any]:
        """Of `labelling_options` what decides the label of a dialogue, wherever it is stored, whatever is labelled beside it.

        Left out: places of data, schema and entity table, the split, the group, and in which order a job goes.
        """
        options = self.labelling_options
        del options["data"], options["data_warmup"], options["data_num_partitions"], options["manifest"]["group_id"]
        return options

    @property
    def run(self) -> str:
        """The run's name within the group: `run_id`, or the split and the fingerprint's first 8 digits."""
        split = re.sub(r"[^A-Za-z0-9._-]+", "_", self.data.eval_set_split_name)
        return self.run_id or f"{split}-{self.fingerprint[:8]}"

    @property
    def labels_url(self) -> str:
        """Folder or fsspec URL below which label files and checkpoints are written."""
        return self.output.labels_url or f"outputs/{self.manifest.group_id}"


def parse_job(data: Mapping[str, Any] | str | bytes, source: str = "job.json") -> Job:
    """Read a job from decoded or raw JSON.

    Raises one `ConfigError` that names every problem: the field's path, its value, and the nearest valid name.
    """
    return read_section(Job, data, source, "job")


def unused_keys(job: Job) -> list[str]:
    """Sentences on the keys of `job` that are set but change nothing here. Report them once."""
    notes = []
    if job.wandb is not None:
        notes.append("`wandb` has no meaning here: progress and results are in the manifest and the label files.")
    if job.profile:
        notes.append("`profile` has no meaning here.")
    for name, task in (("dst", job.dst), ("act_tag", job.act_tag)):
        sampling = task.generation_cfg.sampling_args
        if task.model.model_type == "none":
            notes.append(f"`{name}.model.model_type` is 'none': proposals alone label, and of `{name}` only "
                         "`generation_cfg.proposals` and `retriever.use_normalizer` have an effect.")
            continue
        if sampling.best_of == sampling.n:
            notes.append(f"`{name}.generation_cfg.sampling_args.best_of` equals `n` ({sampling.n}), so it is unused.")
        if "use_past_key_value_cache" in task.model.model_fields_set:
            notes.append(f"`{name}.model.use_past_key_value_cache` has no effect: keys and values are always kept.")
    return notes


def job_schema() -> dict[str, Any]:
    """The JSON Schema of job files, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Job.model_json_schema()}
