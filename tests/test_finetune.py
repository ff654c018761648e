"""Fine-tuning: on labels alone, resumable, stopped with a reason, and loaded as any other model."""

from pathlib import Path

import pytest
from toy_labels import configuration, dataset, failed, labelled, tiny_base

from nc_latent_tod.config.finetune import parse_finetune
from nc_latent_tod.corpus.formats.published import read_published
from nc_latent_tod.corpus.packaged import packaged_schema
from nc_latent_tod.errors import ConfigError, CorpusError, InterruptedJobError, ModelError
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import load
from nc_latent_tod.tasks.dst import StateTracking
from nc_latent_tod.training.finetune.material import NOT_A_TARGET, Packs, collate, gather
from nc_latent_tod.training.finetune.run import _Trainer, finetune
from nc_latent_tod.training.mixture import Packer, Part


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> str:
    return dataset(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_base(tmp_path_factory.mktemp("base"))


def weights(checkpoint: str) -> bytes:
    return next(Path(checkpoint).glob("*.safetensors")).read_bytes()


def test_published_labels_come_back_as_they_were(published: str) -> None:
    splits = read_published(published)

    found = {e.example_id: e for split in splits.values() for e in split}
    assert {len(splits["train"]) + len(splits["validation"]), len(labelled())} == {len(found)}
    for example in labelled():
        again = found[example.example_id]
        assert again.turn == example.turn
        assert (again.label.state, again.label.change, again.prior_state) == (
            example.label.state, example.label.change, example.prior_state)
        assert sorted(again.label.acts) == sorted(example.label.acts)


def test_a_failed_turn_is_not_learnt_from(tmp_path: Path, base: str) -> None:
    turns = tuple(failed(e, "dst") if e.turn.turn_id == 1 else e for e in labelled())

    material = gather(parse_finetune(configuration(dataset(tmp_path, turns), base)))

    tracked, tagged = (material.train[0][1][task] for task in ("dst", "act_tag"))
    assert material.counts["dst"] == len(tracked) > 0
    assert not [e for e in tracked if e.turn.turn_id == 1]
    assert [e for e in tagged if e.turn.turn_id == 1]


def test_packs_too_short_for_any_question_are_refused() -> None:
    packer = Packer({"dst": StateTracking(packaged_schema(), "none")}, [Part("dst", "direct", 1.0)],
                    lambda text: list(text.encode()))

    with pytest.raises(ConfigError, match="no whole question: training.length is 40"):
        Packs(packer, [(1.0, {"dst": labelled()})], packs=1, length=40, seed="s")[0]


def test_the_loss_counts_what_a_model_is_asked_for_and_nothing_else() -> None:
    task, example = StateTracking(packaged_schema(), "signatures"), labelled()[1]
    packer = Packer({"dst": task}, [Part("dst", "direct", 1.0)], lambda text: list(text.encode()), calls=1)
    packs = Packs(packer, [(1.0, {"dst": [example]})], packs=1, length=5_000, seed="s", leading=[7])

    row = packs[0]

    asked = bytes(t for t in row["labels"] if t != NOT_A_TARGET).decode()
    assert asked == f"{task.print(example.label.change)[1:]},\n"
    assert bytes(row["input_ids"][1:]).decode() == task.preamble + task.example(example, "direct")
    assert row["input_ids"][0] == 7


def test_packs_are_padded_without_weight() -> None:
    batch = collate([{"input_ids": [5, 6, 7], "labels": [NOT_A_TARGET, 6, 7]}, {"input_ids": [5], "labels": [5]}])

    assert batch["labels"].tolist() == [[NOT_A_TARGET, 6, 7], [5, NOT_A_TARGET, NOT_A_TARGET]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_a_run_that_was_stopped_ends_with_the_weights_of_an_undisturbed_one(tmp_path: Path, published: str, base: str) -> None:
    config = parse_finetune(configuration(published, base))
    undisturbed = finetune(config, tmp_path / "a")
    seen: list[int] = []

    with pytest.raises(InterruptedJobError, match="stopped after 3 of 4"):
        finetune(config, tmp_path / "b", report=lambda row: seen.append(row["step"]), should_stop=lambda: seen[-1:] == [3])
    for torn, state in ((8, '{"epoch": 0.'), (9, None)):  # killed while they were written
        (tmp_path / "b" / "checkpoints" / f"checkpoint-{torn}").mkdir()
        if state:
            (tmp_path / "b" / "checkpoints" / f"checkpoint-{torn}" / "trainer_state.json").write_text(state)
    resumed = finetune(config, tmp_path / "b", report=lambda row: seen.append(row["step"]))

    assert seen == [1, 2, 3, 4]
    assert weights(resumed.checkpoint) == weights(undisturbed.checkpoint) != weights(base)
    assert finetune(config, tmp_path / "b", report=lambda row: pytest.fail("it was finished")) == resumed


def test_adapters_of_one_seed_are_equal(tmp_path: Path, published: str, base: str) -> None:
    def adapter(folder: str, stopped_at: int | None = None) -> bytes:
        config = parse_finetune({**configuration(published, base), "lora": {"r": 2, "dropout": 0.2}})
        seen: list[int] = []
        if stopped_at is not None:
            with pytest.raises(InterruptedJobError):
                finetune(config, tmp_path / folder, report=lambda row: seen.append(row["step"]),
                         should_stop=lambda: seen[-1] == stopped_at)
        return weights(finetune(config, tmp_path / folder).checkpoint)

    assert adapter("a") == adapter("b") == adapter("c", stopped_at=3)


def test_the_checkpoint_is_a_model_of_a_job(tmp_path: Path, published: str, base: str) -> None:
    whole = finetune(parse_finetune(configuration(published, base, steps=1)), tmp_path / "whole")
    adapted = finetune(parse_finetune({**configuration(published, base, steps=1), "lora": {"r": 2}}), tmp_path / "lora")

    for lm in (load(whole.checkpoint), load(base, adapter=adapted.checkpoint)):
        [[completion]] = lm.sample(["agent.handle_turn("], Sampling(n=1, max_new_tokens=3), [0])
        assert completion.logprob < 0
    assert adapted.is_adapter and not whole.is_adapter


def test_training_lowers_the_held_out_loss_and_stops_when_it_no_longer_does(tmp_path: Path, published: str, base: str) -> None:
    short = finetune(parse_finetune(configuration(published, base, steps=2)), tmp_path / "short")
    longer = finetune(parse_finetune(configuration(published, base, steps=16, evaluate_every=8)), tmp_path / "longer")
    wild = finetune(parse_finetune(configuration(published, base, steps=20, evaluate_every=1, patience=1, learning_rate=3.0,
                                                 warmup_steps=0)), tmp_path / "wild")

    assert longer.heldout_loss < short.heldout_loss
    assert wild.stopped_early and wild.steps < 20


def test_a_run_that_was_stopped_loses_no_patience(tmp_path: Path, published: str, base: str) -> None:
    config = parse_finetune(configuration(published, base, steps=20, evaluate_every=1, patience=3, learning_rate=3.0,
                                          warmup_steps=0))
    undisturbed = finetune(config, tmp_path / "a")
    seen: list[int] = []

    with pytest.raises(InterruptedJobError):
        finetune(config, tmp_path / "b", report=lambda row: seen.append(row["step"]),
                 should_stop=lambda: seen[-1] == undisturbed.steps - 1)

    assert finetune(config, tmp_path / "b").steps == undisturbed.steps < 20


def test_the_loss_that_is_shown_is_that_of_a_whole_step(tmp_path: Path, published: str, base: str) -> None:
    def shown(rows: int, accumulation: int) -> float:
        losses: list[float] = []
        config = configuration(published, base, steps=1, rows=rows, gradient_accumulation=accumulation)
        finetune(parse_finetune(config), tmp_path / f"{rows}", report=lambda row: losses.append(row["loss"]))
        return losses[0]

    assert shown(1, 4) == pytest.approx(shown(4, 1), rel=1e-3)  # the same four packs


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_checkpoint(
        tmp_path: Path, published: str, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    original = _Trainer.training_step

    def overflow(self, model, *args, **kwargs):  # type: ignore[no-untyped-def]
        if self.state.global_step == 3:
            next(model.parameters()).data.fill_(float("nan"))
        return original(self, model, *args, **kwargs)

    monkeypatch.setattr(_Trainer, "training_step", overflow)
    with pytest.raises(ModelError, match=r"loss is nan at step 3.*last good checkpoint is .*checkpoint-2"):
        finetune(parse_finetune(configuration(published, base)), tmp_path)
    assert (tmp_path / "checkpoints" / "checkpoint-2" / "model.safetensors").is_file()
    assert not (tmp_path / "finetuned.json").exists()


def test_too_few_labels_are_refused_before_a_model_is_loaded(tmp_path: Path, published: str) -> None:
    config = configuration(published, "no/such_model")
    config["data"]["minimum_labels"] = 10_000

    with pytest.raises(ConfigError, match=r"too few labelled turns to learn from: dst \d+, act_tag \d+"):
        finetune(parse_finetune(config), tmp_path)


def test_a_folder_of_another_run_or_tokenizer_is_refused(tmp_path: Path, published: str, base: str) -> None:
    finetune(parse_finetune(configuration(published, base, steps=1)), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"'training.steps': \(1, 2\)"):
        finetune(parse_finetune(configuration(published, base, steps=2)), tmp_path / "run")

    (tmp_path / "run" / "finetuned.json").unlink()
    (tmp_path / "run" / "tokenizer.sha256").write_text("another")
    with pytest.raises(ModelError, match="of another tokenizer"):
        finetune(parse_finetune(configuration(published, base, steps=1)), tmp_path / "run")


def test_a_tokenizer_that_is_larger_than_its_model_is_refused(tmp_path: Path, published: str) -> None:
    small, large = tiny_base(tmp_path / "small", vocabulary=300), tiny_base(tmp_path / "large", vocabulary=420)
    Path(small, "tokenizer.json").write_bytes(Path(large, "tokenizer.json").read_bytes())

    with pytest.raises(ModelError, match="not of the same checkpoint"):
        finetune(parse_finetune(configuration(published, small)), tmp_path / "run")


def test_figures_are_tracked_in_mlflow(tmp_path: Path, published: str, base: str) -> None:
    from mlflow.tracking import MlflowClient

    finetune(parse_finetune({**configuration(published, base), "tracking": {"run_name": "first"}}), tmp_path)

    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    [run] = client.search_runs([client.get_experiment_by_name("nc_latent_tod").experiment_id])
    assert (run.info.run_name, run.info.status) == ("first", "FINISHED")
    assert [m.step for m in client.get_metric_history(run.info.run_id, "eval_loss")] == [2, 4]


def test_simulated_labels_are_mixed_in_by_their_share() -> None:
    own, also = labelled()[:5], labelled()[20:25]
    packer = Packer({"dst": StateTracking(packaged_schema(), "none")}, [Part("dst", "direct", 1.0)],
                    lambda text: list(text.encode()), calls=1)
    packs = Packs(packer, [(0.75, {"dst": own}), (0.25, {"dst": also})], packs=200, length=600, seed="s")

    theirs = sum(any(e.turn.user_utterance in bytes(packs[i]["input_ids"]).decode() for e in also) for i in range(200))

    assert 30 <= theirs <= 70  # binomial: 50 with a standard deviation of 6


@pytest.mark.parametrize(("change", "message"), [
    ({"lorra": None}, "lorra = null: unknown key. Did you mean 'lora'?"),
    ({"training": {"step": 3}}, "Did you mean 'steps'?"),
    ({"mixture": [{"task": "dst"}, {"task": "dst"}]}, "the mixture has dst direct twice"),
    ({"mixture": [{"task": "acts"}]}, "not a choice"),
])
def test_a_configuration_is_checked_whole(change: dict, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_finetune({**configuration("d", "m"), **change}, "finetune.json")

    assert message in str(raised.value)


def test_what_is_no_published_dataset_says_so(tmp_path: Path, published: str) -> None:
    with pytest.raises(CorpusError, match=f"Did you mean '{published}'"):
        read_published(str(Path(published).parent))
    with pytest.raises(CorpusError, match="no such folder"):
        read_published("./nowhere")


def test_the_same_seed_gives_the_same_packs() -> None:
    packer = Packer({"dst": StateTracking(packaged_schema(), "none")}, [Part("dst", "direct", 1.0)],
                    lambda text: list(text.encode()))
    made = [Packs(packer, [(1.0, {"dst": labelled()})], packs=3, length=200, seed=seed)[2] for seed in ("a", "a", "b")]

    assert made[0] == made[1] != made[2]
