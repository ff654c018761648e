"""Gold annotations never reach the labeller: changing them changes no label."""

import dataclasses
import json
import random
from pathlib import Path

from toy_jobs import backends, job

from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.pipeline.run import run_job

SAID = [("USER", "a room in the east please"), ("SYSTEM", "The mill has 4 stars."), ("USER", "book it, with a garage"),
        ("SYSTEM", "Done. Goodbye."), ("USER", "thanks")]


def annotations(rng):
    """Frames, states and acts of one utterance, drawn at random."""
    value = rng.choice(["east", "north", "4", "the mill", ""])
    frame = {"service": rng.choice(["stay", "Rides_2"]),
             "actions": [{"act": rng.choice(["INFORM", "OFFER"]), "values": [value]}],
             "slots": [{"slot": "stay-area", "value": value, "start": rng.randrange(9), "exclusive_end": 12}],
             "state": {"active_intent": rng.choice(["FindStay", "NONE"]), "slot_values": {"stay-area": [value]},
                       "requested_slots": rng.sample(["stay-name", "stay-stars"], rng.randrange(3))}}
    return {"frames": [frame] * rng.randrange(3), "dialog_act": {"Stay-Inform": [["area", value]]}, "span_info": [value]}


def write_corpus(folder: Path, seed: int | None) -> Path:
    """Four dialogues in the layout of MultiWOZ 2.2; without a seed, without annotations."""
    rng, dialogues = random.Random(seed), []
    for number in range(4):
        turns = [{"speaker": speaker, "utterance": f"{text} {number}", "turn_id": str(i),
                  **({} if seed is None else annotations(rng))} for i, (speaker, text) in enumerate(SAID)]
        gold = {} if seed is None else {"services": [rng.choice(["stay", "Rides_2"])], "goal": {"stay": {"area": "east"}}}
        dialogues.append({"dialogue_id": f"D{number}.json", "turns": turns, **gold})
    folder.mkdir(parents=True)
    (folder / "dialogues_001.json").write_text(json.dumps(dialogues))
    return folder


def test_changing_the_gold_changes_no_byte_of_the_labels(tmp_path):
    label_files = []
    for name, seed in [("bare", None), ("one", 1), ("two", 2)]:
        dialogues = load_dialogues(write_corpus(tmp_path / name / "dev", seed), format="multiwoz")
        entry = run_job(job(tmp_path / name), backends(tmp_path / name, dialogues=dialogues)).entry
        label_files.append(Path(entry.labels_url).read_bytes())
    assert (tmp_path / "one/dev/dialogues_001.json").read_bytes() != (tmp_path / "two/dev/dialogues_001.json").read_bytes()
    assert label_files[0] == label_files[1] == label_files[2]


def test_changing_the_text_changes_the_labels(tmp_path):
    hashes = set()
    for name in ("one", "two"):
        folder = write_corpus(tmp_path / name / "dev", 1)
        text = (folder / "dialogues_001.json").read_text()
        (folder / "dialogues_001.json").write_text(text.replace("Done.", "Done!") if name == "two" else text)
        dialogues = load_dialogues(folder, format="multiwoz")
        hashes.add(run_job(job(tmp_path / name), backends(tmp_path / name, dialogues=dialogues)).entry.sha256)
    assert len(hashes) == 2


def test_turns_and_dialogues_have_no_place_for_annotations():
    assert {field.name: field.type for field in dataclasses.fields(Turn)} == {
        "dialogue_id": "str", "turn_id": "int", "last_system_utterance": "str", "user_utterance": "str",
        "system_response": "str"}
    assert {field.name: field.type for field in dataclasses.fields(Dialogue)} == {
        "dialogue_id": "str", "turns": "tuple[Turn, ...]"}
    assert not hasattr(Turn("d", 0, "", "", ""), "__dict__")
    assert not hasattr(Dialogue("d", ()), "__dict__")
