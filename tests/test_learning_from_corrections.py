"""What learns from labels learns from corrections too, with a weight of its own: rounds of EM, and fine-tuning."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from labelled_group import GOLD, label, right

from nc_latent_tod.annotation.overlay import corrections_of
from nc_latent_tod.annotation.selection import Strategy
from nc_latent_tod.api.annotate import select_round
from nc_latent_tod.api.connect import open_queue
from nc_latent_tod.api.groups import labels_of, rows_of, runs_of
from nc_latent_tod.api.pull import pull_corrections
from nc_latent_tod.cli.workers import run_queue
from nc_latent_tod.config.em import parse_em
from nc_latent_tod.config.finetune import parse_finetune
from nc_latent_tod.config.trust import Trust
from nc_latent_tod.corpus.formats.published import read_published
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Example
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.publishing.publish import publish
from nc_latent_tod.rounds.em import Steps, run_em
from nc_latent_tod.rounds.ranker import learn_ranker
from nc_latent_tod.training.finetune.material import gather
from nc_latent_tod.training.finetune.state import identity_of

gold = load_gold(GOLD)
SCHEMA = load_schema("packaged:schema")


@pytest.fixture(scope="module")
def corrected(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The manifest of a group of six dialogues, eight of whose turns a person corrected."""
    folder = tmp_path_factory.mktemp("corrected")
    manifest = label(folder, "train_0_6")
    made, path = select_round("g", manifest=manifest, n=8, out=folder / "annotations", strategy=Strategy("uncertainty"))
    pull_corrections(path, right(made, gold))
    return manifest


def machine(manifest: str) -> dict[tuple[str, int], Example]:
    return {e.turn.key: e for e in rows_of(runs_of(manifest, "g")) if not e.label.is_human}


def weights(path: str) -> str:
    return json.dumps(json.loads(Path(path).read_text())["weights"])


def test_the_ranker_of_proposals_learns_from_corrections_by_their_weight(corrected, tmp_path):
    people = corrections_of(rows_of(runs_of(corrected, "g")))
    some = {key: replace(e, label=replace(e.label, change=json.loads(json.dumps(first_rival(machine(corrected)[key])))))
            for key, e in people.items()}  # readings that are proposed, and not first

    learnt = [weights(learn_ranker(machine(corrected), SCHEMA, tmp_path, corrected=found, weight=weight))
              for found, weight in (({}, 1), (some, 1), (some, 5))]

    assert len(set(learnt)) == 3


def first_rival(example: Example) -> dict:
    from nc_latent_tod.notation.parsing import parse_change

    candidates = [c for c in example.label.tasks["dst"].candidates if c.error is None]
    return dict(parse_change(candidates[min(1, len(candidates) - 1)].text, SCHEMA, example.prior_state))


def test_every_round_of_em_holds_the_corrections(corrected, tmp_path):
    def work(queue: Path, workers: int, threads: int | None) -> int:
        run_queue(open_queue(str(queue)), trust=Trust(), lease_s=60, drain=True, max_jobs=None)
        return 0

    nothing = {"model": {"model_type": "none"}}
    config = parse_em({
        "name": "toy", "partition": 6, "rounds": 1, "validation_dialogues": 1, "ranker": True, "stop": {"agreement": 1.0},
        "job": {"data": {"eval_set_path_or_name": "packaged:simulated", "eval_set_split_name": "train_0_6",
                         "schema_path": "packaged:schema"}, "dst": nothing, "act_tag": nothing},
        "corrections": {"group_id": "g", "manifest": corrected, "weight": 3}})

    result = run_em(config, tmp_path, Steps(work, lambda run, folder: None))

    people = corrections_of(rows_of(runs_of(corrected, "g")))
    for one in result.rounds:
        now = {e.turn.key: e for e in labels_of(LocalManifest(tmp_path / "manifest").entries(one.group_id))}
        assert all(now[key].label.change == e.label.change for key, e in people.items())
        assert sum(e.label.is_human for split in read_published(one.dataset).values() for e in split) == len(people) == 8


def test_em_refuses_a_group_without_corrections(tmp_path):
    manifest = label(tmp_path, "train_0_2")
    nothing = {"model": {"model_type": "none"}}
    data = {"eval_set_path_or_name": "packaged:simulated", "eval_set_split_name": "train_0_2", "schema_path": "packaged:schema"}
    config = parse_em({"name": "toy", "ranker": True, "job": {"data": data, "dst": nothing, "act_tag": nothing},
                       "corrections": {"group_id": "g", "manifest": manifest}})

    def work(queue: Path, workers: int, threads: int | None) -> int:
        run_queue(open_queue(str(queue)), trust=Trust(), lease_s=60, drain=True, max_jobs=None)
        return 0

    with pytest.raises(ConfigError, match="has no corrections"):
        run_em(config, tmp_path / "em", Steps(work, lambda run, folder: None))


def test_fine_tuning_draws_corrected_turns_by_their_weight(corrected, tmp_path):
    published = publish(LocalManifest(corrected), "g", schema=SCHEMA, to=tmp_path, validation_dialogues=1, allow_missing=True)

    def material(weight: int | None):  # type: ignore[no-untyped-def]
        data = {"dataset": str(published.path), "schema_path": "packaged:schema", "minimum_labels": 1}
        return parse_finetune({"data": {**data, **({"human_weight": weight} if weight else {})},
                               "model": {"model_name_or_path": "packaged:tiny-starcoder"}, "mixture": [{"task": "dst"}]})

    plain, heavy = gather(material(None)), gather(material(4))
    people = sum(e.label.is_human for e in plain.train[0][1]["dst"])

    assert people > 0
    assert len(heavy.train[0][1]["dst"]) == len(plain.train[0][1]["dst"]) + 3 * people
    assert "human_weight" not in identity_of(material(None))["data"]  # runs of earlier versions keep their identity
    assert identity_of(material(4))["data"]["human_weight"] == 4
