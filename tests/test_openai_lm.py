"""A model behind a completions server reads and scores as the same checkpoint does in this process."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from completions_server import CompletionsServer as Serving
from completions_server import Served
from toy_labelling import corpus, label, labeller
from transformers import AutoModelForCausalLM, AutoTokenizer

from nc_latent_tod.api.backends import Builder
from nc_latent_tod.api.models import packaged_model
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.errors import ConfigError, ModelError, RetryableError, TurnError
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import load
from nc_latent_tod.lm.openai.model import OpenAILM
from nc_latent_tod.lm.openai.server import CompletionsServer

FOLDER = str(packaged_model("tiny-starcoder"))
PREFIX = "\n    user_intent=[agent.no_change()],\n)\n"
PROMPTS = [f'{PREFIX}example(\n    belief_state=dict(),\n    user_utterance="{text}",\n    user_intent=['
           for text in ("i need a cheap room", "a table for 4 at 18:30, please", "that is all, thank you")]
GREEDY = Sampling(n=2, temperature=0.0, max_new_tokens=16)


@pytest.fixture(scope="module")
def engine():
    return load(FOLDER)


@pytest.fixture
def served():
    return Served(AutoModelForCausalLM.from_pretrained(FOLDER, dtype="float32").eval(), AutoTokenizer.from_pretrained(FOLDER))


@pytest.fixture
def url(served):
    with Serving(served) as url:
        yield url


def client(url, tokenizer=FOLDER, *, model="tiny", key=None, retries=2, timeout_s=20.0, **options):
    server = CompletionsServer(url, model, api_key=key, retries=retries, timeout_s=timeout_s)
    return OpenAILM(server, **{"max_length": 1024, "tokenizer": tokenizer, **options})


def requests():
    return [(prompt, [("agent.no_change()],", "\n"), ('agent.find_hotel(area="east")],', "\n    more"), ("", "")])
            for prompt in PROMPTS]


@pytest.mark.parametrize("way", ["echo", "prompt_logprobs", "echo of text"])
def test_scores_equal_those_of_the_engine_in_this_process(engine, served, url, way):
    served.echoes, served.has_prompt_logprobs = way != "prompt_logprobs", way == "prompt_logprobs"
    lm = client(url, None if way == "echo of text" else FOLDER)

    ours, theirs = (one.loglikelihood(requests(), shared_prefix=PREFIX) for one in (engine, lm))

    for mine, other in zip(sum(ours, []), sum(theirs, []), strict=True):
        assert other == pytest.approx(mine, abs=1e-3)
    assert min(min(scores) for scores in theirs[0]) < -1


def test_greedy_readings_and_their_scores_equal_those_of_the_engine(engine, url):
    ours, theirs = (one.sample(PROMPTS, GREEDY, [1, 2, 3], shared_prefix=PREFIX) for one in (engine, client(url)))

    for mine, other in zip(sum(ours, []), sum(theirs, []), strict=True):
        assert (other.text, other.finished) == (mine.text, mine.finished)
        assert (other.logprob, other.tokens) == (pytest.approx(mine.logprob, abs=1e-3), mine.tokens)


@pytest.mark.parametrize("ranking", ["noisy_channel_joint", "noisy_channel_cond"])
def test_a_job_gets_the_labels_and_scores_of_the_engine(engine, url, ranking):
    class Scoring:
        """The engine's samples, scored by the server: two random streams cannot be the same."""

        tokens, fingerprint, max_length, count_tokens = engine.tokens, "both", engine.max_length, engine.count_tokens
        sample, loglikelihood = staticmethod(engine.sample), staticmethod(client(url).loglikelihood)

    ours, theirs = (label(labeller(lm, ranking=ranking, n=3, k=0), corpus(2)) for lm in (engine, Scoring()))

    compared = 0
    for key in ours:
        for task, outcome in ours[key].label.tasks.items():
            other = theirs[key].label.tasks[task]
            assert (outcome.chosen, [c.text for c in outcome.candidates]) == (other.chosen, [c.text for c in other.candidates])
            for mine, their in zip(outcome.candidates, other.candidates, strict=True):
                assert dict(their.logprobs) == pytest.approx(dict(mine.logprobs), abs=1e-3)
                compared += "channel" in mine.logprobs
    assert ours.keys() == theirs.keys() and compared > 0


def test_samples_depend_on_prompt_and_seed_and_come_in_the_asked_number_also_one_by_one(served, url):
    sampling = Sampling(n=4, top_p=0.95, max_new_tokens=12)
    lm = client(url)
    together = lm.sample(PROMPTS, sampling, [1, 2, 3])
    assert lm.sample(PROMPTS[1:2], sampling, [2]) == together[1:2]
    served.heeds_n = False
    one_by_one = client(url).sample(PROMPTS, sampling, [1, 2, 3])
    assert [len(drawn) for drawn in one_by_one] == [4, 4, 4]
    assert len({c.text for drawn in one_by_one for c in drawn}) > 3


def test_a_server_that_does_not_score_a_given_text_still_samples_and_says_what_works(served, url):
    served.echoes = False
    lm = client(url)
    assert lm.sample(PROMPTS[:1], GREEDY, [1])[0][0].text
    with pytest.raises(ConfigError, match=r"'greedy' and 'direct' work .* noisy channel, 'pmi' and proposals need another"):
        lm.loglikelihood(requests())


@pytest.mark.parametrize("way", ["echo", "prompt_logprobs"])
def test_scoring_that_is_named_and_not_there_is_an_error_and_never_a_score(served, url, way):
    served.echoes = False
    with pytest.raises(ConfigError, match="does not score"):
        client(url, scoring=way).loglikelihood(requests())
    with pytest.raises(ConfigError, match=r"give server\.tokenizer"):
        client(url, None, scoring="prompt_logprobs").loglikelihood(requests())


@pytest.mark.parametrize("tokenizer", [FOLDER, None])
def test_a_server_whose_scores_are_one_token_late_is_found_out(served, url, tokenizer, caplog):
    served.is_late = True

    with pytest.raises(ConfigError, match="does not score"):
        client(url, tokenizer).loglikelihood(requests())

    assert "its scores of given texts are wrong" in caplog.text


def test_a_server_without_logprobs_is_refused(served, url):
    served.has_logprobs = False
    with pytest.raises(ModelError, match="no log-probabilities"):
        client(url).sample(PROMPTS, GREEDY, [1, 2, 3])


def test_what_may_pass_is_tried_again_and_then_given_back(served, url):
    served.failures[:] = [503, 429]
    assert client(url).sample(PROMPTS[:1], GREEDY, [1])[0][0].text
    served.failures[:] = [500, 500]
    with pytest.raises(RetryableError, match="failed"):
        client(url, retries=0).sample(PROMPTS[:1], GREEDY, [1])
    served.pause_s = 1.0
    with pytest.raises(RetryableError, match="does not answer"):
        client(url, retries=0, timeout_s=0.2).sample(PROMPTS[:1], GREEDY, [1])
    with pytest.raises(RetryableError, match=r"server\.base_url"):
        client("http://127.0.0.1:9/v1", retries=0).sample(PROMPTS[:1], GREEDY, [1])


def test_wrong_keys_models_and_paths_are_said_and_not_tried_again(served, url):
    served.key = "secret"
    assert client(url, key="secret").sample(PROMPTS[:1], GREEDY, [1])
    for lm, said in ((client(url, key="other"), r"refuses the key .*server\.api_key_variable"),
                     (client(url, key="secret", model="huge"), "has no model 'huge'"),
                     (client(url.removesuffix("/v1"), key="secret"), "usually ends in /v1")):
        served.requests.clear()
        with pytest.raises(ConfigError, match=said):
            lm.sample(PROMPTS[:1], GREEDY, [1])
        assert len(served.requests) == 1


@pytest.mark.parametrize("tokenizer", [FOLDER, None])
def test_a_prompt_that_is_too_long_is_the_failure_of_one_turn(served, url, tokenizer):
    served.context = 300
    lm = client(url, tokenizer, max_length=300)
    with pytest.raises(TurnError, match="prompt"):
        lm.sample(["word " * 400], GREEDY, [1])


def test_requests_go_out_at_the_same_time_and_no_more_than_asked(served, url):
    served.pause_s = 0.2
    lm = client(url, concurrency=3)
    lm.sample(PROMPTS * 3, replace(GREEDY, max_new_tokens=1), range(9))
    assert served.most_in_flight == 3


def test_tokens_are_those_of_the_servers_usage(served, url):
    lm = client(url)
    [[one, _]] = lm.sample(PROMPTS[:1], GREEDY, [1])
    asked = len(served.tokenizer(PROMPTS[0])["input_ids"])
    assert asked < lm.tokens.computed <= asked + GREEDY.max_new_tokens and one.text
    assert lm.count_tokens(PROMPTS)[0] == asked and client(url, None).count_tokens(["123456", ""]) == [2, 0]


def job(url, folder: Path, mode="noisy_channel_joint", **server):
    task = {"model": {"model_type": "openai", "model_name_or_path": "tiny", "server": {"base_url": url, **server}},
            "retriever": {"type": "none"}, "generation_cfg": {"preamble": "none", "generation_mode": mode}}
    return parse_job({"data": {"eval_set_path_or_name": "packaged:simulated", "eval_set_split_name": "train_0_2",
                               "schema_path": "packaged:schema"}, "dst": task, "act_tag": task,
                      "manifest": {"type": "local", "manifest_path": str(folder / "m"), "group_id": "g"}})


def test_a_job_that_needs_scores_is_refused_before_it_begins_and_others_are_not(served, url, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_KEY", "secret")
    served.echoes, served.key = False, "secret"
    options = {"api_key_variable": "MY_KEY", "retries": 0}
    with pytest.raises(ConfigError, match="does not score"):
        Builder().backends(job(url, tmp_path, **options)).labeller()
    assert Builder().backends(job(url, tmp_path, "direct", **options)).labeller()


def test_where_the_server_is_does_not_change_a_jobs_fingerprint_and_what_it_computes_does(tmp_path):
    here, there = (job(f"http://{host}/v1", tmp_path) for host in ("127.0.0.1:1", "example.org"))
    assert here.fingerprint == there.fingerprint == job("http://x", tmp_path, timeout_s=1.0, concurrency=1).fingerprint
    assert here.fingerprint != job("http://x", tmp_path, context_length=4096).fingerprint


def test_without_the_openai_package_the_error_names_the_pip_command():
    code = ("import sys; sys.modules['openai'] = None\nfrom nc_latent_tod.api.completions import server_model\n"
            "from nc_latent_tod.config.sections import ModelSection\nfrom nc_latent_tod.errors import ConfigError\n"
            "try: server_model(ModelSection(model_type='openai', server={'base_url': 'http://x'}), None)\n"
            "except ConfigError as error: print(error)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert "pip install 'nc_latent_tod[openai]'" in done.stdout
