"""Labels depend on the dialogue, the pool and the seed, and on nothing else; what fails says so."""

import math

import pytest
from toy_labelling import corpus, inference, label, labeller, seed_pool, turns
from toy_schema import SCHEMA

from nc_latent_tod.errors import ConfigError, InterruptedJobError
from nc_latent_tod.labelling.labeller import warmup_groups
from nc_latent_tod.labelling.outcome import NO_CANDIDATE_PARSED
from nc_latent_tod.labels import Act
from nc_latent_tod.lm.scripted import ScriptedLM
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking

EAST, NONSENSE = 'agent.find_stay(area="east")],', "import os"


def answering(dst=(EAST,), acts=("Goodbye()],",), **options):
    """A model with the same possible answers to every turn."""
    return ScriptedLM({"user_intent=[": dst, "system_acts=[": acts}, **options)


def infer(task_inference, utterance, seed=7):
    """The candidates of one turn without examples, and the completions that they came from."""
    (turn,) = turns("d", (utterance, "ok")).turns
    prompt = task_inference.task.preamble + task_inference.task.question(turn, {}, "direct")
    (drawn,) = task_inference.lm.sample([prompt], task_inference.sampling, [seed])
    ((_, outcome),) = task_inference.infer([turn], [{}], [seed])
    return outcome.candidates, drawn


def only(labels):
    (example,) = labels.values()
    return example


@pytest.mark.parametrize("ranking", ["greedy", "direct", "noisy_channel_cond", "noisy_channel_joint"])
def test_the_batch_size_changes_no_label(ranking):
    one, sixteen = (label(labeller(batch_size=size, ranking=ranking), corpus(8)) for size in (1, 16))
    assert one == sixteen
    assert len({repr(example.label.change) for example in one.values()}) > (1 if ranking != "greedy" else 0)


@pytest.mark.parametrize("fields", [{"k": 0}, {"add_predictions": False}])
def test_the_order_of_dialogues_changes_no_label_where_the_pool_is_the_same(fields):
    seeds = list(label(labeller(run_id="earlier"), corpus(5)).values())
    first, second = labeller(batch_size=3, **fields), labeller(batch_size=3, **fields)
    seed_pool(first, seeds)
    seed_pool(second, seeds[::-1])
    dialogues = corpus(9)[5:]
    assert label(first, dialogues) == label(second, dialogues[::-1])


def test_the_seed_and_the_pool_change_labels():
    seeds = list(label(labeller(run_id="earlier"), corpus(5)).values())
    seeded = labeller()
    seed_pool(seeded, seeds)
    plain = label(labeller(), corpus(8))
    assert plain != label(seeded, corpus(8))
    assert plain != label(labeller(seed=1), corpus(8))


def test_labels_taken_over_give_the_rest_as_an_undisturbed_run_would():
    whole = label(labeller(batch_size=3), corpus(6))
    for cut in range(0, len(whole), 3):
        known = dict(list(whole.items())[:cut])
        rest = label(labeller(batch_size=2), corpus(6), known=known)
        assert not rest.keys() & known.keys()
        assert known | rest == whole


def test_a_request_to_stop_is_heard_between_two_batches():
    found, asked = {}, iter([False, False, True])
    with pytest.raises(InterruptedJobError, match="run: asked to stop"):
        for batch in labeller(batch_size=2).label([corpus(8)], should_stop=lambda: next(asked)):
            found.update({e.turn.key: e for e in batch})
    assert len(found) == 4
    assert found.items() <= label(labeller(), corpus(8)).items()


def test_the_pool_grows_after_a_wave_and_not_within_it():
    labels = label(labeller(answering(), batch_size=1, k=8), corpus(4))
    for (_, turn_id), example in labels.items():
        shown = [example_id.split("/") for example_id, _ in example.label.tasks["dst"].retrieved]
        assert all(int(earlier) < turn_id for _, _, earlier in shown)
        assert len(shown) == min(8, sum(earlier < turn_id for _, earlier in labels))  # all of the waves before, at most k


def test_a_group_sees_the_labels_of_the_groups_before_it():
    labels = label(labeller(answering(), k=8), corpus(4)[:2], corpus(4)[2:])
    shown = [example_id for example_id, _ in labels["d2", 0].label.tasks["dst"].retrieved]
    assert sorted(shown) == ["run/d0/0", "run/d1/0", "run/d1/1"]


def test_no_examples_are_shown_before_the_pool_is_warm():
    labels = label(labeller(answering(), k=8, example_warmup=6), corpus(4))  # waves of 4, 3, 2 and 1 turns
    shown = {turn_id: len(example.label.tasks["dst"].retrieved) for (_, turn_id), example in labels.items()}
    assert shown == {0: 0, 1: 0, 2: 7, 3: 8}


def test_a_pool_smaller_than_k_gives_what_it_has():
    one = labeller(answering(), k=8, add_predictions=False)
    seed_pool(one, list(label(labeller(answering()), [turns("e", ("east", "ok"))]).values()))
    assert len(only(label(one, [turns("d", ("east", "ok"))])).label.tasks["dst"].retrieved) == 1


def test_an_earlier_label_of_a_turn_is_no_example_for_it():
    dialogue = turns("d", ("a room in the east", "the mill"), ("four stars please", "the inn"))
    before = list(label(labeller(run_id="round_0"), [dialogue]).values())
    again = labeller(run_id="round_1", add_predictions=False)
    seed_pool(again, before)

    found = label(again, [dialogue])

    assert found["d", 0].label.tasks["dst"].retrieved == ()
    assert [name for name, _ in found["d", 1].label.tasks["dst"].retrieved] == ["round_0/d/0"]


def test_without_add_predictions_the_pool_stays_as_it_is():
    fixed = labeller(answering(), add_predictions=False)
    label(fixed, corpus(4))
    assert len(fixed.dst.pool.retriever) == len(fixed.act_tag.pool.retriever) == 0


def test_where_the_likeliest_candidate_does_not_parse_the_next_one_is_taken():
    examples = label(labeller(answering((NONSENSE, EAST)), n=8), corpus(6)).values()
    both = [e.label for e in examples if len(e.label.tasks["dst"].candidates) == 2]
    assert both
    for found in both:
        good, bad = found.tasks["dst"].candidates
        assert (found.tasks["dst"].chosen, found.tasks["dst"].failure, found.state) == (0, None, {"stay": {"area": "east"}})
        assert (bad.text, bad.error, bad.score, good.count + bad.count) == (NONSENSE, "syntax", None, 8)
        assert good.score == pytest.approx(good.logprobs["prior"] + good.logprobs["channel"])


def test_where_no_candidate_parses_the_state_is_carried_over_and_the_label_says_so():
    def script(prompt):
        return [NONSENSE] if "two" in prompt and prompt.endswith("user_intent=[") else \
            [EAST] if prompt.endswith("user_intent=[") else ["Inform(entity='hotel')],"]

    labels = label(labeller(ScriptedLM(script), k=0), [turns("d", ("one", "x"), ("two", ""), ("three", ""))])
    assert [labels["d", t].label.state for t in range(3)] == [{"stay": {"area": "east"}}] * 3
    assert labels["d", 1].label.change == {}
    assert labels["d", 1].label.failures == {"dst": NO_CANDIDATE_PARSED}
    assert labels["d", 0].label.failures == {"act_tag": NO_CANDIDATE_PARSED}
    assert labels["d", 0].label.acts == ()
    assert labels["d", 1].label.tasks["dst"].candidates[0].text == NONSENSE


def test_a_failed_label_seeds_nothing_and_a_good_one_does():
    half = labeller(answering((NONSENSE,)))
    label(half, corpus(4))
    assert (len(half.dst.pool.retriever), len(half.act_tag.pool.retriever)) == (0, 10)
    later = labeller()
    seed_pool(later, list(label(labeller(answering(acts=(NONSENSE,))), corpus(4)).values()))
    assert (len(later.dst.pool.retriever), len(later.act_tag.pool.retriever)) == (10, 0)


def test_an_empty_utterance_fails_by_name_and_an_absent_response_has_no_acts():
    labels = label(labeller(answering()), [turns("d", (" \n", "hello"), ("east", ""))])
    assert labels["d", 0].label.failures == {"dst": "empty_utterance"}
    assert labels["d", 0].label.acts == (Act("Goodbye"),)
    assert labels["d", 1].label.failures == {}
    assert labels["d", 1].label.acts == ()
    assert labels["d", 1].label.tasks["act_tag"].candidates == ()


def test_the_candidates_of_one_task_are_not_those_of_the_other():
    for example in label(labeller(), corpus(6)).values():
        for task, ending in (("dst", "agent."), ("act_tag", "(")):
            parsed = [c.text for c in example.label.tasks[task].candidates if c.error is None]
            assert all(ending in text or text == "[]" for text in parsed)
            assert all(text.startswith("[agent.") == (task == "dst") for text in parsed)


@pytest.mark.parametrize("completion", ["", " ", "agent", "]", "[", "\n", "É"])
def test_a_completion_of_one_token_or_none_is_a_candidate_like_any_other(completion):
    found = only(label(labeller(answering((completion,), (completion,))), [turns("d", ("east", "ok"))])).label
    reads = completion == "]"  # an empty list is one
    assert found.failures == ({} if reads else {"dst": NO_CANDIDATE_PARSED, "act_tag": NO_CANDIDATE_PARSED})


def test_an_unfinished_completion_is_not_taken():
    found = only(label(labeller(answering(("agent.no_change()] " * 60,))), [turns("d", ("east", "ok"))])).label
    assert found.failures == {"dst": NO_CANDIDATE_PARSED}
    assert found.tasks["dst"].candidates[0].error == "unfinished"


def test_a_text_that_is_too_long_once_it_is_canonical_is_no_candidate():
    quotes = f"""agent.find_stay(name='{'"' * 2_500}')],"""  # every quote takes two characters in canonical text
    found = only(label(labeller(answering((quotes, EAST)), n=8), [turns("d", ("east", "ok"))])).label
    assert found.state == {"stay": {"area": "east"}}
    assert [c.error for c in found.tasks["dst"].candidates] == [None, "too_long"]


def test_texts_that_differ_in_outer_spaces_alone_are_both_counted():
    tracking = inference(StateTracking(SCHEMA), answering((" " + EAST, EAST)), n=8, k=0)
    candidates, drawn = infer(tracking, "east")
    apart = {completion.text: completion.logprob for completion in drawn}
    assert [(c.count, len(apart)) for c in candidates] == [(8, 2)]
    assert candidates[0].logprobs["direct"] == pytest.approx(math.log(sum(map(math.exp, apart.values()))))


def test_a_dialogue_of_two_hundred_turns_is_labelled_to_its_end():
    long = turns("long", *((f"east please {i}", f"ok {i}") for i in range(200)))
    labels = label(labeller(answering(), k=1), [long, *corpus(2)])
    assert len(labels) == 203
    assert not any(example.label.failures for example in labels.values())


def test_an_utterance_that_is_too_long_fails_by_name_and_the_others_go_on():
    lm = answering(max_length=200)
    huge = turns("huge", ("word " * 4_000, "ok"), ("east", "ok"), ("east", "word " * 4_000), ("east", "ok"))
    labels = label(labeller(lm, batch_size=4), [huge, *corpus(4)])
    failures = {key: example.label.failures for key, example in labels.items() if example.label.failures}
    assert failures == {("huge", 0): {"dst": "prompt_too_long"}, ("huge", 2): {"act_tag": "prompt_too_long"}}
    assert labels["huge", 3].label.state == {"stay": {"area": "east"}}  # the oldest text was cut there


def test_a_model_that_no_turn_can_fit_is_refused_before_the_first():
    with pytest.raises(ConfigError, match="dst: no turn fits .* takes 9 tokens .* 30, -26 are left"):
        labeller(answering(max_length=30))


def test_a_prompt_that_the_model_itself_refuses_is_one_failed_label():
    class Strict(ScriptedLM):
        """Counts fewer tokens than it takes."""

        def count_tokens(self, texts):
            return [len(text.split()) // 20 for text in texts]

    lm = Strict({"user_intent=[": (EAST,), "system_acts=[": ("Goodbye()],",)}, max_length=150)
    labels = label(labeller(lm, k=0), [turns("huge", ("word " * 200, "ok")), turns("d", ("east", "ok"))])
    assert labels["huge", 0].label.failures == {"dst": "prompt_too_long"}
    assert labels["d", 0].label.failures == {}


@pytest.mark.parametrize("text", ["غرفة في الشرق 🏨", "👩‍👩‍👧 \u200fא\u200f", "a\u2028b\x00\x1b\r\n\\n\"'", "{0} %s ${x} #"])
def test_text_is_kept_as_it_is(text):
    found = only(label(labeller(answering()), [turns("d", (text, text))]))
    assert (found.turn.user_utterance, found.turn.system_response) == (text, text)
    assert found.label.delexicalised_response == text
    assert found.label.failures == {}


def test_a_label_keeps_every_candidate_with_its_terms_and_the_examples_that_it_saw():
    labels = label(labeller(provenance={"job": "1", "model": "2", "code": "3"}), corpus(8))
    example = labels["d4", 4]
    assert example.label.provenance == {"job": "1", "model": "2", "code": "3"}
    for outcome in example.label.tasks.values():
        assert sum(c.count for c in outcome.candidates) == 4
        assert len(outcome.retrieved) == 2
        assert outcome.retrieved[0][1] <= outcome.retrieved[1][1]  # nearest last
        assert all(set(c.logprobs) == ({"direct"} if c.error else {"direct", "prior", "channel"}) for c in outcome.candidates)


def test_best_of_keeps_the_likeliest_samples():
    tracking = inference(StateTracking(SCHEMA), answering((EAST, NONSENSE)), n=8, k=0, keep=1, ranking="direct")
    candidates, drawn = infer(tracking, "east")
    assert len({completion.logprob for completion in drawn}) == 2
    assert [(c.count, c.logprobs["direct"]) for c in candidates] == [(1, max(completion.logprob for completion in drawn))]


def test_the_state_before_a_turn_plays_no_part_in_its_acts():
    tagging = inference(ActTagging(SCHEMA, "signatures"), k=0)
    (turn,) = turns("d", ("east", "ok")).turns
    assert tagging.infer([turn], [{}], [7]) == tagging.infer([turn], [{"stay": {"area": "east"}}], [7])


def test_groups_are_the_warmup_and_parts_of_nearly_equal_size():
    dialogues = corpus(10)
    sizes = {(w, p): [len(g) for g in warmup_groups(dialogues, w, p)] for w, p in [(3, 3), (0, 4), (10, 4), (20, 1), (9, 4)]}
    assert sizes == {(3, 3): [3, 3, 2, 2], (0, 4): [3, 3, 2, 2], (10, 4): [10], (20, 1): [10], (9, 4): [9, 1]}
    assert [d for g in warmup_groups(dialogues, 3, 3) for d in g] == dialogues
