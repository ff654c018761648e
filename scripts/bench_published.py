"""The published settings on real dialogues: tokens through the model a turn, and turns a second.

The labeller, the retriever with MiniLM, the prompts, the engine are those of a job. The model has random weights, so what it
samples does not parse: after it has sampled, its texts are exchanged for eight distinct labels of the schema, and those are
scored. No annotation is read; the examples of the dependent job are labels by proposals.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench_models import byte_tokenizer, random_model

from nc_latent_tod.api.backends import Builder, schema_of
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.config.sections import ModelSection
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.labels import Act, Example
from nc_latent_tod.lm import Completion, LanguageModel, Sampling
from nc_latent_tod.pipeline.run import run_job
from nc_latent_tod.schema import Schema
from nc_latent_tod.tasks import Task
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking

NEW_TOKENS, DISTINCT = 48, 8
SEEDED_BY, READ_BY_TOKENIZER = "dev_50_100", "dev_100_400"
RETRIEVER = {"type": "sentence_transformer", "model_name_or_path": "packaged:minilm"}


class Answering:
    """A model whose samples are computed, and then exchanged for labels that parse."""

    def __init__(self, lm: LanguageModel, labels: dict[str, list[str]]) -> None:
        self._lm, self._labels = lm, labels
        self.max_length, self.fingerprint = lm.max_length, lm.fingerprint
        self.count_tokens, self.loglikelihood = lm.count_tokens, lm.loglikelihood

    @property
    def tokens(self) -> Any:
        return self._lm.tokens

    def sample(self, prompts: Sequence[str], sampling: Sampling, seeds: Sequence[int],
               shared_prefix: str = "") -> list[list[Completion]]:
        found = self._lm.sample(prompts, sampling, seeds, shared_prefix)
        task = "act_tag" if prompts and prompts[0].endswith("system_acts=[") else "dst"
        labels = self._labels[task]
        return [[replace(c, text=labels[(seed + i) % len(labels)], finished=True) for i, c in enumerate(row)]
                for row, seed in zip(found, seeds, strict=True)]


class AnsweringBuilder(Builder):
    def __init__(self, labels: dict[str, list[str]]) -> None:
        super().__init__()
        self._answers = labels

    def model(self, section: ModelSection) -> LanguageModel:
        lm = super().model(section)
        return lm if section.model_type == "none" else Answering(lm, self._answers)


def published(folder: Path, dialogues: int) -> dict[str, Any]:
    """Label `dialogues` of `folder`/dev as job_0 and as a dependent; the figures of both."""
    with tempfile.TemporaryDirectory() as made:
        checkpoint = Path(made) / "random-25M"
        seeds = parse_job({**job(folder, Path(made), checkpoint, SEEDED_BY), "run_id": "seeds",
                           **{task: {"model": {"model_type": "none"}} for task in ("dst", "act_tag")}})
        schema = schema_of(seeds)
        builder = AnsweringBuilder(labels_of(schema))
        texts = texts_of(folder, schema, run_job(seeds, builder.backends(seeds)).examples)
        tokenizer = byte_tokenizer([text for kind in texts.values() for text in kind])
        random_model("25M", vocabulary=len(tokenizer)).save_pretrained(checkpoint)
        tokenizer.save_pretrained(checkpoint)
        found: dict[str, Any] = {"characters_a_token": {
            kind: round(sum(map(len, of_kind)) / sum(map(len, tokenizer(of_kind)["input_ids"])), 2)
            for kind, of_kind in texts.items()}}
        print(json.dumps(found))
        print("| job | turns | computed a turn | padding a turn | shared a turn | turns/s | seconds by phase |")
        print("|" + " --- |" * 7)
        for name in ("job_0", "dependent"):
            data = job(folder, Path(made), checkpoint, f"dev_0_{dialogues}", is_dependent=name != "job_0")
            parsed = parse_job({**data, "run_id": name})
            progress = run_job(parsed, builder.backends(parsed)).progress
            assert progress is not None, "a new manifest holds no finished run"
            tokens, turns = progress.tokens, progress.turns
            found[name] = {"turns": turns, "tokens_per_turn": round(tokens.computed / turns, 1),
                           "padding_per_turn": round(tokens.padding / turns, 1),
                           "shared_per_turn": round(tokens.shared / turns, 1),
                           "turns_per_second": round(turns / progress.seconds, 3), "failed_turns": progress.failures,
                           "tokens_by_phase": progress.phases.tokens,
                           "seconds_by_phase": {k: round(v, 2) for k, v in progress.phases.seconds.items()}}
            row = found[name]
            print(f"| {name} | {turns} | {row['tokens_per_turn']:,.0f} | {row['padding_per_turn']:,.0f} | "
                  f"{row['shared_per_turn']:,.0f} | {row['turns_per_second']:.2f} | {json.dumps(row['seconds_by_phase'])} |",
                  flush=True)
        return found


def job(folder: Path, made: Path, checkpoint: Path, split: str, *, is_dependent: bool = False) -> dict[str, Any]:
    """The published job file with this corpus, this model and a local manifest."""
    model = {"model_type": "huggingface", "model_name_or_path": str(checkpoint), "torch_dtype": "float32", "batch_size": 16}
    warmup = 0 if is_dependent else 32
    dst = {"model": {**model, "stop_sequences": ["\n\n", "#", "]"]},
           "retriever": {**RETRIEVER, "k_examples": 8, "minimum_distinct": 4, "example_warmup": warmup},
           "generation_cfg": {"generation_mode": "noisy_channel_joint",
                              "sampling_args": {"top_p": 0.7, "n": 8, "best_of": 8, "max_new_tokens": NEW_TOKENS}}}
    act_tag = {"model": {**model, "stop_sequences": ["\n\n", "#", "],"]},
               "retriever": {**RETRIEVER, "k_examples": 6, "minimum_distinct": 4, "example_warmup": warmup},
               "generation_cfg": {"generation_mode": "noisy_channel_cond",
                                  "sampling_args": {"top_p": 0.8, "n": 8, "best_of": 8, "max_new_tokens": NEW_TOKENS}}}
    return {"data": {"eval_set_path_or_name": str(folder), "eval_set_split_name": split, "format": "multiwoz",
                     "schema_path": str(folder / "schema.json")},
            "output": {"labels_url": str(made / "outputs")}, "dst": dst, "act_tag": act_tag,
            "data_warmup": 0 if is_dependent else 24, "data_num_partitions": 4,
            "manifest": {"type": "local", "manifest_path": str(made / "manifest"),
                         "group_id": "published", "write_to_manifest": split == SEEDED_BY,
                         "seed_retrievers_from_manifest": is_dependent}}


def texts_of(folder: Path, schema: Schema, examples: Sequence[Example]) -> dict[str, list[str]]:
    """What the tokenizer is learnt from; no text of the dialogues that are labelled with it."""
    tasks: list[Task[Any]] = [StateTracking(schema), ActTagging(schema)]
    return {"dialogue": [text for dialogue in load_dialogues(str(folder), READ_BY_TOKENIZER, format="multiwoz")
                         for turn in dialogue.turns for text in (turn.user_utterance, turn.system_response)],
            "preamble": [task.preamble for task in tasks],
            "examples": [task.example(example, "direct") for task in tasks for example in examples]}


def labels_of(schema: Schema) -> dict[str, list[str]]:
    """Eight labels a task, as a prompt's answer has them."""
    slots = [(service.name, slot) for service in schema.services for slot in service.slots if slot.is_categorical]
    changes = [{service: {slot.name: slot.possible_values[0]}} for service, slot in slots[:DISTINCT]]
    acts = [(Act(act, service, slot.name, slot.possible_values[0]),)
            for (service, slot), act in zip(slots, ["Inform", "Offer"] * DISTINCT, strict=False)][:DISTINCT]
    dst, tagging = StateTracking(schema), ActTagging(schema)
    return {"dst": [dst.print(change)[1:] for change in changes], "act_tag": [tagging.print(act)[1:] for act in acts]}
