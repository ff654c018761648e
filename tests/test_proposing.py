"""Proposals in the labeller: alone, without a model, and weighed by one with its samples."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toy_labelling import corpus, inference, label, labeller, turns
from toy_schema import SCHEMA

from nc_latent_tod.api.backends import Builder
from nc_latent_tod.api.explain import explain_label
from nc_latent_tod.api.plan import plan_job
from nc_latent_tod.cli.views.plan import show_plan
from nc_latent_tod.config.job import parse_job, unused_keys
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError, InterruptedJobError
from nc_latent_tod.labelling.rules import RuleLabeller, proposals_of
from nc_latent_tod.labelling.scoring import TOO_LONG
from nc_latent_tod.labels import Candidate
from nc_latent_tod.lm.scripted import ScriptedLM
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline.run import Control, run_job
from nc_latent_tod.proposals.proposer import Proposer
from nc_latent_tod.publishing.publish import publish
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.tasks.prompts import answer

CLINIC = Path(__file__).parent / "data" / "clinic"
PROPOSER = Proposer(SCHEMA, {"stay": [{"name": "The Old Mill"}, {"name": "Lindsay House"}]})


def clinic_job(folder, **settings):
    none = {"model": {"model_type": "none"}}
    return parse_job({
        "data": {"eval_set_path_or_name": str(CLINIC / "dialogues.jsonl"), "eval_set_split_name": "dialogues",
                 "schema_path": str(CLINIC / "schema.json"), "entities_path": str(CLINIC / "entities.json")},
        "output": {"labels_url": str(folder / "out")}, "dst": none, "act_tag": none, "run_id": "clinic",
        "manifest": {"type": "local", "manifest_path": str(folder / "manifest"), "group_id": "g"}, **settings})


def ran(folder, control=None):
    job = clinic_job(folder)
    result = run_job(job, Builder().backends(job), control)
    return {e.turn.key: e for e in read_examples(result.entry.labels_url)}


def test_a_job_without_a_model_labels_a_clinic_it_has_never_heard_of(tmp_path):
    labels = ran(tmp_path)

    assert len(labels) == 37
    assert not any(e.label.failures for e in labels.values())
    assert labels["clinic-0", 3].label.state == {"Clinic_1": {"speciality": "cardiology", "doctor_name": "Amara Okafor",
                                                              "visit_day": "wednesday", "visit_time": "10:30"}}
    assert labels["clinic-7", 3].label.state["Pharmacy_1"] == {"medicine": "ibuprofen", "pickup_branch": "riverside",
                                                               "pickup_day": "friday"}
    booked = labels["clinic-9", 1].label
    assert {(a.act, a.slot, a.value) for a in booked.acts} == {
        ("NotifySuccess", "doctor_name", "Tomasz Zielinski"), ("NotifySuccess", "visit_day", "monday"),
        ("NotifySuccess", "visit_time", "8:45")}
    assert booked.delexicalised_response == "I have booked [value_visit_day] at [value_visit_time] with [value_doctor_name]."


def test_candidates_say_that_they_are_proposals_and_keep_their_pseudo_scores(tmp_path):
    outcome = ran(tmp_path)["clinic-0", 1].label.tasks["dst"]

    assert {c.source for c in outcome.candidates} == {"proposal"}
    assert [c.score for c in outcome.candidates] == [c.logprobs["proposal"] for c in outcome.candidates]
    assert 1 < len(outcome.candidates) <= 8
    assert outcome.chosen == 0


def test_labelling_without_a_model_imports_no_torch(tmp_path):
    (tmp_path / "job.json").write_text(clinic_job(tmp_path).model_dump_json(exclude_defaults=True))
    code = ("import sys; from nc_latent_tod.api.backends import Builder; from nc_latent_tod.config.job import parse_job;"
            "from nc_latent_tod.pipeline.run import run_job; job = parse_job(open(sys.argv[1]).read());"
            "run_job(job, Builder().backends(job)); print(sorted({'torch', 'transformers', 'faiss'} & set(sys.modules)))")

    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "job.json")], capture_output=True, text=True, timeout=120,
                          check=True)

    assert done.stdout.strip() == "[]"


def test_an_interruption_changes_no_label(tmp_path):
    left = iter([False, False, False])
    with pytest.raises(InterruptedJobError):
        ran(tmp_path / "stopped", Control(should_stop=lambda: next(left, True)))

    resumed, whole = ran(tmp_path / "stopped"), ran(tmp_path / "whole")

    assert {key: e.label.tasks for key, e in resumed.items()} == {key: e.label.tasks for key, e in whole.items()}


def test_the_data_card_names_the_method(tmp_path):
    ran(tmp_path)

    published = publish(LocalManifest(tmp_path / "manifest"), "g", to=tmp_path / "datasets", schema=load_schema(CLINIC))

    card = (published.path / "README.md").read_text()
    assert "**without a language model**, by proposals" in card
    assert "not calibrated" in card
    assert "noisy channel" not in card


def test_the_reason_of_a_label_is_explained_without_a_prompt(tmp_path):
    ran(tmp_path)
    schema = load_schema(CLINIC)
    labels = {e.labels_url: read_examples(e.labels_url) for e in LocalManifest(tmp_path / "manifest").entries("g")}

    found = explain_label(LocalManifest(tmp_path / "manifest"), lambda entry: labels[entry.labels_url],
                          [StateTracking(schema)], "g", "clinic-0", 1)

    assert "made without a model" in found.tasks[0].reason


def test_a_plan_without_a_model_costs_no_tokens(tmp_path):
    plan = plan_job(clinic_job(tmp_path))

    assert plan.tokens_per_turn == 0
    assert "none" in {task.model for task in plan.tasks}
    assert any("proposals alone" in note for note in plan.notes)
    show_plan(plan)


def test_a_job_says_how_many_proposals_it_takes(tmp_path):
    few = clinic_job(tmp_path, dst={"model": {"model_type": "none"}, "generation_cfg": {"proposals": 3}})

    assert (few.dst.proposals, few.act_tag.proposals) == (3, 8)
    assert parse_job(clinic_job(tmp_path).model_dump_json(exclude={"dst"})).dst.proposals == 0
    assert len(unused_keys(few)) >= 2


def test_greedy_labelling_takes_no_proposals(tmp_path):
    with pytest.raises(ConfigError, match="'greedy' takes one candidate but proposals asks for 4 more"):
        clinic_job(tmp_path, dst={"generation_cfg": {"generation_mode": "greedy", "proposals": 4}})


def proposing(ranking, lm=None, **options):
    """An inference with a model that samples one reading, and proposals."""
    task = StateTracking(SCHEMA, "signatures")
    lm = lm or ScriptedLM({"user_intent=[": ['agent.find_stay(area="east")],']}, **options)
    return replace(inference(task, lm, ranking=ranking, k=0), propose=proposals_of(PROPOSER, task, 8))


@pytest.mark.parametrize("ranking", ["direct", "noisy_channel_cond", "noisy_channel_joint"])
def test_a_model_scores_proposals_as_it_scores_samples(ranking):
    (turn,) = turns("d", ("A room in the north with 4 stars for the night", "ok")).turns
    asked = proposing(ranking)
    ((_, outcome),) = asked.infer([turn], [{}], [7])
    prompt = asked.task.preamble + asked.task.question(turn, {}, "direct")

    proposed = [c for c in outcome.candidates if c.source == "proposal"]
    assert 'agent.find_stay(area="north", stars=4)' in {c.text[1:-1] for c in proposed}
    for candidate in proposed:
        (((direct,),),) = asked.lm.loglikelihood([(prompt, [(answer(candidate.text),)])])
        assert candidate.logprobs["direct"] == direct
        assert candidate.score is not None
    assert {c.count for c in proposed} == {0}


def test_a_proposal_that_was_sampled_stays_a_sample():
    (turn,) = turns("d", ("A room in the east", "ok")).turns
    ((_, outcome),) = proposing("noisy_channel_joint").infer([turn], [{}], [7])

    east = [c for c in outcome.candidates if c.text == '[agent.find_stay(area="east")]']
    assert [(c.source, c.count) for c in east] == [("sample", 4)]
    assert any(c.source == "proposal" for c in outcome.candidates)


def test_proposals_change_no_label_with_the_batch():
    def labels(size):
        whole = labeller(batch_size=size)
        task = whole.dst.task
        return label(replace(whole, dst=replace(whole.dst, propose=proposals_of(PROPOSER, task, 8))), corpus(6))

    assert labels(1) == labels(16)


def test_a_proposal_that_does_not_fit_the_model_falls_out_and_the_turn_is_labelled():
    (turn,) = turns("d", ("A room in the north with 4 stars", "ok")).turns
    roomy = proposing("direct")
    words = len((roomy.task.preamble + roomy.task.question(turn, {}, "direct")).split())

    class Cramped(ScriptedLM):
        def loglikelihood(self, requests, shared_prefix=""):
            from nc_latent_tod.errors import TurnError
            raise TurnError("prompt_too_long", "no room")

    cramped = Cramped({"user_intent=[": ['agent.find_stay(area="east")],']}, max_length=words + 100)
    ((value, outcome),) = proposing("direct", cramped).infer([turn], [{}], [7])

    assert value == {"stay": {"area": "east"}}
    assert {c.error for c in outcome.candidates if c.source == "proposal"} == {TOO_LONG}


def test_a_proposal_outside_of_the_language_is_one_candidate_less():
    task = StateTracking(SCHEMA)
    alone = RuleLabeller(task, lambda turn, prior, earlier: [("[agent.nonsense()]", -0.1), ("[agent.no_change()]", -2.0)])
    (turn,) = turns("d", ("hello", "ok")).turns

    ((value, outcome),) = alone.infer([turn], [{}], [0])

    assert value == {}
    assert outcome.candidates[1] == Candidate("[agent.nonsense()]", {"proposal": -0.1}, source="proposal", count=0,
                                              error="unknown_intent")


def test_a_turn_without_words_fails_as_with_a_model():
    alone = RuleLabeller(StateTracking(SCHEMA), lambda turn, prior, earlier: [])
    (turn,) = turns("d", ("", "ok")).turns

    assert alone.infer([turn], [{}], [0])[0].outcome.failure == "empty_utterance"


def test_the_job_file_of_a_clinic_is_plain_json(tmp_path):
    assert json.loads(clinic_job(tmp_path).model_dump_json(exclude_defaults=True))["dst"] == {"model": {"model_type": "none"}}
