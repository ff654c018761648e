"""Scores per token and pointwise mutual information: what is compared, what is stored, what is refused, what stays."""

import json
import math
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from test_job import minimal, problems
from tiny_models import plain_logprobs, tiny_lm
from toy_labelling import corpus, inference, label, labeller, turns
from toy_schema import SCHEMA

from nc_latent_tod.api.explain import Explanation, TaskExplanation
from nc_latent_tod.api.plan import plan_task
from nc_latent_tod.cli.views.explanation import show_explanation
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.labels import Candidate, Example, TaskLabel
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.scripted import ScriptedLM
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.ranking.noisy_channel import merge, posterior, rank, score
from nc_latent_tod.ranking.reasons import reason
from nc_latent_tod.reporting.collect import collect
from nc_latent_tod.reporting.page import page
from nc_latent_tod.tasks.dst import StateTracking

SHORT = Candidate("S", {"direct": -4.0, "prior": -6.0, "channel": -8.0}, tokens={"direct": 2, "prior": 3, "channel": 4})
LONG = Candidate("L", {"direct": -9.0, "prior": -10.0, "channel": -6.0}, tokens={"direct": 9, "prior": 10, "channel": 4})
PROPOSED = [("[agent.no_change()]", -0.1), ('[agent.find_stay(area="east", stars=4)]', -0.4)]
FORMULAS = {
    ("direct", "none"): lambda y, p, x: sum(y), ("direct", "tokens"): lambda y, p, x: sum(y) / len(y),
    ("noisy_channel_joint", "none"): lambda y, p, x: sum(p) + sum(x),
    ("noisy_channel_joint", "tokens"): lambda y, p, x: sum(p) / len(p) + sum(x) / len(x),
    ("pmi", "none"): lambda y, p, x: sum(y) - sum(p), ("pmi", "tokens"): lambda y, p, x: sum(y) / len(y) - sum(p) / len(p),
}


@pytest.mark.parametrize(("ranking", "normalization", "short", "long"), [
    ("direct", "none", -4.0, -9.0), ("direct", "tokens", -4 / 2, -9 / 9),
    ("noisy_channel_joint", "none", -14.0, -16.0), ("noisy_channel_joint", "tokens", -6 / 3 - 8 / 4, -10 / 10 - 6 / 4),
    ("pmi", "none", 2.0, 1.0), ("pmi", "tokens", -4 / 2 + 6 / 3, -9 / 9 + 10 / 10),
])
def test_each_term_is_divided_by_its_own_tokens(ranking, normalization, short, long):
    assert [score(c, ranking, normalization) for c in (SHORT, LONG)] == [short, long]
    assert [c.text for c in rank([SHORT, LONG], ranking, length_normalization=normalization)] == sorted(
        "SL", key=lambda text: (-{"S": short, "L": long}[text], text))


def test_a_distribution_ranks_by_mutual_information_as_by_the_channel_alone():
    joint = {("x", "a"): 0.1, ("x", "b"): 0.2, ("x", "c"): 0.05, ("w", "a"): 0.05, ("w", "b"): 0.5, ("w", "c"): 0.1}
    of_y = {y: joint["x", y] + joint["w", y] for y in "abc"}
    of_x = sum(joint["x", y] for y in "abc")
    candidates = [Candidate(y, {"direct": math.log(joint["x", y] / of_x), "prior": math.log(of_y[y]),
                                "channel": math.log(joint["x", y] / of_y[y])}) for y in "abc"]
    for candidate in candidates:
        assert score(candidate, "pmi") == pytest.approx(score(candidate, "noisy_channel_cond") - math.log(of_x))


@pytest.mark.parametrize(("ranking", "normalization"), FORMULAS)
def test_scores_equal_plain_forward_passes_over_each_whole_text(ranking, normalization):
    lm, task = tiny_lm(), StateTracking(SCHEMA, "none")
    (turn,) = turns("d", ("east and four stars please", "ok")).turns
    asked = inference(task, lm, ranking=ranking, n=1, k=0, propose=lambda *_: PROPOSED, length_normalization=normalization)
    ((_, outcome),) = asked.infer([turn], [{}], [7])
    found = {c.text: c for c in outcome.candidates if c.error is None}
    assert set(found) == {text for text, _ in PROPOSED}
    for text, candidate in found.items():
        direct, channel = (lm._text.encode(task.question(turn, {}, order)) for order in ("direct", "channel"))
        written = lm._text.encode(f"{text[1:]},\n")
        label_ids, text_ids = map(lm._text.encode, task.continuation(text, turn))
        y, p = plain_logprobs(lm, direct, written), plain_logprobs(lm, channel, label_ids)
        x = plain_logprobs(lm, channel + label_ids, text_ids)
        assert candidate.score == pytest.approx(FORMULAS[ranking, normalization](y, p, x), abs=2e-3)
        counts = {"direct": len(y), "prior": len(p), "channel": len(x)}
        assert candidate.tokens == {term: counts[term] for term in candidate.logprobs}
    assert outcome.length_normalization == normalization
    assert ("channel" in candidate.logprobs) == (ranking == "noisy_channel_joint")


def test_a_sample_has_as_many_tokens_as_its_log_probability_is_the_sum_over():
    lm = tiny_lm()
    [branches] = lm.sample_branches(["[agent."], Sampling(n=4, max_new_tokens=12), [3])
    assert [branch.completion().tokens for branch in branches] == [len(branch.token_ids) for branch in branches]


def test_a_merged_reading_has_the_tokens_of_its_likeliest_text():
    spaced = Candidate("a ", {"direct": -3.0}, tokens={"direct": 5})
    likeliest = Candidate("a", {"direct": -1.0}, tokens={"direct": 3})
    for group in ([spaced, likeliest], [likeliest, spaced]):
        (merged,) = merge(group, str.strip)
        assert merged.tokens == {"direct": 3}
        assert score(merged, "direct", "tokens") == pytest.approx(math.log(math.exp(-3) + math.exp(-1)) / 3)


def test_sums_are_compared_as_before_whatever_is_counted():
    plain = label(labeller(), corpus(6))
    for example in plain.values():
        for c in [c for outcome in example.label.tasks.values() for c in outcome.candidates if c.error is None]:
            assert c.score == 0 + c.logprobs["prior"] + c.logprobs["channel"]
            assert set(c.tokens) == set(c.logprobs)
    assert plain == label(labeller(counts_tokens=False), corpus(6))


def test_normalised_labels_are_of_the_same_terms_as_sums():
    sums, means = (label(labeller(k=0, ranking="direct", length_normalization=n), corpus(1)) for n in ("none", "tokens"))
    for task, outcome in means["d0", 0].label.tasks.items():
        other = {c.text: c for c in sums["d0", 0].label.tasks[task].candidates}
        for c in outcome.candidates:
            assert (c.logprobs, c.tokens) == (other[c.text].logprobs, other[c.text].tokens)
            assert c.error or c.score == other[c.text].score / c.tokens["direct"]


def test_label_files_of_older_versions_are_read_and_nothing_is_written_that_was_not_known():
    (example,) = label(labeller(), corpus(1)).values()
    row = json.loads(json.dumps(example.to_json()))
    again = Example.from_json(row)
    candidates = [c for task in row["label"]["tasks"].values() for c in task["candidates"]]
    assert [c.tokens for c in again.label.tasks["dst"].candidates] == [c.tokens for c in example.label.tasks["dst"].candidates]
    assert "length_normalization" not in row["label"]["tasks"]["dst"]
    for candidate in candidates:
        del candidate["tokens"]
    older = Example.from_json(row)
    assert older == example  # a replay of an older run gives equal labels
    assert json.loads(json.dumps(older.to_json())) == row


def test_a_label_says_that_its_scores_are_means():
    (example,) = label(labeller(length_normalization="tokens"), corpus(1)).values()
    again = Example.from_json(json.loads(json.dumps(example.to_json())))
    assert again == example
    assert again.label.tasks["dst"].length_normalization == "tokens"
    outcome = replace(again.label.tasks["dst"], candidates=rank([LONG, SHORT], "direct", length_normalization="tokens"))
    assert reason(replace(outcome, chosen=0)) == (
        "It leads the next reading by 1.00 nats a token. By direct probability alone it would have been S.")


def test_explain_shows_what_each_term_was_divided_by():
    (example,) = label(labeller(), corpus(1)).values()
    drawn = [replace(c, logprobs={term: c.logprobs[term] for term in ("direct", "prior")}) for c in (SHORT, LONG)]
    outcome = TaskLabel(rank(drawn, "pmi", length_normalization="tokens"), 0, length_normalization="tokens")
    task = TaskExplanation("dst", outcome, posterior(outcome.candidates), (), (), "", "direct prompt", "channel prompt", "")
    entry = ManifestEntry("g", "r", 1, "", "train", "", "", 1, 0)
    console = Console(width=160, file=StringIO())
    console.print(show_explanation(Explanation(example, entry, [task]), with_preamble=False))
    text = console.file.getvalue()
    assert "-4.00 / 2" in text and "-10.00 / 10" in text
    assert "continued with each label " in text and "score = direct - prior; / tokens: " in text


def test_where_lengths_are_estimates_no_count_is_stored_and_none_is_made_up():
    class Estimating(ScriptedLM):
        """Counts a fixed length."""

        def count_tokens(self, texts):
            return [7 for _ in texts]

    asked = inference(StateTracking(SCHEMA, "none"), Estimating({"user_intent=[": ["agent.no_change()],"]}), k=0,
                      counts_tokens=False)
    ((_, outcome),) = asked.infer([turns("d", ("east", "ok")).turns[0]], [{}], [7])
    assert [dict(c.tokens) for c in outcome.candidates] == [{"direct": 1}]  # the sample's own
    with pytest.raises(KeyError, match="prior"):
        score(outcome.candidates[0], "noisy_channel_joint", "tokens")


def test_a_reading_whose_prior_alone_is_impossible_has_no_score():
    impossible = Candidate("I", {"direct": -1.0, "prior": -math.inf})
    ranked = rank([impossible, SHORT], "pmi")
    assert [(c.text, c.error) for c in ranked] == [("S", None), ("I", "not_a_number")]
    assert posterior(ranked) == [1.0, 0.0]


@pytest.mark.parametrize(("section", "path", "words"), [
    ({"generation_cfg": {"generation_mode": "greedy", "length_normalization": "tokens"}}, "dst.generation_cfg", "one reading"),
    ({"generation_cfg": {"generation_mode": "noisy_channel_cond", "length_normalization": "tokens"}}, "dst.generation_cfg",
     "same text"),
    ({"generation_cfg": {"length_normalization": "words"}}, "dst.generation_cfg.length_normalization", "'tokens'"),
    ({"generation_cfg": {"length_normalization": "tokens"}, "model": {"model_type": "openai", "server": {"base_url": "http://a"}}},
     "dst", "server.tokenizer"),
])
def test_combinations_that_mean_nothing_are_refused(section, path, words):
    [problem] = problems(minimal(dst=section))
    assert problem.startswith(path) and words in problem


def test_samples_of_a_server_without_a_tokenizer_may_be_compared_per_token():
    section = {"generation_cfg": {"generation_mode": "direct", "length_normalization": "tokens"},
               "model": {"model_type": "openai", "server": {"base_url": "http://a"}}}
    assert parse_job(minimal(dst=section)).dst.generation_cfg.length_normalization == "tokens"


def test_the_fingerprint_is_that_of_before_unless_scores_are_divided():
    plain, said, divided = (parse_job(minimal(dst={"generation_cfg": fields})) for fields in (
        {}, {"length_normalization": "none"}, {"length_normalization": "tokens"}))
    assert plain.fingerprint == said.fingerprint != divided.fingerprint
    assert "length_normalization" not in json.dumps(plain.labelling_options)


def test_a_plan_counts_what_mutual_information_saves():
    dialogues = corpus(4)
    spoken = [turn.user_utterance for dialogue in dialogues for turn in dialogue.turns]
    lm, task = ScriptedLM(), StateTracking(SCHEMA, "none")
    costs = {}
    for mode in ("direct", "pmi", "noisy_channel_cond"):
        section = parse_job(minimal(dst={"generation_cfg": {"generation_mode": mode}})).dst
        costs[mode] = plan_task(section, task, dialogues, [], lm.count_tokens, 2_000).tokens_to_score
    assert costs["direct"] == 0
    assert costs["noisy_channel_cond"] - costs["pmi"] == 8 * sum(lm.count_tokens(spoken))


def test_a_report_counts_what_readings_were_scored_by():
    examples = list(label(labeller(length_normalization="tokens"), corpus(3)).values())
    found = collect("g", [], examples, SCHEMA)
    parsed = [c for e in examples for c in e.label.tasks["dst"].candidates if c.error is None]
    prior = next(row for row in found.terms if (row.task, row.term) == ("dst", "prior"))
    assert (prior.readings, prior.divided) == (len(parsed), len(parsed))
    assert prior.nats == pytest.approx(sum(c.logprobs["prior"] for c in parsed) / len(parsed))
    assert prior.tokens == pytest.approx(sum(c.tokens["prior"] for c in parsed) / len(parsed))
    assert "What readings were scored by" in page(found)
