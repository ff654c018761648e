"""Gold labels for evaluation: MultiWOZ 2.2, SGD and label files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ConfigError, CorpusError
from nc_latent_tod.evaluation.labels.scores import OVERALL, pair, score
from nc_latent_tod.labels import Act, Example, apply_change, gold_label

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def user(**services: dict) -> dict:
    frames = [{"service": name, "state": {"slot_values": values}} for name, values in services.items()]
    return {"speaker": "USER", "utterance": "u", "frames": frames}


def system(*actions: tuple[str, str, list[str]], service: str = "stay") -> dict:
    listed = [{"act": act, "slot": slot, "values": values} for act, slot, values in actions]
    return {"speaker": "SYSTEM", "utterance": "s", "frames": [{"service": service, "actions": listed}]}


def folder(path: Path, *turns: dict) -> Path:
    (path / "dialogues_001.json").write_text(json.dumps([{"dialogue_id": "a", "turns": turns}]))
    return path


def test_the_state_is_cumulative_over_services_that_a_turn_leaves_out(tmp_path):
    gold = load_gold(folder(tmp_path, user(stay={"area": ["East"]}), system(), user(eat={"food": ["thai"]}), system(),
                            user(stay={})))
    assert [g.label.state for g in gold.values()] == [
        {"stay": {"area": "east"}}, {"stay": {"area": "east"}, "eat": {"food": "thai"}}, {"eat": {"food": "thai"}}]
    assert gold["a", 2].label.change == {"stay": {"area": None}}


def test_of_several_accepted_values_the_one_from_before_stays(tmp_path):
    gold = load_gold(folder(tmp_path, user(stay={"stay-time": ["9:00"]}), system(), user(stay={"stay-time": ["Nine", "9:00"]})))
    assert gold["a", 1].label.state == {"stay": {"time": "9:00"}}
    assert gold["a", 1].label.change == {}
    assert gold["a", 1].alternatives == {"stay": {"time": ("nine", "9:00")}}


def test_a_single_value_needs_no_list(tmp_path):
    said = {"act": "INFORM", "slot": "stars", "values": "Four"}
    gold = load_gold(folder(tmp_path, user(stay={"area": "East", "stars": 4}), {**system(), "frames": [
        {"service": "stay", "actions": [said]}]}))

    assert gold["a", 0].label.state == {"stay": {"area": "east", "stars": "4"}}
    assert gold["a", 0].alternatives == {} and gold["a", 0].label.acts == (Act("Inform", "stay", "stars", "four"),)


@pytest.mark.parametrize(("turns", "message"), [
    ([user(stay={"area": {"name": "east"}})], "utterance 0, slot 'area': expected values as text, found {'name': 'east'}"),
    ([user(stay={"area": [None]})], "utterance 0, slot 'area': expected values as text, found None"),
    ([user(), {**system(), "frames": [{"actions": ["INFORM"]}]}], "utterance 1: expected a JSON object, found 'INFORM'")])
def test_values_and_actions_of_another_kind_are_refused_by_place(tmp_path, turns, message):
    with pytest.raises(CorpusError, match=message):
        load_gold(folder(tmp_path, *turns))


@pytest.mark.parametrize("acts", [{"first": {}}, {"1": {"dialog_act": {"Stay-Inform": ["area"]}}},
                                  {"1": {"dialog_act": {"Stay-Inform": [["stars", 4]]}}}])
def test_acts_in_another_layout_are_refused_by_dialogue(tmp_path, acts):
    (tmp_path / "dialog_acts.json").write_text(json.dumps({"a": acts}))

    with pytest.raises(CorpusError, match="the acts of dialogue 'a' are not in the layout"):
        load_gold(folder(tmp_path, user(), system()))


def test_sgd_actions_become_acts(tmp_path):
    actions = [("OFFER", "name", ["Lindsay's", "Pine"]), ("INFORM_COUNT", "count", ["2"]), ("REQUEST", "area", ["a", "b"]),
               ("NOTIFY_FAILURE", "", []), ("REQ_MORE", "", []), ("GOODBYE", "", []), ("CONFIRM", "day", ["Monday"]),
               ("OFFER_INTENT", "intent", ["Book"])]
    gold = load_gold(folder(tmp_path, user(stay={}), system(*actions)))
    assert gold["a", 0].label.acts == (
        Act("Confirm", "stay", "day", "monday"), Act("Goodbye"), Act("Inform", "stay"), Act("NotifyFailure", "stay"),
        Act("Offer", "stay", "name", "lindsay's"), Act("Offer", "stay", "name", "pine"), Act("Request", "stay", "area"))


def test_a_system_turn_without_actions_has_unknown_acts(tmp_path):
    gold = load_gold(folder(tmp_path, user(stay={}), system(("GOODBYE", "", [])), user(stay={}), system(), user(stay={})))
    assert [g.has_acts for g in gold.values()] == [True, False, True]


def test_multiwoz_acts_are_read_by_the_position_of_the_utterance(tmp_path):
    slots = [{"name": f"hotel-{slot}"} for slot in ("bookday", "pricerange", "internet", "ref", "name")]
    (tmp_path / "schema.json").write_text(json.dumps([{"service_name": "hotel", "slots": slots, "intents": []}]))
    acts = {"1": {"Hotel-Inform": [["Price", "Cheap"], ["Internet", "none"], ["Choice", "3"]],
                  "general-reqmore": [["none", "none"]]},
            "2": {"Hotel-Inform": [["Day", "friday"]]},
            "3": {"Booking-Request": [["Day", "?"]], "Booking-Inform": [["none", "none"]],
                  "general-welcome": [["none", "none"]]},
            "5": {"Booking-Book": [["Ref", "ABC"]], "Hotel-NoOffer": [["none", "none"]]}}
    (tmp_path / "dialog_acts.json").write_text(json.dumps({"a": {k: {"dialog_act": v} for k, v in acts.items()}}))
    said = {"speaker": "SYSTEM", "utterance": "s", "frames": []}
    gold = load_gold(folder(tmp_path, *[user(hotel={}), said] * 4))
    assert gold["a", 0].label.acts == (Act("Inform", "hotel", "internet", "yes"), Act("Inform", "hotel", "pricerange", "cheap"))
    assert gold["a", 1].label.acts == (Act("Offer", "hotel"), Act("Request", "hotel", "bookday"), Act("ThankYou"))
    assert gold["a", 2].label.acts == (Act("NotifyFailure", "hotel"), Act("NotifySuccess", "hotel", "ref", "abc"))
    assert [g.has_acts for g in gold.values()] == [True, True, True, False]


def test_turns_are_numbered_as_the_corpus_numbers_them(tmp_path):
    path = folder(tmp_path, system(), user(stay={"area": ["east"]}), user(stay={"area": ["west"]}), system(), user(stay={}))
    assert set(load_gold(path)) == {("a", turn.turn_id) for turn in load_dialogues(path)[0].turns}
    assert load_gold(path)["a", 0].label.state == {"stay": {"area": "west"}}


def test_a_label_file_is_gold(tmp_path):
    label = gold_label({"stay": {"area": "east"}}, {}, [Act("Goodbye")])
    write_examples(tmp_path / "train.jsonl", [Example(Turn("a", 0, "", "hi", "bye"), {}, label)])
    for path in (tmp_path, tmp_path / "train.jsonl"):
        assert load_gold(path)["a", 0].label == label
    write_examples(tmp_path / "dev.jsonl.gz", [Example(Turn("a", 0, "", "hi", "bye"), {}, label)])
    with pytest.raises(CorpusError, match="turn 0 of dialogue 'a' twice"):
        load_gold(tmp_path)


def test_what_is_no_gold_says_so(tmp_path):
    with pytest.raises(CorpusError, match="no such file or folder"):
        load_gold(tmp_path / "none")
    with pytest.raises(CorpusError, match="no gold labels here"):
        load_gold(tmp_path)
    with pytest.raises(ConfigError, match="Did you mean 'multiwoz'"):
        load_gold(tmp_path, "multiwos")
    plain = {"dialogue_id": "a", "turns": [{"speaker": "user", "utterance": "u"}]}
    (tmp_path / "dialogues_001.json").write_text(json.dumps([plain]))
    with pytest.raises(CorpusError, match=r"dialogues_001.json\[0\], utterance 0: no 'frames'"):
        load_gold(tmp_path)


@pytest.fixture(scope="module", params=["multiwoz/dev", "sgd/dev"])
def real(request):
    if not DATA.is_dir():
        pytest.skip(f"needs the real dialogues in {DATA}")
    return request.param, load_gold(DATA / request.param)


def test_the_real_gold_covers_every_turn_and_its_changes_add_up(real):
    path, gold = real
    assert set(gold) == {(d.dialogue_id, t.turn_id) for d in load_dialogues(DATA / path) for t in d.turns}
    assert len(gold) == {"multiwoz/dev": 7365, "sgd/dev": 19384}[path]
    assert all(g.has_acts for g in gold.values())
    for (dialogue_id, turn_id), g in gold.items():
        prior = gold[dialogue_id, turn_id - 1].label.state if turn_id else {}
        assert apply_change(prior, g.label.change) == g.label.state


def test_the_real_gold_against_itself_is_perfect(real):
    _, gold = real
    pairs = pair([Example(Turn(d, t, "", "", ""), {}, g.label) for (d, t), g in gold.items()], gold)
    scores = score(pairs, resamples=20)
    assert {name: e.value for name, e in scores.overall.items()} == {name: float(name != "failed_turns") for name in OVERALL}
    assert {e.value for metrics in scores.by_service.values() for e in metrics.values()} <= {1.0, None}
