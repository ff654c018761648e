"""EM: rounds with lineage, from any interruption to the same end, stopped by a rule that can be read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from toy_labels import configuration, labelled, tiny_base

from nc_latent_tod.api.connect import open_queue
from nc_latent_tod.cli.workers import run_queue
from nc_latent_tod.config.em import finetune_of, job_of, parse_em
from nc_latent_tod.config.trust import Trust
from nc_latent_tod.errors import ConfigError, RetryableError
from nc_latent_tod.evaluation.labels.agreement import agreement, health, issues
from nc_latent_tod.labels import Candidate, Example, TaskLabel
from nc_latent_tod.rounds.bootstrap import bootstrap_config
from nc_latent_tod.rounds.em import Steps, run_em
from nc_latent_tod.rounds.picture import rounds_svg
from nc_latent_tod.training.finetune.run import finetune


def em_data(base: str, **changes: Any) -> dict[str, Any]:
    """Six dialogues labelled by proposals, then by a model of 20 k parameters that weighs them."""
    learning = configuration("", base)
    learning["data"].pop("dataset")
    reading = {"generation_cfg": {"preamble": "none", "proposals": 3, "generation_mode": "direct",
                                  "sampling_args": {"n": 1, "max_new_tokens": 8}}, "retriever": {"type": "none"},
               "model": {"torch_dtype": "float32"}}
    nothing = {"model": {"model_type": "none"}}
    return {"name": "toy", "partition": 4, "rounds": 1, "validation_dialogues": 1,
            "job": {"data": {"eval_set_path_or_name": "packaged:simulated", "eval_set_split_name": "train_0_6",
                             "schema_path": "packaged:schema"}, "dst": nothing, "act_tag": nothing},
            "relabel": {"dst": reading, "act_tag": reading}, "finetune": learning,
            "gold": {"path": "packaged:simulated_gold"}, **changes}


def work(queue: Path, workers: int, threads: int | None) -> int:
    run_queue(open_queue(str(queue)), trust=Trust(), lease_s=60, drain=True, max_jobs=None)
    return 0


STEPS = Steps(work, finetune)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, base: str) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("em")
    return out, run_em(parse_em(em_data(base)), out, STEPS)


def test_each_round_is_a_group_with_its_lineage(finished: tuple[Path, Any]) -> None:
    out, result = finished

    first, second = result.rounds
    assert (first.group_id, first.parent, first.model) == ("toy_round_0", None, {"model_type": "none"})
    assert (second.group_id, second.parent) == ("toy_round_1", "toy_round_0")
    assert second.model["model_name_or_path"] == str(out / "round_1" / "model" / "checkpoint")
    record = json.loads((out / "round_1" / "model" / "finetuned.json").read_text())
    assert record["dataset"] == first.dataset
    assert [row["run_id"][:9] for row in second.labels] == ["train_0_4", "train_4_6"]
    stored = json.loads((out / "rounds.json").read_text())
    assert [one["group_id"] for one in stored["rounds"]] == ["toy_round_0", "toy_round_1"]


def test_a_round_is_scored_and_compared_with_those_before(finished: tuple[Path, Any]) -> None:
    first, second = finished[1].rounds

    value, low, high = first.scores["slot_f1"]
    assert low <= value <= high and value > 0.5
    difference = second.scores["slot_f1"][0] - value
    assert second.against_first["slot_f1"][0] == pytest.approx(difference)
    assert first.agreement is None and 0 <= second.agreement.change < 1
    assert first.health.unparsable is None and second.health.unparsable > 0.5  # eight tokens of a model that knows nothing
    assert finished[1].reason == "all 1 rounds of relabelling are done"


def test_the_picture_is_whole(finished: tuple[Path, Any]) -> None:
    root = ElementTree.fromstring(rounds_svg(finished[1].rounds, "a <b> & c"))

    texts = [node.text for node in root.iter() if node.tag.endswith("text")]
    assert {"round 0", "round 1", "joint goal accuracy", "a <b> & c"} <= set(texts)


class KilledError(Exception):
    """Ends a run at one of its steps."""


def test_a_run_killed_at_every_step_ends_as_an_undisturbed_one(tmp_path: Path, base: str, finished: tuple[Path, Any]) -> None:
    config, calls = parse_em(em_data(base)), []

    def within(budget: int, step):  # type: ignore[no-untyped-def]
        def run(*args):  # type: ignore[no-untyped-def]
            calls[-1].append(step.__name__)
            if len(calls[-1]) > budget:
                raise KilledError
            return step(*args)
        return run

    for budget in range(3):
        calls.append([])
        try:
            result = run_em(config, tmp_path, Steps(within(budget, work), within(budget, finetune)))
        except KilledError:
            continue

    assert calls == [["work"], ["work", "finetune"], ["finetune", "work"]]
    for ours, theirs in zip(result.rounds, finished[1].rounds, strict=True):
        assert (ours.scores, ours.agreement) == (theirs.scores, theirs.agreement)
    assert run_em(config, tmp_path, Steps(pytest.fail, finetune)) == result  # nothing is left to label


def test_rounds_stop_once_they_agree(base: str, finished: tuple[Path, Any]) -> None:
    data = em_data(base, rounds=3, stop={"agreement": 0.01})

    result = run_em(parse_em(data), finished[0], Steps(pytest.fail, finetune))

    assert len(result.rounds) == 2
    assert "of the turns the same change of state as round 0; stop.agreement is 1.0%" in result.reason


def test_jobs_that_workers_leave_undone_are_named(tmp_path: Path, base: str) -> None:
    with pytest.raises(RetryableError, match=r"2 jobs of toy_round_0 are not finished \(train_0_4-\w+ for one; .* code 3\)"):
        run_em(parse_em(em_data(base)), tmp_path, replace(STEPS, work=lambda *args: 3))


def test_the_folder_of_another_configuration_is_refused(base: str, finished: tuple[Path, Any]) -> None:
    with pytest.raises(ConfigError, match="another configuration: min_confidence changed"):
        run_em(parse_em(em_data(base, min_confidence=0.9)), finished[0], STEPS)


def test_an_adapter_goes_on_top_of_its_base_model(base: str) -> None:
    config = parse_em(em_data(base))

    job = job_of(config, 1, {"model_type": "huggingface", "model_name_or_path": base, "adapter": "a"}, seeded_by="toy_round_0")

    assert (job.dst.model.adapter, job.act_tag.model.adapter, job.dst.model.torch_dtype) == ("a", "a", "float32")
    assert job.manifest.seed_group_id == "toy_round_0" and job.manifest.group_id == "toy_round_1"
    assert finetune_of(config, "d", "m").model.model_name_or_path == "m"


def test_bootstrap_is_em_that_begins_without_a_model(tmp_path: Path) -> None:
    config = bootstrap_config("packaged:simulated", "packaged:schema", "packaged:entities", out=tmp_path, steps=40,
                              base="packaged:tiny-starcoder")

    first, later = job_of(config, 0, None), job_of(config, 1, {"model_name_or_path": "m"})
    assert (first.dst.model.model_type, first.dst.proposals) == ("none", 8)
    assert (later.act_tag.model.model_name_or_path, later.dst.generation_cfg.proposals) == ("m", 8)
    assert later.dst.generation_cfg.proposal_weight == config.temperature_of(1) == 8.0 and config.temperature_of(0) == 1.0
    learning = finetune_of(config, "d", None)
    assert learning.data.also[0].labels == str(tmp_path / "simulated" / "gold.jsonl.gz")
    channels = {part.task: part.weight for part in learning.mixture if part.order == "channel"}
    assert channels == {"dst": 2.0, "act_tag": 1.0}


def test_bootstrap_asks_for_a_split_where_there_are_several(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text("")

    with pytest.raises(ConfigError, match="has the splits a, b: name one with --split"):
        bootstrap_config(str(tmp_path), "packaged:schema", None, out=tmp_path)


@pytest.mark.parametrize(("change", "message"), [
    ({"relabel": {"data": {}}}, "relabel cannot change `manifest` or `data`"),
    ({"relabel": {"dst": {"generation_cfg": {"proposal": 3}}}}, "em.json, job with relabel: 1 problem in this job"),
    ({"finetune": {"data": {"schema_path": "packaged:schema"}, "lora": {"r": 4}}, "start_from": "previous"},
     "start_from is 'previous', which needs all weights"),
    ({"round": 3}, "unknown key. Did you mean 'rounds'?"),
])
def test_a_configuration_is_checked_whole(base: str, change: dict, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_em({**em_data(base), **change})

    assert message in str(raised.value)


def read_as(example: Example, change: dict, *scores: float) -> Example:
    """The turn with a change that was chosen among readings of these scores (nats)."""
    candidates = tuple(Candidate(str(i), score=score) for i, score in enumerate(scores))
    return replace(example, label=replace(example.label, change=change, tasks={"dst": TaskLabel(candidates, 0)}))


def test_the_surest_dissent_comes_first() -> None:
    a, b, c = labelled()[:3]
    one, other = {"s": {"x": "1"}}, {"s": {"x": "2"}}
    rounds = [{e.example_id: read_as(e, one, 0.0, *rivals) for e, rivals in ((a, ()), (b, (0.0,)), (c, (0.0, 0.0, 0.0)))},
              {e.example_id: read_as(e, change, 0.0) for e, change in ((a, one), (b, other), (c, other))}]
    rounds = [{e.turn.key: e for e in labels.values()} for labels in rounds]

    found = issues(rounds, [1.0, 1.0])

    assert [(i.dialogue_id, i.turn_id) for i in found] == [e.turn.key for e in (b, c)]
    assert [i.doubt for i in found] == pytest.approx([0.5 / 1.5, 0.25 / 1.25])
    assert agreement(*rounds).change == pytest.approx(1 / 3)
    assert health(rounds[0]).confidence == pytest.approx((1 + 0.5 + 0.25) / 3)
