"""Samples that stay within a turn's grammar: all parse, and their log-probabilities are the model's own."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import nc_latent_tod
from nc_latent_tod.api.backends import Builder
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import HuggingFaceLM, load
from nc_latent_tod.notation.grammar import ChangeGrammar
from nc_latent_tod.notation.parsing import parse_change
from nc_latent_tod.tasks.dst import StateTracking

TINY = str(Path(nc_latent_tod.__file__).parent / "data" / "tiny-starcoder")
CLINIC = Path(__file__).parent / "data" / "clinic"
SCHEMA = load_schema(CLINIC / "schema.json")
TASK = StateTracking(SCHEMA, "none")
TURNS = [Turn("a", 0, "", "i need a dentist on friday", ""), Turn("b", 0, "When?", 'say "2 pm", for 3 of us', "")]
SAMPLING = Sampling(n=6, top_p=0.95, max_new_tokens=96)


@pytest.fixture(scope="module")
def lm() -> HuggingFaceLM:
    return load(TINY)


def asked(turns):
    grammar = ChangeGrammar(SCHEMA)
    return [grammar.of(turn, {}) for turn in turns], [TASK.question(turn, {}, "direct") for turn in turns]


def test_every_sample_of_a_foreign_schema_that_ends_parses(lm):
    grammars, prompts = asked(TURNS)

    drawn = [c for of_turn in lm.sample_within(grammars, prompts, SAMPLING, [1, 2]) for c in of_turn]

    ended = [c.text for c in drawn if c.finished]
    assert len(ended) >= 6
    for text in ended:
        parse_change(text, SCHEMA, {})


def test_log_probabilities_are_those_of_the_model_without_the_grammar(lm):
    grammars, prompts = asked(TURNS[:1])
    model, tokenizer = AutoModelForCausalLM.from_pretrained(TINY).float(), AutoTokenizer.from_pretrained(TINY)

    [branches] = lm.sample_branches(prompts, SAMPLING, [1], "", grammars)

    start = tokenizer.encode(prompts[0], add_special_tokens=False)
    for branch in branches:
        with torch.inference_mode():
            logits = model(torch.tensor([[*start, *branch.token_ids]])).logits[0, len(start) - 1 : -1]
        own = logits.log_softmax(-1)[range(len(branch.token_ids)), branch.token_ids]
        assert branch.logprobs == pytest.approx(own.tolist(), abs=1e-4)


def test_a_turn_draws_the_same_alone_and_beside_another(lm):
    grammars, prompts = asked(TURNS)

    together = lm.sample_within(grammars, prompts, SAMPLING, [1, 2])
    alone = lm.sample_within(grammars[1:], prompts[1:], SAMPLING, [2])

    assert [c.text for c in together[1]] == [c.text for c in alone[0]]


def test_a_grammar_that_is_none_is_refused(lm):
    with pytest.raises(ConfigError, match="refuses the grammar"):
        lm.sample_within(["start: nothing_of_the_kind"], ["x"], SAMPLING, [1])


def test_a_model_elsewhere_cannot_be_constrained(tmp_path):
    section = {"model": {"model_type": "scripted"}, "retriever": {"type": "none"}, "generation_cfg": {"constrained": True}}
    job = parse_job({"data": {"eval_set_path_or_name": str(CLINIC / "dialogues.jsonl"), "eval_set_split_name": "train",
                              "schema_path": str(CLINIC / "schema.json")}, "dst": section, "act_tag": section,
                     "manifest": {"type": "local", "manifest_path": str(tmp_path), "group_id": "g"}}, "job")

    with pytest.raises(ConfigError, match="constrained samples token by token"):
        Builder().backends(job).labeller()


def test_a_constrained_job_has_no_candidate_that_ends_and_does_not_parse(tmp_path):
    model = {"model_type": "huggingface", "model_name_or_path": "packaged:tiny-starcoder", "torch_dtype": "float32"}
    section = {"model": model, "retriever": {"type": "none"}, "generation_cfg": {"constrained": True, "preamble": "none"}}
    log = tmp_path / "logs.jsonl"
    log.write_text(json.dumps({"dialogue_id": "d", "turns": [
        {"speaker": "user", "utterance": "i need a dentist on friday"},
        {"speaker": "system", "utterance": "Amara Okafor is free."}]}))
    job = parse_job({"data": {"eval_set_path_or_name": str(log), "eval_set_split_name": "logs",
                              "schema_path": str(CLINIC / "schema.json")}, "dst": section, "act_tag": section,
                     "manifest": {"type": "local", "manifest_path": str(tmp_path / "m"), "group_id": "g"}}, "job")
    backends = Builder().backends(job)

    examples = [e for batch in backends.labeller().label([backends.dialogues()]) for e in batch]

    candidates = [c for e in examples for outcome in e.label.tasks.values() for c in outcome.candidates]
    assert len(candidates) >= 4
    assert [c.text for c in candidates if c.finished and c.error] == []
