"""Job files: one job labels one split of a corpus. Read strictly and whole, before anything is loaded.

Job files of the paper's code release are accepted unchanged.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, ValidationError

from nc_latent_tod.errors import ConfigError, nearest
from nc_latent_tod.job_places import NAME_PATTERN
from nc_latent_tod.job_sections import (
    ActTagSection,
    DataSection,
    DstSection,
    ManifestSection,
    OutputSection,
    Section,
)

_NOT_IN_FINGERPRINT: dict[str, Any] = {
    "output": True, "wandb": True, "profile": True, "run_id": True,
    "manifest": {"type", "manifest_path", "write_to_manifest", "manifest_must_exist", "group_id_must_exist"},
    **{task: {"model": {"batch_size", "use_past_key_value_cache", "attn_implementation", "device_map"}}
       for task in ("dst", "act_tag")},
}
_VALUE_CHARACTERS = 80  # of a wrong value are shown


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
        return self.model_dump(mode="json", exclude=_NOT_IN_FINGERPRINT)

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
    decoded = _decode(data, source) if isinstance(data, str | bytes) else data
    try:
        return Job.model_validate_json(json.dumps(decoded))
    except ValidationError as error:
        problems = [_describe(problem) for problem in error.errors(include_url=False)]
    except (TypeError, ValueError, RecursionError) as error:
        problems = [f"not JSON data: {error}"]
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    raise ConfigError("\n  ".join([f"{source}: {count} in this job.", *problems]))


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


def _decode(text: str | bytes, source: str) -> Any:
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_without_duplicates)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source}: not UTF-8 text ({error}). Save the file as UTF-8.") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{source}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from error
    except RecursionError:
        raise ConfigError(f"{source}: nested too deeply for a job file.") from None
    except _DuplicateKey as error:
        raise ConfigError(f"{source}: the key {error.args[0]!r} appears twice in one section: remove one.") from None


class _DuplicateKey(Exception):
    """JSON permits a repeated key and keeps the last, which hides a mistake."""


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    section = dict(pairs)
    if len(section) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _DuplicateKey(next(key for key in keys if keys.count(key) > 1))
    return section


def _describe(problem: Mapping[str, Any]) -> str:
    """One problem as `path = value: what is wrong, and what to do`."""
    location = problem["loc"]
    path = ".".join(str(part) for part in location) or "the file"
    match problem["type"]:
        case "missing":
            return f"{path}: required, but missing."
        case "extra_forbidden":
            return f"{path} = {_shown(problem['input'])}: unknown key.{_instead(location)}"
        case "value_error":
            return f"{path}: {problem['ctx']['error']}."
        case "literal_error":
            choices = re.findall(r"'([^']*)'", problem["ctx"]["expected"])
            hint = nearest(str(problem["input"]), choices) or f" Use {problem['ctx']['expected']}."
            return f"{path} = {_shown(problem['input'])}: not a choice.{hint}"
        case "string_pattern_mismatch":
            return f"{path} = {_shown(problem['input'])}: use letters, digits, '_', '.' and '-' only (200 at most)."
        case "model_type":
            return f"{path} = {_shown(problem['input'])}: must be a section, {{...}}."
    return f"{path} = {_shown(problem['input'])}: {problem['msg'][:1].lower()}{problem['msg'][1:]}."


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _VALUE_CHARACTERS else f"{text[:_VALUE_CHARACTERS]}..."


def _instead(location: Sequence[str | int]) -> str:
    """What an unknown key may have meant: a key of its section, or the section that has such a key."""
    *parents, key = (str(part) for part in location)
    section: type[BaseModel] = Job
    for part in parents:
        section = _section_of(section, part) or section
    if hint := nearest(key, section.model_fields):
        return hint
    owners = [path for path, fields in _sections(Job) if key in fields and path]
    owners = [path for path in owners if parents and path.startswith(parents[0])] or owners
    if owners:
        return f" It belongs in {' or '.join(owners)}."
    return f" Valid keys here: {', '.join(section.model_fields)}."


def _section_of(section: type[BaseModel], name: str) -> type[BaseModel] | None:
    field = section.model_fields.get(name)
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _sections(section: type[BaseModel], path: str = "") -> list[tuple[str, set[str]]]:
    found = [(path, set(section.model_fields))]
    for name in section.model_fields:
        if child := _section_of(section, name):
            found += _sections(child, f"{path}.{name}".strip("."))
    return found
