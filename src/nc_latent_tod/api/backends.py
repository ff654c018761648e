"""Job files to backends. The only importer of torch and of what reaches other machines.

A `Builder` lives as long as its worker: models, encoders and label files are loaded once for all its jobs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

from nc_latent_tod.api.completions import check_scoring
from nc_latent_tod.api.connect import Opened, open_manifest
from nc_latent_tod.api.models import load_model
from nc_latent_tod.config.generation import DstGeneration
from nc_latent_tod.config.job import Job
from nc_latent_tod.config.sections import ModelSection, TaskSection
from nc_latent_tod.config.trust import OF_THE_CALLER, Trust
from nc_latent_tod.corpus.entities import EntityTable, load_entities
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.corpus.shared import Corpora
from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labelling import TaskLabeller
from nc_latent_tod.labelling.examples import ExamplePool
from nc_latent_tod.labelling.labeller import Labeller
from nc_latent_tod.labelling.model import ModelLabeller
from nc_latent_tod.labelling.rules import Propose, RuleLabeller, proposals_of, read_ranker
from nc_latent_tod.labelling.scoring import Scorer
from nc_latent_tod.labels import BeliefState, Example
from nc_latent_tod.lm import GrammarSampler, LanguageModel, Sampling
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.notation.grammar import ActsGrammar, ChangeGrammar
from nc_latent_tod.pipeline.reuse import Reuse
from nc_latent_tod.pipeline.run import Backends
from nc_latent_tod.pipeline.seeding import Seeding
from nc_latent_tod.proposals.proposer import Proposer
from nc_latent_tod.retrieval import Retriever
from nc_latent_tod.schema import Schema
from nc_latent_tod.system.aws import Fence
from nc_latent_tod.system.version import __version__
from nc_latent_tod.tasks import Task
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking


class Builder:
    """Makes and keeps what jobs work with."""

    def __init__(self, trust: Trust = OF_THE_CALLER) -> None:
        """`trust`: what jobs may use of this machine."""
        self._trust = trust
        self._models: dict[str, LanguageModel] = {}
        self._proposers: dict[tuple[str | None, Schema], Proposer] = {}
        self._tables: dict[tuple[str, Schema], EntityTable] = {}
        self._seeding = Seeding()
        self._reuse = Reuse()
        self._manifests: Opened = {}
        self._corpora = Corpora()

    def backends(self, job: Job, *, fence: Fence | None = None) -> Backends:
        """What `job` works with. Nothing large is loaded yet. Raises `ConfigError` where the job names what is not there.

        `fence`: what a worker holds of the job, where its queue gives such a thing.
        """
        self._trust.check(job)
        schema = schema_of(job)
        return Backends(
            manifest=open_manifest(job.manifest, fence=fence, opened=self._manifests),
            dialogues=lambda: self._corpora.load(job.data.eval_set_path_or_name, job.data.eval_set_split_name,
                                                 format=job.data.format),
            labeller=lambda: self._labeller(job, schema),
            labels=_labels_of,
            seeding=self._seeding,
            reuse=self._reuse,
            schema_sha256=schema.sha256,
            entities_sha256=lambda: self._entities_sha256(job.data.entities_path, schema))

    def _labeller(self, job: Job, schema: Schema) -> Labeller:
        dst = self.inference(job.dst, state_tracking(job, schema), schema, job.data.entities_path)
        act_tag = self.inference(job.act_tag, act_tagging(job, schema), schema, job.data.entities_path)
        models = dict.fromkeys((dst.fingerprint, act_tag.fingerprint))
        return Labeller(dst=dst, act_tag=act_tag, run_id=job.run, seed=job.seed, batch_size=job.dst.model.batch_size,
                        provenance={"job": job.fingerprint, "model": "+".join(models), "code": __version__})

    def inference(self, section: TaskSection, task: Task[Any], schema: Schema,
                  entities_path: str | None) -> TaskLabeller:
        """One task as its section sets it."""
        n = section.proposals
        propose = self._propose(section, task, schema, entities_path, n) if n else None
        if section.model.model_type == "none" and propose:
            return RuleLabeller(task, propose)
        check_scoring(self.model(section.model), section)
        generation, sampling = section.generation_cfg, section.generation_cfg.sampling_args
        greedy = generation.generation_mode == "greedy"
        lm, retriever = self.model(section.model), section.retriever
        pool = ExamplePool(task, self._retriever(section, task, schema), retriever.k_examples if retriever.is_enabled else 0,
                           retriever.example_warmup, retriever.minimum_distinct, grows=section.add_predictions_to_index,
                           prefer_human=retriever.prefer_human)
        scorer = Scorer(task, lm, generation.generation_mode, generation.proposal_weight, generation.length_normalization,
                        section.counts_tokens)
        return ModelLabeller(
            task, lm, pool, scorer,
            Sampling(n=sampling.draws, top_p=sampling.top_p, temperature=0.0 if greedy else sampling.temperature,
                     max_new_tokens=sampling.max_new_tokens, stop=section.model.stop_sequences),
            keep=sampling.n, propose=propose,
            grammar=self._grammar(section, task, schema, entities_path) if generation.constrained else None)

    def _grammar(self, section: TaskSection, task: Task[Any], schema: Schema,
                 entities_path: str | None) -> Callable[[Turn, BeliefState], str]:
        """What writes the grammar of a turn. Raises `ConfigError` where the model cannot sample within one."""
        if not isinstance(self.model(section.model), GrammarSampler):
            raise ConfigError(f"generation_cfg.constrained samples token by token from a model in this process, and model_type "
                              f"{section.model.model_type!r} is none: set it to false, or name a local model.")
        grammar = ChangeGrammar if task.name == "dst" else ActsGrammar
        return grammar(schema, self._entities(entities_path, schema)).of

    def proposer(self, entities_path: str | None, schema: Schema) -> Proposer:
        """What proposes readings in a schema, given an entity table; made once."""
        return self._proposer(entities_path, schema)

    def _propose(self, section: TaskSection, task: Task[Any], schema: Schema, entities_path: str | None, n: int) -> Propose:
        path = section.generation_cfg.proposal_ranker if isinstance(section.generation_cfg, DstGeneration) else None
        return proposals_of(self._proposer(entities_path, schema), task, n, read_ranker(path) if path else None)

    def _proposer(self, entities_path: str | None, schema: Schema) -> Proposer:
        key = (entities_path, schema)
        if key not in self._proposers:
            from nc_latent_tod.retrieval.plain_encoder import PlainEncoder

            entities = self._entities(entities_path, schema)
            self._proposers[key] = Proposer(schema, entities, encode=PlainEncoder().encode)
        return self._proposers[key]

    def _entities(self, path: str | None, schema: Schema) -> EntityTable | None:
        """The table at `path`, read once: what labels is what `_entities_sha256` is of."""
        if path and (path, schema) not in self._tables:
            self._tables[path, schema] = load_entities(path, schema)
        return self._tables[path, schema] if path else None

    def _entities_sha256(self, path: str | None, schema: Schema) -> str:
        table = self._entities(path, schema)
        return "" if table is None else hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()

    def model(self, section: ModelSection) -> LanguageModel:
        """The language model of a section; equal sections share one."""
        key = section.model_dump_json(exclude={"stop_sequences"})
        if key not in self._models:
            self._models[key] = load_model(section, self._trust)
        return self._models[key]

    def _retriever(self, section: TaskSection, task: Task[Any], schema: Schema) -> Retriever:
        from nc_latent_tod.retrieval.dense import DenseRetriever, NoRetriever

        if not section.retriever.is_enabled:
            return NoRetriever()
        encoder = self._encoder(section.retriever.model_name_or_path)
        return DenseRetriever(encoder, lambda example: task.retrieval_text(example.turn, task.asked_in(example)),
                              kind=(task.name, schema))

    @cached_property
    def _encoder(self):  # type: ignore[no-untyped-def]
        from nc_latent_tod.retrieval.encoder import SentenceEncoder

        return lru_cache(maxsize=4)(SentenceEncoder)


def _labels_of(entry: ManifestEntry) -> Sequence[Example]:
    return read_examples(entry.labels_url, entry.sha256)


def schema_of(job: Job) -> Schema:
    """The schema that the job names. Raises `ConfigError` where it names none."""
    if not job.data.schema_path:
        raise ConfigError("data.schema_path is missing: give the schema.json of the services that the dialogues are about "
                          "(schema-guided format), or packaged:schema.")
    return load_schema(job.data.schema_path)


def dialogues_of(job: Job) -> list[Dialogue]:
    """The dialogues that the job names."""
    return load_dialogues(job.data.eval_set_path_or_name, job.data.eval_set_split_name, format=job.data.format)


def state_tracking(job: Job, schema: Schema) -> StateTracking:
    """The DST task as the job sets it."""
    return StateTracking(schema, job.dst.generation_cfg.preamble, normalise=job.dst.retriever.use_normalizer)


def act_tagging(job: Job, schema: Schema) -> ActTagging:
    """The act tagging task as the job sets it."""
    return ActTagging(schema, job.act_tag.generation_cfg.preamble, normalise=job.act_tag.retriever.use_normalizer)
