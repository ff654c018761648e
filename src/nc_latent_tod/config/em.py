"""The configuration file of EM: what is labelled in round 0, how rounds relabel, what is learnt between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from nc_latent_tod.config.finetune import Finetune, parse_finetune
from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.config.places import NAME_PATTERN, Place
from nc_latent_tod.config.reading import read_section
from nc_latent_tod.config.section import Section
from nc_latent_tod.errors import ConfigError

_TO_COME = "made-between-rounds"  # stands for what only a round knows, while the parts are checked


class GoldSection(Section):
    """Gold labels, for the scores of the table. Nothing that labels or learns reads them."""

    path: Place
    """An annotated folder or a label file."""
    format: Literal["auto", "multiwoz", "sgd", "labels"] = "auto"


class CorrectionsSection(Section):
    """What a person corrected: it stands before the labels of every round, and is learnt from with a weight of its own."""

    group_id: str = Field(pattern=NAME_PATTERN)
    """The group that the corrections were pulled into, over the same dialogues."""
    manifest: Place | None = None
    """Where it is: a folder, or dynamo:TABLE; the rounds' own manifest where left out."""
    weight: PositiveInt = 5
    """A corrected turn counts as so many others."""


class StopSection(Section):
    """When rounds are enough."""

    agreement: float = Field(0.98, gt=0, le=1)
    """No further round where so large a share of the turns has the same change of state as the round before."""


class Em(Section):
    """Label, publish, fine-tune, relabel, and so on."""

    name: str = Field(pattern=NAME_PATTERN)
    """Round r is the manifest group NAME_round_r."""
    job: dict[str, Any]
    """A job file's content for round 0: data, models, prompts. Group and run ids are set here."""
    relabel: dict[str, Any] = {}
    """What jobs of later rounds have otherwise, merged into `job`: `{"dst": {"generation_cfg": {...}}}`. The model is known."""
    finetune: dict[str, Any] | None = None
    """A fine-tuning configuration's content without `data.dataset`; left out where no language model is learnt."""
    ranker: bool = False
    """Learn weights of proposals from each round's labels, in seconds and without a language model."""
    rounds: PositiveInt = 2
    """Rounds of relabelling after round 0, at most."""
    start_from: Literal["base", "previous"] = "base"
    """What each round's model is made of: the base model, or the model of the round before (all weights only)."""
    partition: PositiveInt = 50
    """Dialogues a job."""
    workers: PositiveInt = 1
    """Processes that label."""
    threads: PositiveInt | None = None
    """Of each of them; the cores divided by `workers` where left out. More threads than free cores slow each other down."""
    min_confidence: float | None = Field(None, gt=0, le=1)
    """Labels less sure than this are not learnt from."""
    temperature: float = Field(1.0, gt=0)
    """At which confidences are computed."""
    relabel_temperature: float | None = Field(None, gt=0)
    """The same for rounds after round 0; as `temperature` where left out. Scores of several terms need a higher one."""
    validation_dialogues: PositiveInt | None = None
    """Held out of learning, to stop it: 64 or a tenth of few where left out."""
    corrections: CorrectionsSection | None = None
    gold: GoldSection | None = None
    stop: StopSection = StopSection()

    def temperature_of(self, number: int) -> float:
        """At which the confidences of a round are computed."""
        return self.relabel_temperature or self.temperature if number else self.temperature

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.finetune is None and not self.ranker:
            raise ValueError("finetune is missing and ranker is false: nothing would be learnt between rounds")
        if "manifest" in self.relabel or "data" in self.relabel:
            raise ValueError("relabel cannot change `manifest` or `data`: all rounds label the same dialogues")
        return self


def parse_em(data: Mapping[str, Any] | str | bytes, source: str = "em.json") -> Em:
    """Read a configuration and check all its parts whole. Raises `ConfigError`."""
    config = read_section(Em, data, source, "EM configuration")
    base = finetune_of(config, _TO_COME, None, source) if config.finetune is not None else None
    if config.start_from == "previous" and base is not None and base.lora is not None:
        raise ConfigError(f"{source}: start_from is 'previous', which needs all weights: set finetune.lora to null, or "
                          "start_from to 'base'.")
    job_of(config, 0, None, source=source)
    job_of(config, 1, {}, source=source)
    return config


def job_of(config: Em, number: int, model: Mapping[str, Any] | None, *, split: str | None = None, seeded_by: str | None = None,
           out: str = "em", source: str = "em.json") -> Job:
    """A job of round `number`, with what was learnt: `model` in both tasks' model sections, and its `proposal_ranker`.

    `seeded_by`: the group whose labels are the examples. Raises `ConfigError`.
    """
    data = merged(config.job, config.relabel) if number else dict(config.job)
    section = {key: value for key, value in (model or {}).items() if key != "proposal_ranker"}
    data = merged(data, {task: {"model": section} for task in ("dst", "act_tag")} if section else {})
    if model and "proposal_ranker" in model:
        data = merged(data, {"dst": {"generation_cfg": {"proposal_ranker": model["proposal_ranker"]}}})
    if split is not None:
        data = merged(data, {"data": {"eval_set_split_name": split}})
    manifest = {"type": "local", "manifest_path": f"{out}/manifest", **data.get("manifest", {}),
                "group_id": group(config, number)}
    if seeded_by is not None:
        manifest |= {"seed_retrievers_from_manifest": True, "seed_group_id": seeded_by}
    return parse_job({"output": {"labels_url": f"{out}/labels/round_{number}"}, **data, "manifest": manifest},
                     f"{source}, {'job with relabel' if number else 'job'}")


def finetune_of(config: Em, dataset: str, start: str | None, source: str = "em.json") -> Finetune:
    """The fine-tuning on `dataset`, from the model `start` or the configured one. Raises `ConfigError`."""
    weight = {"human_weight": config.corrections.weight} if config.corrections else {}
    data = merged(merged({"data": weight}, config.finetune or {}), {"data": {"dataset": dataset}})
    return parse_finetune(merged(data, {"model": {"model_name_or_path": start}}) if start else data, f"{source}, finetune")


def group(config: Em, number: int) -> str:
    """The manifest group of a round."""
    return f"{config.name}_round_{number}"


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """`one` with what `other` says, section by section."""
    both = {**one, **other}
    return {key: merged(one[key], value) if isinstance(value, Mapping) and isinstance(one.get(key), Mapping) else value
            for key, value in both.items()}
