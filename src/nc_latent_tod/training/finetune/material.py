"""What a run learns from: labelled turns by task, checked; and packs of them as a dataset that is a function of the seed."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

from nc_latent_tod.config.finetune import Finetune
from nc_latent_tod.corpus.entities import load_entities
from nc_latent_tod.corpus.formats.published import STATE, chosen_split, read_published
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError, CorpusError, DamagedError
from nc_latent_tod.labels import Example
from nc_latent_tod.tasks import Task
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.context import no_database
from nc_latent_tod.tasks.database import Database
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.tasks.policy import Policy
from nc_latent_tod.tasks.response import Responding
from nc_latent_tod.training.mixture import Packer

_POOL = 256  # labelled turns that one pack is drawn from
_DRAWS = 50  # of packs, until one has something to learn
_NEEDS = {"dst": ("dst",), "act_tag": ("act_tag",), "policy": ("act_tag", STATE), "response": ("act_tag", STATE)}
NOT_A_TARGET = -100  # the label of tokens that the loss leaves out

ByTask = Mapping[str, Sequence[Example]]


@dataclass(frozen=True)
class Material:
    """Labelled turns by source and task. Held-out ones are empty where the dataset has none."""

    tasks: Mapping[str, Task]
    train: Sequence[tuple[float, ByTask]]  # (share, turns); shares add up to 1
    heldout: ByTask
    digest: str  # sha256 of all that is learnt from

    @property
    def counts(self) -> dict[str, int]:
        """Labelled turns of the dataset by task."""
        return {name: len(turns) for name, turns in self.train[0][1].items()}


def gather(config: Finetune) -> Material:
    """Read labels and schema. Raises `ConfigError` where a task has too few labelled turns, or the schema lacks a label."""
    names = list(dict.fromkeys(part.task for part in config.mixture))
    splits = read_published(config.data.dataset)
    turns = chosen_split(splits, config.data.split, config.data.dataset)
    also = [_label_file(part.labels) for part in config.data.also]
    own = 1 - sum(part.share for part in config.data.also)
    drawn = [example for example in turns for _ in range(config.data.human_weight if example.label.is_human else 1)]
    train = [(own, _by_task(drawn, names))] + [(part.share, _by_task(more, names))
                                              for part, more in zip(config.data.also, also, strict=True)]
    _check_enough(train, config)
    heldout = splits.get(config.data.heldout_split, [])
    digest = hashlib.sha256()
    for example in (e for part in (turns, heldout, *also) for e in part):
        digest.update(json.dumps(example.to_json(), sort_keys=True).encode())
    return Material(_tasks(config, names), train, _by_task(heldout, names), digest.hexdigest())


def _label_file(path: str) -> list[Example]:
    try:
        return read_examples(path)
    except DamagedError as error:
        raise CorpusError(f"data.also: {error}") from error


def _tasks(config: Finetune, names: Sequence[str]) -> dict[str, Task]:
    schema, style = load_schema(config.data.schema_path), config.prompts.preamble
    entities = config.data.entities_path
    query = Database(schema, load_entities(entities, schema), config.data.not_before,
                     config.data.not_after).counts if entities else no_database
    made: dict[str, Task] = {"dst": StateTracking(schema, style), "act_tag": ActTagging(schema, style),
                             "policy": Policy(schema, query, style), "response": Responding(schema, query, style)}
    return {name: made[name] for name in names}


def _by_task(turns: Sequence[Example], names: Sequence[str]) -> dict[str, list[Example]]:
    return {name: [example for example in turns if _is_known(example, name)] for name in names}


def _is_known(example: Example, name: str) -> bool:
    outcomes, turn = example.label.tasks, example.turn
    said = turn.user_utterance if name == "dst" else turn.system_response
    return bool(said.strip()) and not any(need in outcomes and outcomes[need].failure for need in _NEEDS[name])


def _check_enough(train: Sequence[tuple[float, ByTask]], config: Finetune) -> None:
    for (_, turns), source in zip(train, (config.data.dataset, *(part.labels for part in config.data.also)), strict=True):
        few = {name: len(found) for name, found in turns.items() if len(found) < config.data.minimum_labels}
        if few:
            told = ", ".join(f"{name} {count}" for name, count in few.items())
            raise ConfigError(f"{source} has too few labelled turns to learn from: {told}; data.minimum_labels is "
                              f"{config.data.minimum_labels}. Label more dialogues, publish with a lower minimum confidence, "
                              "leave the task out of the mixture, or lower data.minimum_labels.")


class Packs(Dataset):
    """Pack `i` depends on the seed, `i` and the labels alone, so a run that was stopped sees what it would have seen."""

    def __init__(self, packer: Packer, sources: Sequence[tuple[float, ByTask]], *, packs: int, length: int, seed: str,
                 leading: Sequence[int] = ()) -> None:
        """`leading`: tokens that stand before every text."""
        self._packer, self._sources, self._packs, self._length = packer, sources, packs, length
        self._seed, self._leading = seed, list(leading)

    def __len__(self) -> int:
        return self._packs

    def __getitem__(self, index: int) -> dict[str, list[int]]:
        rng = random.Random(f"{self._seed}/{index}")
        for _ in range(_DRAWS):
            row = self._drawn(rng)
            if any(label != NOT_A_TARGET for label in row["labels"]):  # or the loss were 0 / 0
                return row
        raise ConfigError(f"{_DRAWS} packs in a row hold no whole question: training.length is {self._length} tokens. Raise "
                          "it, or shorten the preamble (prompts.preamble).")

    def _drawn(self, rng: random.Random) -> dict[str, list[int]]:
        part = self._packer.draw(rng)
        [turns] = rng.choices([turns for _, turns in self._sources], weights=[share for share, _ in self._sources])
        pool = turns[part.task]
        drawn = rng.sample(pool, min(_POOL, len(pool)))
        tokens, weights = self._packer.pack(part, drawn, self._length - len(self._leading), rng)
        labels = [token if weight else NOT_A_TARGET for token, weight in zip(tokens, weights, strict=True)]
        return {"input_ids": self._leading + tokens, "labels": [NOT_A_TARGET] * len(self._leading) + labels}


def collate(rows: Sequence[Mapping[str, Sequence[int]]]) -> dict[str, Any]:
    """Packs padded to the longest: `input_ids`, `labels`, `attention_mask`, each (packs, tokens)."""
    longest = max(len(row["input_ids"]) for row in rows)
    padded: dict[str, list[list[int]]] = {"input_ids": [], "labels": [], "attention_mask": []}
    for row in rows:
        missing = longest - len(row["input_ids"])
        padded["input_ids"].append([*row["input_ids"], *[0] * missing])
        padded["labels"].append([*row["labels"], *[NOT_A_TARGET] * missing])
        padded["attention_mask"].append([1] * len(row["input_ids"]) + [0] * missing)
    return {name: torch.tensor(values) for name, values in padded.items()}
