"""The agent step by step, on a model whose answers are written down, and the packaged one out of the box."""

import json
from dataclasses import replace

import pytest

from nc_latent_tod.agent.agent import APOLOGY, Agent, Memory
from nc_latent_tod.agent.evaluation import Tally, answered, predictions
from nc_latent_tod.api.agent import build_agent, read_agent_config
from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema
from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import ConfigError, InterruptedJobError
from nc_latent_tod.labelling.examples import ExamplePool
from nc_latent_tod.labelling.model import ModelLabeller
from nc_latent_tod.labelling.scoring import Scorer
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.scripted import ScriptedLM
from nc_latent_tod.retrieval.dense import NoRetriever
from nc_latent_tod.tasks.database import Database
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.tasks.policy import Policy
from nc_latent_tod.tasks.response import Responding

TOWN = Database(packaged_schema(), packaged_entities())
DIALOGUES = [Dialogue(name, tuple(Turn(name, i, f"corpus says {i}" if i else "", f"turn {i} of {name}", "gold") for i in
                                  range(count))) for name, count in (("a", 2), ("b", 3), ("c", 1))]


def answers(prompt):
    """A model that wants a cheap hotel once, offers it, and words it."""
    if prompt.endswith("user_intent=["):
        return ['agent.find_hotel(price="cheap")],\n']
    if prompt.endswith("system_acts=["):
        return ['Offer(entity=Hotel(name="[value_name]"))],\n']
    return ['"try [value_name]."],\n']


def agent(script=answers, **parts) -> Agent:
    lm = ScriptedLM(script)
    made = {name: ModelLabeller(task, lm, ExamplePool(task, NoRetriever(), 0), Scorer(task, lm, "greedy"),
                                Sampling(temperature=0)) for name, task in (
        ("dst", StateTracking(TOWN.schema, "none")), ("policy", Policy(TOWN.schema, TOWN.counts, "none")),
        ("response", Responding(TOWN.schema, TOWN.counts, "none")))}
    return Agent(**{**made, **parts}, database=TOWN)


def test_a_turn_goes_from_words_to_state_to_database_to_acts_to_words():
    [reply] = agent().reply(["something cheap"], [Memory("d")])

    assert (reply.state, reply.found) == ({"hotel": {"price": "cheap"}}, {"hotel": 8})
    assert [act.value for act in reply.acts] == ["aurora inn"]
    assert (reply.delexicalised, reply.turn.system_response) == ("try [value_name].", "try aurora inn.")
    assert (reply.memory.last_response, reply.memory.turn_id, reply.failures) == ("try aurora inn.", 1, {})


def test_every_step_sees_what_the_steps_before_gave():
    seen = []

    def script(prompt):
        seen.append(prompt)
        return answers(prompt)

    agent(script).reply(["something cheap"], [Memory("d", last_response="hello")])

    assert [prompt.split("(")[0] for prompt in seen] == ["agent.handle_turn", "agent.decide", "agent.say"]
    assert all('last_system_utterance="hello"' in prompt for prompt in seen)
    assert all('hotel=Hotel(price="cheap")' in prompt and "Database(hotel=8)" in prompt for prompt in seen[1:])
    assert 'system_acts=[Offer(entity=Hotel(name="[value_name]"))]' in seen[2]


def test_what_no_model_can_read_is_said_and_counted_not_made_up():
    [broken] = agent(lambda prompt: ["?],\n"]).reply(["hi"], [Memory("d")])
    [empty] = agent().reply(["  "], [Memory("d")])

    assert set(broken.failures) == set(empty.failures) == {"dst", "policy", "response"}
    assert broken.turn.system_response == empty.turn.system_response == APOLOGY
    assert (broken.state, broken.acts, empty.failures["dst"]) == ({}, (), "empty_utterance")


def test_answers_do_not_depend_on_what_is_answered_beside_them():
    together = predictions(list(answered(agent(), DIALOGUES, context="own", batch_size=3)))
    alone = predictions(list(answered(agent(), DIALOGUES, context="own", batch_size=1)))

    assert together == alone
    assert {name: len(turns) for name, turns in together.items()} == {"a": 2, "b": 3, "c": 1}


@pytest.mark.parametrize(("context", "expected"), [("corpus", "corpus says 1"), ("own", "try aurora inn.")])
def test_the_context_is_the_corpus_s_or_the_agent_s_own(context, expected):
    replies = list(answered(agent(), DIALOGUES[:1], context=context, batch_size=1))

    assert [reply.turn.last_system_utterance for reply in replies] == ["", expected]
    assert replies[1].state == {"hotel": {"price": "cheap"}}


def test_gold_responses_are_never_read():
    other = [replace(d, turns=tuple(replace(t, system_response="other") for t in d.turns)) for d in DIALOGUES]

    assert predictions(list(answered(agent(), other, context="own", batch_size=2))) == predictions(
        list(answered(agent(), DIALOGUES, context="own", batch_size=2)))


def test_a_stop_ends_between_two_waves_and_failures_are_tallied():
    tally = Tally()
    for reply in answered(agent(lambda prompt: ["?],\n"]), DIALOGUES, context="own", batch_size=3):
        tally.add(reply)

    assert (tally.turns, tally.failures["policy: no_candidate_parsed"]) == (6, 6)
    with pytest.raises(InterruptedJobError):
        list(answered(agent(), DIALOGUES, context="own", batch_size=3, should_stop=lambda: True))


@pytest.mark.parametrize(("config", "message"), [
    ({}, "schema_path: required"), ({"schema_path": "packaged:schema", "database": {}}, "entities_path: required"),
    ({"polcy": {}}, "policy"), ({"schema_path": "packaged:schema", "database": {"entities_path": "packaged:entities",
                                                                                "not_before": ["leaving"]}}, "'leaving'"),
    ({"schema_path": "packaged:schema", "database": {"entities_path": "gone.json"}}, "gone.json"),
    ({"schema_path": "packaged:schema", "database": {"entities_path": "packaged:entities"},
      "model": {"model_type": "none"}}, "proposals answer nothing")])
def test_a_wrong_configuration_is_one_clear_error(config, message, tmp_path):
    path = tmp_path / "agent.json"
    path.write_text(json.dumps(config))

    with pytest.raises(ConfigError, match=message):
        build_agent(read_agent_config(str(path)))


def test_a_shared_model_is_that_of_every_task_that_names_none(tmp_path):
    path = tmp_path / "agent.json"
    path.write_text(json.dumps({"schema_path": "packaged:schema", "database": {"entities_path": "packaged:entities"},
                                "model": {"model_type": "scripted"}, "policy": {"model": {"model_name_or_path": "other"}}}))

    config = read_agent_config(str(path))

    assert [t.model.model_type for t in (config.dst, config.policy, config.response)] == ["scripted", "starcoder", "scripted"]


def test_the_packaged_agent_finds_and_books_a_hotel():
    talker, memory = build_agent(read_agent_config("packaged:agent")), Memory("d")
    said = []
    for utterance in ("i need a cheap hotel in the north.", "great, please book it for monday, 3 nights and 2 people."):
        [reply] = talker.reply([utterance], [memory])
        memory = reply.memory
        said.append(reply.turn.system_response)

    assert "aurora inn" in said[0]
    assert memory.focus.bookings["hotel"] in said[1]
    assert memory.state["hotel"] == {"area": "north", "price": "cheap", "name": "aurora inn", "day": "monday", "nights": "3",
                                     "guests": "2"}
