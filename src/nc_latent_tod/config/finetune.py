"""The configuration file of a fine-tuning run: every option with its type, its default, and what it contradicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from nc_latent_tod.config.places import Place
from nc_latent_tod.config.reading import read_section
from nc_latent_tod.config.section import Section


class AlsoSection(Section):
    """Further labelled turns that are mixed in, such as simulated ones."""

    labels: Place
    """A label file (.jsonl or .jsonl.gz)."""
    share: float = Field(gt=0, lt=1)
    """Of the packs, so many are drawn from here."""


class DataSection(Section):
    """What is learnt."""

    dataset: Place
    """A published dataset: the folder that `publish` named, or OWNER/NAME of the Hub."""
    schema_path: Place
    """The schema.json that the labels follow, or `packaged:schema`."""
    entities_path: Place | None = None
    """An entity table: policy and response are told how many entities match."""
    not_before: tuple[str, ...] = ()
    """Slots whose times an entity's must not lie before, as in the agent's `database`."""
    not_after: tuple[str, ...] = ()
    split: str = "train"
    heldout_split: str = "validation"
    """Held-out self-labels that decide when to stop; a dataset without this split is trained on for all steps."""
    also: tuple[AlsoSection, ...] = ()
    human_weight: PositiveInt = 1
    """A turn that a person corrected is drawn as often as so many others."""
    minimum_labels: PositiveInt = 32
    """A run stops at once where a task has fewer labelled turns to learn from."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (total := sum(part.share for part in self.also)) >= 1:
            raise ValueError(f"the shares of `also` add up to {total:g}, which leaves nothing for the dataset: lower them")
        return self


class ModelSection(Section):
    """The model that is fine-tuned."""

    model_name_or_path: Place = "bigcode/starcoderbase-3b"
    """A model folder or Hub id; `packaged:NAME` for what comes with the package."""
    torch_dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """Of the weights; `auto`: bfloat16 below a LoRA adapter on a GPU, else float32."""
    attn_implementation: str | None = None
    gradient_checkpointing: bool = False
    """Less memory for activations, a third more time."""


class LoraSection(Section):
    """A LoRA adapter in place of all weights (Hu et al. 2022)."""

    r: PositiveInt = 16
    alpha: PositiveInt = 32
    dropout: float = Field(0.05, ge=0, lt=1)
    target_modules: tuple[str, ...] | None = None
    """Names of the layers; as peft knows the architecture where left out, else all linear layers."""


class PartSection(Section):
    """One prompt mode of the mixture."""

    task: Literal["dst", "act_tag", "policy", "response"]
    order: Literal["direct", "channel"] = "direct"
    weight: PositiveFloat = 1.0


class PromptSection(Section):
    """Prompts as in labelling."""

    preamble: Literal["full", "signatures", "none"] = "full"
    """As in `generation_cfg.preamble` of the jobs that will use the model."""
    k_examples: NonNegativeInt | None = None
    """At most so many examples before a turn; as many as the length holds where it is left out."""


class TrainingSection(Section):
    """Sizes and speed of learning. The defaults are for StarCoder of 3 B parameters on one GPU."""

    steps: PositiveInt = 2_000
    """Optimiser steps at most."""
    rows: PositiveInt = 1
    """Packs a device and pass."""
    gradient_accumulation: PositiveInt = 16
    """Passes a step."""
    length: PositiveInt = 4_096
    """Tokens a pack."""
    learning_rate: PositiveFloat = 1e-4
    """The peak; linear warm-up, then a cosine to zero."""
    warmup_steps: NonNegativeInt = 50
    weight_decay: NonNegativeFloat = 0.01
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of products; `auto`: bfloat16 on a GPU that has it."""
    evaluate_every: PositiveInt = 100
    """Steps between two looks at the held-out labels, and between two checkpoints."""
    heldout_packs: PositiveInt = 64
    patience: PositiveInt = 5
    """The run stops after so many looks without a lower held-out loss."""
    checkpoints: PositiveInt = 2
    """Of the newest, so many are kept, and the best."""


class TrackingSection(Section):
    """Figures in MLflow."""

    enabled: bool = True
    uri: str | None = None
    """A server's URL or a store such as `sqlite:///runs.db`; a SQLite file in the run's folder where it is left out."""
    experiment: str = Field("nc_latent_tod", min_length=1)
    run_name: str | None = None


PAPER_MIXTURE = (PartSection(task="dst"), PartSection(task="dst", order="channel", weight=2.0), PartSection(task="act_tag"),
                 PartSection(task="act_tag", order="channel"), PartSection(task="policy"), PartSection(task="response"))


class Finetune(Section):
    """One run: what to learn, which model, how."""

    data: DataSection
    model: ModelSection = ModelSection()
    lora: LoraSection | None = LoraSection()
    """null: all weights are trained."""
    mixture: tuple[PartSection, ...] = Field(PAPER_MIXTURE, min_length=1)
    """Prompt modes with their weights: `dst` direct is causal_dst, `dst` channel is noisy_channel_dst."""
    prompts: PromptSection = PromptSection()
    training: TrainingSection = TrainingSection()
    tracking: TrackingSection = TrackingSection()
    seed: NonNegativeInt = 0

    @model_validator(mode="after")
    def _agree(self) -> Self:
        modes = [(part.task, part.order) for part in self.mixture]
        if twice := next((mode for mode in modes if modes.count(mode) > 1), None):
            raise ValueError(f"the mixture has {twice[0]} {twice[1]} twice: give it once, with the sum of the weights")
        return self


def parse_finetune(data: Mapping[str, Any] | str | bytes, source: str = "finetune.json") -> Finetune:
    """Read a configuration from decoded or raw JSON. Raises one `ConfigError` that names every problem."""
    return read_section(Finetune, data, source, "fine-tuning run")
