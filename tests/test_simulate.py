"""Simulated dialogues: reproducible, with labels that can be read off the text."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path

import pytest

from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema, packaged_wording
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import ACT_NAMES, ENTITY_ACTS, Act, apply_change
from nc_latent_tod.schema import Schema
from nc_latent_tod.simulation import Wording, examples, simulate
from nc_latent_tod.simulation.surface import NUMBER_WORDS, delexicalise
from nc_latent_tod.simulation.system_templates import HELDOUT as SYSTEM_HELDOUT
from nc_latent_tod.simulation.system_templates import TRAIN as SYSTEM_TRAIN
from nc_latent_tod.simulation.user_templates import HELDOUT as USER_HELDOUT
from nc_latent_tod.simulation.user_templates import TRAIN as USER_TRAIN

SGD = Path(__file__).resolve().parents[2] / "shared" / "data" / "sgd" / "dev" / "schema.json"

CLINIC = [{
    "service_name": "Clinic_1", "description": "book appointments",
    "slots": [{"name": "doctor_name", "description": ""}, {"name": "speciality", "description": ""},
              {"name": "has_lift", "description": "", "possible_values": ["True", "False"]},
              {"name": "visit_date", "description": ""}, {"name": "visit_time", "description": ""},
              {"name": "street", "description": ""}],
    "intents": [{"name": "FindDoctor", "optional_slots": {"speciality": "", "has_lift": ""}},
                {"name": "BookVisit", "is_transactional": True, "required_slots": ["doctor_name", "visit_date", "visit_time"]}],
}]
DOCTORS = {"Clinic_1": [{"doctor_name": n, "speciality": s, "has_lift": y, "street": f"{n.split()[-1]} road"}
                        for n, s, y in (("dr ada pell", "eyes", "True"), ("dr max orn", "skin", "False"),
                                        ("dr ivo lund", "eyes", "False"), ("dr una tark", "teeth", "True"))]}


def packaged(n=200, seed=3, templates="train", **options):
    data = packaged_schema(), packaged_entities(), packaged_wording()
    return list(simulate(*data, n=n, seed=seed, templates=templates, **options))


def check(schema, dialogues):
    """Assert that turns, states and acts fit together and fit the schema."""
    for simulated in dialogues:
        state: dict[str, dict[str, str]] = {}
        last = ""
        assert len(simulated.dialogue.turns) == len(simulated.labels)
        for i, (turn, label) in enumerate(zip(simulated.dialogue.turns, simulated.labels, strict=True)):
            assert (turn.turn_id, turn.last_system_utterance) == (i, last)
            said = f"{last} {turn.user_utterance}"
            for service, slots in label.change.items():
                for slot, value in slots.items():
                    assert slot in schema.service(service).slots_by_name
                    assert value is None or told(value, said, state), (value, said, state)
            state, last = apply_change(state, label.change), turn.system_response
            assert state == label.state
            assert label.acts
            for act in label.acts:
                assert act.act in ACT_NAMES
                assert not act.slot or act.slot in schema.service(act.service).slots_by_name
                assert not act.value or act.act in ENTITY_ACTS
                assert is_yes_or_no(act.value) or act.value.lower() in turn.system_response


def told(value, said, state):
    in_state = any(value in slots.values() for slots in state.values())
    word = NUMBER_WORDS.get(value, value).lower()
    free = value == "dontcare" or is_yes_or_no(value)
    return in_state or free or re.search(rf"\b({re.escape(value.lower())}|{word})\b", said)


def is_yes_or_no(value):
    return value in ("yes", "no", "True", "False")


def test_a_dialogue_depends_on_seed_and_number_alone():
    assert packaged(20) == packaged(20)
    assert packaged(5, start=10) == packaged(15)[10:]
    assert packaged(20) != packaged(20, seed=4)


def test_simulation_is_lazy():
    stream = simulate(packaged_schema(), packaged_entities(), packaged_wording(), n=10**9, seed=1, templates="all")
    assert len(list(islice(stream, 3))) == 3


@pytest.mark.parametrize("templates", ["train", "heldout", "all"])
def test_labels_follow_from_text_and_fit_the_schema(templates):
    check(packaged_schema(), packaged(400, templates=templates))


def test_a_schema_without_wording_can_be_simulated():
    schema = Schema.from_json(CLINIC)
    dialogues = list(simulate(schema, DOCTORS, Wording(), n=200, seed=1, templates="train"))
    check(schema, dialogues)
    states = [d.labels[-1].state.get("Clinic_1", {}) for d in dialogues]
    assert {s for state in states for s in state} == {"doctor_name", "speciality", "has_lift", "visit_date", "visit_time"}


def test_a_schema_of_many_services_can_be_simulated():
    if not SGD.exists():
        pytest.skip(f"no schema-guided corpus at {SGD}")
    schema = Schema.from_json(json.loads(SGD.read_text()))
    entities = {s.name: [{slot.name: (slot.possible_values or (f"{slot.name} {i}",))[i % max(1, len(slot.possible_values))]
                          for slot in s.slots} for i in range(6)] for s in schema.services}
    check(schema, simulate(schema, entities, Wording(), n=200, seed=1, templates="all"))


def test_tables_of_one_sparse_entity_can_be_simulated():
    schema = Schema.from_json(CLINIC)
    rows = {"Clinic_1": [{"doctor_name": "dr ada pell"}]}
    for split in ("all", "train", "heldout"):
        check(schema, simulate(schema, rows, Wording(), n=50, seed=1, templates="all", entity_split=split))


def test_values_are_said_as_they_are():
    schema = Schema.from_json(CLINIC)
    names = ("a and b clinic", "St . Johns , Inn", "vitamin a", "What?")
    rows = {"Clinic_1": [{"doctor_name": name, "speciality": "eyes"} for name in names]}

    dialogues = list(simulate(schema, rows, Wording(), n=100, seed=1, templates="all"))

    named = [(act, turn, label) for d in dialogues for turn, label in zip(d.dialogue.turns, d.labels, strict=True)
             for act in label.acts if act.value in names]
    assert {act.value for act, *_ in named} == set(names)
    for act, turn, label in named:
        assert act.value.lower() in turn.system_response
        assert act.value == "What?" or f"[value_{act.slot}]" in label.delexicalised_response


def test_a_slot_repeats_no_value_of_another_service_that_it_cannot_take():
    def service(name, values):
        return {"service_name": name, "slots": [{"name": "type", "is_categorical": True, "possible_values": values}],
                "intents": [{"name": f"book_{name}", "is_transactional": True, "required_slots": ["type"]}]}

    schema = Schema.from_json([service("museum", ["art", "both"]), service("hotel", ["inn", "both"])])
    states = [d.labels[-1].state for d in simulate(schema, {}, Wording(), n=200, seed=1, templates="all")]

    assert {s["hotel"]["type"] for s in states if "hotel" in s} == {"inn", "both"}
    assert {s["museum"]["type"] for s in states if "museum" in s} == {"art", "both"}


def test_only_what_is_known_of_an_entity_is_asked():
    slots = [*CLINIC[0]["slots"], {"name": "phone", "is_categorical": False, "possible_values": []}]
    rows = {"Clinic_1": [{"doctor_name": "dr ada", "speciality": "eyes", "phone": "12345"}, {"doctor_name": "dr bo"}]}
    schema = Schema.from_json([{**CLINIC[0], "slots": slots}])
    dialogues = list(simulate(schema, rows, Wording(), n=200, seed=1, templates="all"))

    informed = [act for d in dialogues for label in d.labels for act in label.acts if act.act == "Inform"]
    assert ("phone", "12345") in {(act.slot, act.value) for act in informed}
    assert not [t for d in dialogues for t in d.dialogue.turns if ",  for" in t.system_response or ", ." in t.system_response]


def test_the_same_turn_in_the_same_state_never_has_two_labels():
    seen: dict[tuple[str, str, str], object] = {}
    for example in (e for d in packaged(1000, templates="all") for e in examples(d)):
        key = example.turn.last_system_utterance, example.turn.user_utterance, json.dumps(example.prior_state, sort_keys=True)
        assert seen.setdefault(key, example.label.change) == example.label.change, key


def test_no_template_is_both_trained_on_and_held_out():
    for train, heldout in ((USER_TRAIN, USER_HELDOUT), (SYSTEM_TRAIN, SYSTEM_HELDOUT)):
        assert train.keys() == heldout.keys()
        shared = {t for ts in train.values() for t in ts} & {t for ts in heldout.values() for t in ts}
        assert not shared
    for slot in packaged_wording()["slots"].values():
        assert not set(slot.get("heldout", ())) & set(slot.get("phrases", ()))


def test_held_out_entities_never_occur_in_training_text():
    train, heldout = ({v for d in packaged(300, entity_split=split) for s, slots in d.labels[-1].state.items()
                       for slot, v in slots.items() if slot in ("name", "number")} for split in ("train", "heldout"))
    assert train and heldout and not train & heldout


def test_dialogues_have_three_to_eight_turns():
    assert {len(d.dialogue.turns) for d in packaged(1000)} <= set(range(3, 9))


def test_examples_carry_the_prior_state():
    rows = examples(packaged(1)[0])
    assert rows[0].prior_state == {} and rows[0].run_id == "gold"
    assert [r.prior_state for r in rows[1:]] == [r.label.state for r in rows[:-1]]


def test_every_act_and_every_kind_of_change_occurs():
    labels = [label for d in packaged(1000) for label in d.labels]
    assert {a.act for label in labels for a in label.acts} == set(ACT_NAMES)
    values = [v for label in labels for slots in label.change.values() for v in slots.values()]
    assert None in values and "dontcare" in values and "no" in values


def test_delexicalising_gives_equal_values_to_their_acts_in_order():
    acts = [Act("Inform", "hotel", "nights", "2"), Act("Inform", "hotel", "guests", "2")]
    text = delexicalise("2 nights for 2 people, 22 in all", acts)
    assert text == "[value_nights] nights for [value_guests] people, 22 in all"


def test_delexicalising_leaves_yes_and_no_alone():
    acts = [Act("NotifyFailure", "hotel", "parking", "no"), Act("NotifyFailure", "hotel", "area", "east")]
    assert delexicalise("there is no hotel in the east", acts) == "there is no hotel in the [value_area]"


def test_entities_with_a_slot_the_schema_lacks_are_refused():
    with pytest.raises(ConfigError, match="'areas'.*Did you mean 'area'"):
        next(simulate(packaged_schema(), {"hotel": [{"name": "x", "areas": "north"}]}, Wording(), n=1, seed=1, templates="all"))


def test_wording_with_an_unknown_key_is_refused():
    with pytest.raises(ConfigError, match="'phrase'.*'hotel.area'"):
        Wording.from_json({"slots": {"hotel.area": {"phrase": ["in {value}"]}}})
