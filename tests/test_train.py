"""The tiny model's training: resumable, reproducible, and its checkpoint loads as any other."""

from dataclasses import replace
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema, packaged_wording
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Example
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import load
from nc_latent_tod.simulation import Wording, examples, simulate
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.training.loop import TrainConfig, train
from nc_latent_tod.training.packing import call_segments
from nc_latent_tod.training.tiny import renamed, train_tiny
from nc_latent_tod.training.tiny_model import train_tokenizer

SMALL = TrainConfig(steps=4, short_steps=1, long_steps=1, rows=2, length=96, vocabulary=400, width=32, layers=1, heads=2,
                    max_length=256, warmup_steps=2, autocast=False)


def tasks() -> list:
    schema = packaged_schema()
    return [StateTracking(schema, "signatures"), ActTagging(schema, "signatures")]


def batch(step: int) -> list[Example]:
    dialogues = simulate(packaged_schema(), packaged_entities(), Wording.from_json(packaged_wording()), n=3, start=3 * step,
                         seed=5, templates="train")
    return [example for dialogue in dialogues for example in examples(dialogue)]


class StoppedError(Exception):
    """Ends a run from within its report, as a killed process would."""


def weights(checkpoint: Path) -> bytes:
    return (checkpoint / "model.safetensors").read_bytes()


def test_a_run_that_was_stopped_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path) -> None:
    undisturbed = train(tasks(), batch, tmp_path / "a", SMALL)

    def stop_after_two(row: dict) -> None:
        if row["step"] == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(tasks(), batch, tmp_path / "b", SMALL, report=stop_after_two, save_every_s=0)
    rows: list[dict] = []
    resumed = train(tasks(), batch, tmp_path / "b", SMALL, report=rows.append)

    assert rows[0]["step"] in (2, 3), "the run began afresh"
    assert weights(resumed) == weights(undisturbed)


def test_a_run_killed_while_its_tokenizer_was_written_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(self: PreTrainedTokenizerFast, folder: Path) -> None:
        (folder / "tokenizer.json").write_text("half")
        raise StoppedError

    with monkeypatch.context() as patch:
        patch.setattr(PreTrainedTokenizerFast, "save_pretrained", torn)
        with pytest.raises(StoppedError):
            train(tasks(), batch, tmp_path, SMALL)

    assert (train(tasks(), batch, tmp_path, SMALL) / "model.safetensors").is_file()


def test_another_configuration_does_not_continue_a_run(tmp_path: Path) -> None:
    train(tasks(), batch, tmp_path, replace(SMALL, steps=1))

    with pytest.raises(ConfigError, match="'width': \\(32, 64\\)"):
        train(tasks(), batch, tmp_path, replace(SMALL, steps=1, width=64))


def test_a_run_on_other_dialogues_does_not_continue_a_run(tmp_path: Path) -> None:
    train(tasks(), batch, tmp_path, replace(SMALL, steps=1))

    with pytest.raises(ConfigError, match="first_texts_sha256.*follow from schema, entities and wording"):
        train(tasks(), lambda step: batch(step + 1), tmp_path, replace(SMALL, steps=1))


def test_the_checkpoint_loads_and_answers(tmp_path: Path) -> None:
    checkpoint = train(tasks(), batch, tmp_path, replace(SMALL, steps=1))

    lm = load(str(checkpoint), dtype="float32")

    [[completion]] = lm.sample(["agent.respond("], Sampling(n=1, max_new_tokens=4, stop=("\n",)), [0])
    assert completion.logprob < 0
    assert lm.max_length == SMALL.max_length


def test_train_tiny_trains_from_the_packaged_data(tmp_path: Path) -> None:
    rows: list[dict] = []

    checkpoint = train_tiny(packaged_schema(), packaged_entities(), Wording.from_json(packaged_wording()), tmp_path,
                            replace(SMALL, steps=2), rows.append)

    assert (checkpoint / "tokenizer.json").exists()
    assert [row["step"] for row in rows] == [1, 2]


def test_renamed_entities_keep_everything_but_their_names() -> None:
    import random

    entities = packaged_entities()

    again = renamed(entities, random.Random(1))

    changed = 0
    for service, rows in entities.items():
        for before, after in zip(rows, again[service], strict=True):
            assert {k: v for k, v in before.items() if k != "name"} == {k: v for k, v in after.items() if k != "name"}
            changed += before.get("name") != after.get("name")
    assert changed > 20


def test_calls_in_a_row_have_the_tokens_of_their_segments() -> None:
    found = batch(0)
    texts = [task.example(example, order) for example in found for task in tasks() for order in ("direct", "channel")]
    tokenizer = train_tokenizer(texts, 500)

    for task in tasks():
        for first, second in zip(found, found[1:], strict=False):
            segments = call_segments(task, first, "direct") + call_segments(task, second, "direct")

            together = tokenizer.encode("".join(segment.text for segment in segments), add_special_tokens=False)

            apart = [token for segment in segments for token in tokenizer.encode(segment.text, add_special_tokens=False)]
            assert together == apart
