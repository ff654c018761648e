"""An agent's configuration to an agent."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from nc_latent_tod.agent.agent import Agent, Memory
from nc_latent_tod.api.backends import Builder
from nc_latent_tod.config.agent import AgentConfig, with_shared_model
from nc_latent_tod.config.reading import decode, read_section
from nc_latent_tod.config.sections import TaskSection
from nc_latent_tod.corpus.entities import load_entities
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.schemas import PACKAGED, load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.schema import Schema
from nc_latent_tod.tasks import Task
from nc_latent_tod.tasks.database import Database
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.tasks.policy import Policy
from nc_latent_tod.tasks.response import Responding

__all__ = ["PACKAGED_CONFIG", "Memory", "build_agent", "read_agent_config"]

PACKAGED_CONFIG = f"{PACKAGED}agent"


def read_agent_config(name: str) -> AgentConfig:
    """Read an agent's configuration: a JSON file, or `packaged:agent`. Raises one `ConfigError` that names every problem."""
    if name == PACKAGED_CONFIG:
        text = (resources.files("nc_latent_tod") / "data" / "agent.json").read_bytes()
    elif name.startswith(PACKAGED):
        raise ConfigError(f"There is no packaged agent {name!r}. Did you mean {PACKAGED_CONFIG!r}?")
    else:
        try:
            text = Path(name).read_bytes()
        except OSError as error:
            raise ConfigError(f"{name}: cannot be read: {error.strerror}. Name an agent's configuration, or "
                              f"{PACKAGED_CONFIG}.") from error
    what = "agent's configuration"
    return read_section(AgentConfig, with_shared_model(decode(text, name, what)), name, what)


def database_of(config: AgentConfig, schema: Schema) -> Database:
    """The database that a configuration names. Raises `ConfigError` for a slot that no service has."""
    section = config.database
    known = {slot.name for service in schema.services for slot in service.slots}
    for slot in (*section.not_before, *section.not_after):
        if slot not in known:
            raise ConfigError(f"database.not_before or not_after names the slot {slot!r}, which no service of the schema has. "
                              f"Slots: {', '.join(sorted(known))}.")
    return Database(schema, load_entities(section.entities_path, schema), section.not_before, section.not_after)


def build_agent(config: AgentConfig) -> Agent:
    """Load what the agent works with. Raises `ConfigError` or `ModelError`."""
    schema = load_schema(config.schema_path)
    database, builder = database_of(config, schema), Builder()
    tasks: dict[str, tuple[TaskSection, Task[Any]]] = {
        "dst": (config.dst, StateTracking(schema, config.dst.generation_cfg.preamble,
                                          normalise=config.dst.retriever.use_normalizer)),
        "policy": (config.policy, Policy(schema, database.counts, config.policy.generation_cfg.preamble)),
        "response": (config.response, Responding(schema, database.counts, config.response.generation_cfg.preamble))}
    parts = {name: builder.inference(section, task, schema, config.database.entities_path)
             for name, (section, task) in tasks.items()}
    if config.examples_path:
        examples = [e for e in read_examples(config.examples_path) if not e.label.failures]
        for part in parts.values():
            if part.pool is not None:
                part.pool.learn(examples)
    for name in ("policy", "response"):
        if not parts[name].models:
            raise ConfigError(f"{name}.model.model_type is 'none', but proposals answer nothing: name a model.")
    return Agent(dst=parts["dst"], policy=parts["policy"], response=parts["response"],
                 database=database, seed=config.seed)
