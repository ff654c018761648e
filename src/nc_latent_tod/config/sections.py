"""The sections of a job file: every option with its type, its default, and what it contradicts.

Left-out keys take the values of `job_0.json`, the job that starts from nothing.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from nc_latent_tod.config.generation import ActTagGeneration, DstGeneration, GenerationSection
from nc_latent_tod.config.places import NAME_PATTERN, Place
from nc_latent_tod.config.section import Section
from nc_latent_tod.config.server import ServerSection

_PROPOSALS_ALONE = 8


class DataSection(Section):
    """Which dialogues to label."""

    eval_set_path_or_name: Place
    """A folder, a file or a dataset on the Hub; `packaged:NAME` for what comes with the package."""
    eval_set_split_name: str = Field(min_length=1)
    """A split, or a part of one: `train_50_100` is the dialogues 50 to 99 of `train`."""
    format: Literal["auto", "multiwoz", "sgd", "jsonl", "csv", "turns", "labels"] = "auto"
    """The layout of the dialogues; `auto` looks at the files."""
    schema_path: Place | None = None
    """A schema-guided `schema.json`; `packaged:schema` for the one that comes with the package."""
    entities_path: Place | None = None
    """An entity table, for values that the schema leaves open."""


class OutputSection(Section):
    """Where labels are written."""

    labels_url: Place | None = None
    """Folder or fsspec URL of label files and checkpoints; `outputs/<group_id>` where it is left out."""


class ModelSection(Section):
    """The language model of one task. Tasks with equal settings share one model."""

    model_type: Literal["starcoder", "huggingface", "openai", "scripted", "none"] = "starcoder"
    """`openai` asks a completions server; `none` labels by proposals alone: schema, entity table and rules, no model."""
    model_name_or_path: Place = "bigcode/starcoder"
    """A model folder or Hub id; `packaged:NAME` for what comes with the package; for `openai` the server's name of it."""
    server: ServerSection | None = None
    """Where the model is, for `openai`."""
    stop_sequences: tuple[str, ...] = ("\n",)
    """A completion ends before the first of these."""
    batch_size: PositiveInt = 16
    """Prompts a forward pass. Labels do not depend on it."""
    use_past_key_value_cache: bool = True
    attn_implementation: str | None = None
    torch_dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    load_in_8bit: bool = False
    load_in_4bit: bool = False
    adapter: Place | None = None
    """A peft adapter on top of the model."""
    device_map: str | None = None
    """As in accelerate: `auto`, `cpu`, `cuda:0`."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.load_in_8bit and self.load_in_4bit:
            raise ValueError("load_in_8bit and load_in_4bit are both true: choose one")
        if self.model_type == "openai" and self.server is None:
            raise ValueError("model_type is 'openai' but there is no server: add \"server\": {\"base_url\": \"http://...\"}")
        if self.server is not None and self.model_type != "openai":
            raise ValueError(f"there is a server, but model_type is {self.model_type!r}: set it to 'openai', or drop server")
        if "" in self.stop_sequences:
            raise ValueError("stop_sequences holds an empty string, which would end every completion at once")
        return self


class RetrieverSection(Section):
    """How in-context examples are found."""

    type: Literal["mpnet", "sentence_transformer", "none"] = "mpnet"
    use_retriever: bool = True
    model_name_or_path: Place = "sentence-transformers/all-mpnet-base-v2"
    """The encoder: a folder or Hub id; `packaged:NAME` for what comes with the package."""
    k_examples: NonNegativeInt = 8
    """Examples a prompt."""
    example_warmup: NonNegativeInt = 32
    """No examples are shown until the pool holds this many."""
    retrieval_input_format: str
    use_normalizer: bool = True
    """Map values to the schema's possible values before labels are compared or stored."""
    minimum_distinct: NonNegativeInt = 4
    """This many of the examples must differ in their slots; at most `k_examples`."""

    prefer_human: bool = False
    """Show corrected examples before others, among the nearest ones."""

    @property
    def is_enabled(self) -> bool:
        return self.use_retriever and self.type != "none" and self.k_examples > 0

    @model_validator(mode="before")
    @classmethod
    def _follow_k(cls, data: Any) -> Any:
        """A left-out `minimum_distinct` never exceeds `k_examples`."""
        default = cls.model_fields["minimum_distinct"].default
        if isinstance(data, dict) and isinstance(k := data.get("k_examples"), int) and 0 <= k < default:
            return {"minimum_distinct": k, **data}
        return data

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.type == "none" and "use_retriever" in self.model_fields_set and self.use_retriever:
            raise ValueError("use_retriever is true but type is 'none': set one of the two otherwise")
        if self.k_examples < self.minimum_distinct:
            raise ValueError(f"k_examples ({self.k_examples}) is less than minimum_distinct ({self.minimum_distinct}): "
                             "raise the first or lower the second")
        return self


class DstRetriever(RetrieverSection):
    retrieval_input_format: Literal["context_system_user"] = "context_system_user"


class ActTagRetriever(RetrieverSection):
    k_examples: NonNegativeInt = 6
    retrieval_input_format: Literal["user_response"] = "user_response"


class TaskSection(Section):
    """One task: its model, its examples and its candidates."""

    module_type: str
    model: ModelSection = ModelSection()
    retriever: RetrieverSection
    generation_cfg: GenerationSection
    add_predictions_to_index: bool = True
    """A job's own labels join the examples, after each wave of turns."""

    @property
    def proposals(self) -> int:
        """Proposals a turn: as the job says, and 8 where there is nothing else."""
        return self.generation_cfg.proposals or (_PROPOSALS_ALONE if self.model.model_type == "none" else 0)

    @property
    def counts_tokens(self) -> bool:
        """Whether lengths in tokens are exact: of a server's model, only its tokenizer tells them."""
        return self.model.server is None or self.model.server.tokenizer is not None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        scores_given_texts = self.generation_cfg.generation_mode != "direct" or self.generation_cfg.proposals
        if self.generation_cfg.length_normalization == "tokens" and scores_given_texts and not self.counts_tokens:
            raise ValueError("generation_cfg.length_normalization is 'tokens', but without model.server.tokenizer lengths are "
                             "estimates: name the model's tokenizer, or set length_normalization to 'none'")
        return self


class DstSection(TaskSection):
    """Dialogue state tracking: what the user wants."""

    module_type: Literal["dst"] = "dst"
    retriever: DstRetriever = DstRetriever()
    generation_cfg: DstGeneration = DstGeneration()


class ActTagSection(TaskSection):
    """Act tagging: what the system did in its response."""

    module_type: Literal["act_tag"] = "act_tag"
    retriever: ActTagRetriever = ActTagRetriever()
    generation_cfg: ActTagGeneration = ActTagGeneration()


class ManifestSection(Section):
    """Where finished runs are recorded, and whose labels seed the examples."""

    type: Literal["local", "dynamo"]
    manifest_path: Place
    """A folder (`local`) or the name of a table (`dynamo`)."""
    group_id: str = Field(pattern=NAME_PATTERN)
    """Runs of one group are published together."""
    seed_retrievers_from_manifest: bool = False
    """Begin with the labels of the group's finished runs as examples."""
    seed_group_id: str | None = Field(None, pattern=NAME_PATTERN)
    """Take them from this group instead: it must be finished, so that every job begins with the same examples."""
    reuse_group_id: str | None = Field(None, pattern=NAME_PATTERN)
    """Take over this finished group's labels of dialogues whose text, schema, entity table, options and model are the same."""
    write_to_manifest: bool = True
    manifest_must_exist: bool = False
    group_id_must_exist: bool = False

    @model_validator(mode="after")
    def _agree(self) -> Self:
        is_needed = self.manifest_must_exist or self.group_id_must_exist
        if is_needed and not (self.write_to_manifest or self.seed_retrievers_from_manifest):
            raise ValueError("manifest_must_exist or group_id_must_exist is true, but the manifest is neither written "
                             "(write_to_manifest) nor read (seed_retrievers_from_manifest)")
        if self.seed_group_id is not None and not self.seed_retrievers_from_manifest:
            raise ValueError(f"seed_group_id is {self.seed_group_id!r} but seed_retrievers_from_manifest is false: set it to "
                             "true, or drop seed_group_id")
        if self.reuse_group_id == self.group_id:
            raise ValueError(f"reuse_group_id is {self.reuse_group_id!r}, the job's own group, whose finished runs are never "
                             "labelled again: name an earlier group, or give this job a new group_id")
        return self
