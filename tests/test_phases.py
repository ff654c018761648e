"""Where the time of a job goes: by phase, in its progress and in its manifest entry."""

import time
from dataclasses import replace

import pytest
from tiny_models import tiny_lm
from toy_jobs import backends, job

from nc_latent_tod.lm import Sampling, TokenCount
from nc_latent_tod.pipeline.progress import usage
from nc_latent_tod.pipeline.run import run_job
from nc_latent_tod.system.stopwatch import Phases


def test_a_phase_has_the_time_of_its_blocks_also_of_those_that_fail():
    phases = Phases()
    with phases.timed("parse"):
        time.sleep(0.02)
    with pytest.raises(KeyError), phases.timed("parse"):
        time.sleep(0.02)
        raise KeyError
    assert 0.04 <= phases.seconds["parse"] < 4


def test_shares_of_phases_and_the_rest_are_one():
    phases = Phases({"decode": 3.0, "retrieval": 1.0}, {"decode": 60})
    assert phases.shares(10.0) == pytest.approx({"retrieval": 0.1, "decode": 0.3, "other": 0.6})
    assert list(phases.shares(10.0)) == ["retrieval", "decode", "other"]
    assert (phases.tokens_per_second("decode"), phases.tokens_per_second("score"), phases.shares(0.0)) == (20.0, 0.0, {})


def test_what_came_since_is_a_difference_and_two_models_a_sum():
    before = TokenCount(5, 1, 1, Phases({"decode": 1.0}, {"decode": 5}))
    after = TokenCount(15, 4, 3, Phases({"decode": 3.0, "score": 1.0}, {"decode": 9, "score": 6}))
    since = after - before
    assert since == TokenCount(10, 3, 2, Phases({"decode": 2.0, "score": 1.0}, {"decode": 4, "score": 6}))
    assert before + since == replace(after)
    assert TokenCount(9, 0, 1).padding_share == 0.1


def test_every_computed_token_belongs_to_one_phase_of_the_model():
    lm = tiny_lm()
    lm.sample(["QQQQQZZ"], Sampling(n=3, max_new_tokens=4, stop=()), [1], "QQQQQ")
    lm.loglikelihood([("QQQQQZ", [["ZZZ"], ["QQ"]])], "QQQQQ")
    tokens = lm.tokens.phases.tokens
    assert tokens["prefill"] == 5 + 2 + 1  # the preamble once, and each prompt's rest
    assert tokens["score"] == 2 + 1  # the last token of a candidate is not read
    assert sum(tokens.values()) == lm.tokens.computed
    assert all(lm.tokens.phases.seconds[name] > 0 for name in ("tokenise", "prefill", "decode", "score"))


def test_a_job_tells_what_it_took_by_phase_and_its_manifest_entry_keeps_it(tmp_path):
    result = run_job(job(tmp_path), backends(tmp_path))
    progress = result.progress
    assert {"retrieval", "prompt", "parse"} <= set(progress.phases.seconds)
    assert 0 < sum(progress.phases.seconds.values()) <= progress.seconds
    assert progress.peak_memory > 10_000_000
    kept = usage(backends(tmp_path).manifest.entries("g")[0])
    assert kept["seconds_by_phase"] == pytest.approx(progress.phases.seconds, abs=0.001)
    assert kept["peak_memory_bytes"] == progress.peak_memory
    assert usage(replace(result.entry, usage="")) == {}
