"""Select, correct, pull, publish, apply: what a person does with a group, and what bad input changes: nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from labelled_group import GOLD, label, right
from typer.testing import CliRunner

from nc_latent_tod.annotation.corrections import file_name, write_corrections
from nc_latent_tod.annotation.overlay import with_corrections
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.annotation.selection import STRATEGIES, Strategy
from nc_latent_tod.api.annotate import predictions, select_round
from nc_latent_tod.api.apply import apply_corrections
from nc_latent_tod.api.connect import manifest_at
from nc_latent_tod.api.groups import group_pairs, labels_of, rows_of, runs_of
from nc_latent_tod.api.pull import corrections_in, pull_corrections, round_standing
from nc_latent_tod.cli import app
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.errors import ConfigError, CorpusError
from nc_latent_tod.labels import Example, apply_change
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.publishing.publish import publish
from nc_latent_tod.schema import Schema

gold = load_gold(GOLD)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    label(folder, "train_0_10", "train_10_20")
    return folder


@pytest.fixture
def folder(labelled: Path, tmp_path: Path) -> Iterator[Path]:
    """A folder with rounds of its own, over a manifest that is put back afterwards."""
    before = {path: path.read_bytes() for path in (labelled / "manifest").rglob("*.json")}
    yield tmp_path
    for path in (labelled / "manifest").rglob("*.json"):
        if path not in before:
            path.unlink()


@pytest.fixture
def manifest(labelled: Path) -> str:
    return str(labelled / "manifest")


def stored(manifest: str) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path(manifest).rglob("*.json")}


def selected(manifest: str, folder: Path, n: int = 5, strategy: str = "uncertainty", **options) -> tuple[Round, str]:
    return select_round("g", manifest=manifest, n=n, out=folder / "annotations", strategy=Strategy(strategy), **options)


def pulled(manifest: str, folder: Path, **changed) -> Round:
    made, path = selected(manifest, folder)
    pull_corrections(path, right(made, gold, **changed))
    return made


# -- select

@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_call_gives_the_same_file_and_rounds_share_no_turn(manifest, tmp_path, strategy):
    [one, again] = [selected(manifest, tmp_path / name, strategy=strategy)[1] for name in ("a", "b")]
    second, _ = selected(manifest, tmp_path / "a", strategy=strategy)

    first = json.loads(Path(one).read_text())
    assert Path(one).read_bytes() == Path(again).read_bytes()
    assert len({(t["dialogue_id"], t["turn_id"]) for t in first["turns"]}) == 5
    assert not {(t["dialogue_id"], t["turn_id"]) for t in first["turns"]} & {t.key for t in second.turns}
    assert second.number == 1 and len(second.earlier) == 1
    assert all(0 <= score <= 1 for turn in first["turns"] for score in turn["scores"].values())


def test_the_least_sure_slot_counts_where_slots_are_the_measure(manifest, tmp_path):
    made, _ = select_round("g", manifest=manifest, n=5, out=tmp_path, strategy=Strategy("uncertainty", "slots"))
    rest = {e.turn.key: e for e in labels_of(runs_of(manifest, "g"))}

    assert all(0 < turn.scores["uncertainty"] <= 1 for turn in made.turns)
    assert all(len([c for c in rest[turn.key].label.tasks["dst"].candidates if not c.error]) > 1 for turn in made.turns)


def test_another_seed_selects_other_turns(manifest, tmp_path):
    assert selected(manifest, tmp_path / "a", strategy="random")[0].turns != selected(
        manifest, tmp_path / "b", strategy="random", seed=1)[0].turns


def test_whole_dialogues_are_selected_in_their_order(manifest, tmp_path):
    made, _ = selected(manifest, tmp_path, n=2, mode="dialogue")

    lengths = {e.turn.dialogue_id: e.turn.turn_id + 1 for e in labels_of(runs_of(manifest, "g"))}
    ids = list(dict.fromkeys(turn.dialogue_id for turn in made.turns))
    assert [turn.key for turn in made.turns] == [(i, t) for i in ids for t in range(lengths[i])]
    assert len(ids) == 2


def test_a_pool_smaller_than_n_gives_all_with_a_note_and_is_refused_with_strict(manifest, tmp_path):
    notes: list[str] = []
    with pytest.raises(ConfigError, match="are left to select from, 9999 were asked for"):
        selected(manifest, tmp_path, n=9999, strict=True)
    made, _ = selected(manifest, tmp_path, n=9999, tell=notes.append)

    assert len(made.turns) == len(labels_of(runs_of(manifest, "g")))
    assert "all of them are selected" in notes[0]
    with pytest.raises(ConfigError, match="0 turns of 'g' are left"):
        selected(manifest, tmp_path)


def test_missing_embeddings_are_computed_and_said(manifest, tmp_path):
    notes: list[str] = []

    selected(manifest, tmp_path, strategy="diversity", tell=notes.append)

    assert "embedded with the packaged encoder" in notes[0]


@pytest.mark.parametrize(("options", "told"), [
    (["--strategy", "diverse"], "Did you mean 'diversity'?"), (["--strength", "margin"], "OBJECTIVE=NUMBER"),
    (["--strength", "size=2"], "no strategy, measure or objective 'size'"), (["--mode", "word"], "by turn or by dialogue"),
    (["--measure", "sum"], "'sum'")])
def test_a_wrong_option_is_one_error(manifest, tmp_path, options, told):
    done = CliRunner().invoke(app, ["annotate", "select", "g", "--manifest", manifest, "--out", str(tmp_path / "r"), *options])

    assert done.exit_code == 2 and told in done.stderr
    assert not (tmp_path / "r").exists()


def test_a_group_that_is_not_there_is_one_error(manifest, tmp_path):
    with pytest.raises(ConfigError, match="no finished run of group 'absent'"):
        select_round("absent", manifest=manifest, n=1, out=tmp_path)


# -- pull

def test_corrections_come_back_and_stand_before_predictions(manifest, folder):
    before = {e.turn.key: e for e in labels_of(runs_of(manifest, "g"))}

    made = pulled(manifest, folder)

    [entry] = [e for e in runs_of(manifest, "g") if e.label_source]
    after = {e.turn.key: e for e in labels_of(runs_of(manifest, "g"))}
    assert (entry.label_source, entry.round_number, entry.round_sha256, entry.num_logs) == ("human", 0, made.sha256, 5)
    assert all(after[t.key].label.change == gold[t.key].label.change and after[t.key].label.is_human for t in made.turns)
    assert after.keys() == before.keys()


def test_later_states_are_computed_anew_and_other_dialogues_are_byte_equal(manifest, folder):
    before = labels_of(runs_of(manifest, "g"))
    made = pulled(manifest, folder)
    after = labels_of(runs_of(manifest, "g"))

    touched = {turn.dialogue_id for turn in made.turns}
    first = {d: min(t.turn_id for t in made.turns if t.dialogue_id == d) for d in touched}
    state: dict = {}
    for old, new in zip(before, after, strict=True):
        state = {} if not new.turn.turn_id else state
        if new.turn.dialogue_id not in touched or new.turn.turn_id < first[new.turn.dialogue_id]:
            assert json.dumps(new.to_json()) == json.dumps(old.to_json())
        else:
            assert new.prior_state == state or new.turn.turn_id == first[new.turn.dialogue_id]
            assert new.label.state == apply_change(new.prior_state, new.label.change)
            assert new.label.change == old.label.change or new.turn.key in {t.key for t in made.turns}
        state = new.label.state


def test_a_turn_that_was_corrected_is_not_selected_into_another_folder(manifest, folder):
    made = pulled(manifest, folder)

    other, _ = select_round("g", manifest=manifest, n=9999, out=folder / "elsewhere", strategy=Strategy("random"))

    assert not {t.key for t in made.turns} & {t.key for t in other.turns}


def test_evaluate_publish_explain_and_report_see_the_correction(manifest, folder):
    made = pulled(manifest, folder, annotator="Ann <b>")
    [key, *_] = [t.key for t in made.turns]

    right_now = {example.turn.key for example, known in group_pairs(manifest, "g", gold)
                 if example.label.change == known.label.change}
    published = publish(LocalManifest(manifest), "g", schema=Schema.from_json(json.loads(SCHEMA_TEXT)), to=folder / "sets")
    explained = CliRunner().invoke(app, ["explain", "g", key[0], str(key[1]), "--manifest", manifest])
    report = CliRunner().invoke(app, ["report", "g", "--manifest", manifest, "--to", str(folder / "g.html")])

    from datasets import load_from_disk

    rows = [row for split in load_from_disk(str(published.path)).values() for row in split]
    assert {t.key for t in made.turns} <= right_now
    assert {(r["dialogue_id"], r["turn_id"]) for r in rows if r["label_source"] == "human"} == {t.key for t in made.turns}
    assert {r["label_source"] for r in rows} == {"human", "machine"}
    assert f"5 of the {len(rows)} turns were corrected by a person" in (published.path / "README.md").read_text()
    assert "corrected by Ann <b>" in explained.stdout and "corrected change" in explained.stdout
    assert report.exit_code == 0, report.output
    assert '"corrected"' in (folder / "g.html").read_text()


def test_a_group_without_corrections_is_published_as_before(manifest, folder):
    from datasets import load_from_disk

    published = publish(LocalManifest(manifest), "g", schema=Schema.from_json(json.loads(SCHEMA_TEXT)), to=folder / "sets")

    assert "label_source" not in load_from_disk(str(published.path))["train"].column_names
    assert "No human label was read" in (published.path / "README.md").read_text()


def test_an_unsure_turn_stays_as_it_was_predicted(manifest, folder):
    made, path = selected(manifest, folder)
    [first, *rest] = right(made, gold)

    done = pull_corrections(path, [replace(first, verdict="unsure"), *rest])

    after = {e.turn.key: e for e in labels_of(runs_of(manifest, "g"))}
    assert (done.corrections, done.unsure, done.missing) == (4, 1, 0)
    assert not after[first.key].label.is_human


# -- bad input of `pull`: one error, nothing changed

def refused(manifest: str, path: str, corrections, error: type[Exception], told: str, **options) -> None:
    before = stored(manifest)
    with pytest.raises(error, match=told):
        pull_corrections(path, corrections, **options)
    assert stored(manifest) == before


def test_a_round_that_is_pulled_twice_is_refused(manifest, folder, labelled):
    made, path = selected(manifest, folder)
    pull_corrections(path, right(made, gold))

    files = {path: path.read_bytes() for path in labelled.rglob("*.gz")}
    refused(manifest, path, right(made, gold, annotator="bob"), ConfigError, "was pulled already")
    assert {path: path.read_bytes() for path in labelled.rglob("*.gz")} == files


def test_a_round_out_of_order_is_refused_unless_it_is_meant(manifest, folder):
    selected(manifest, folder)
    later, path = selected(manifest, folder)

    refused(manifest, path, right(later, gold), ConfigError, "round 0 was not pulled")
    assert pull_corrections(path, right(later, gold), out_of_order=True).corrections == 5


def test_a_text_that_changed_since_is_refused(manifest, folder):
    made, path = selected(manifest, folder)
    [first, *rest] = right(made, gold)

    refused(manifest, path, [replace(first, text_sha256="0" * 64), *rest], CorpusError, "another text now")


def test_a_turn_that_is_not_in_the_group_is_refused(manifest, folder):
    made, path = selected(manifest, folder)
    [first, *rest] = right(made, gold)

    refused(manifest, path, [replace(first, dialogue_id="absent"), *rest], CorpusError, "is not in the group")


def test_two_people_who_contradict_each_other_are_refused_until_one_is_chosen_or_a_third_decides(manifest, folder):
    made, path = selected(manifest, folder)
    ann, bob = right(made, gold), right(made, gold, annotator="bob", change={})
    differ = [one.key for one, other in zip(ann, bob, strict=True) if one.change != other.change]

    refused(manifest, path, [*ann, *bob], CorpusError, "contradict each other")
    refused(manifest, path, [*ann, *bob], ConfigError, "Nobody called 'an'", annotator="an")
    done = pull_corrections(path, [*ann, *bob, *right(made, gold, annotator="eve")])

    after = {e.turn.key: e for e in labels_of(runs_of(manifest, "g"))}
    assert differ and done.corrections == 5
    assert all(after[key].label.change == gold[key].label.change for key in differ)


def test_one_person_is_chosen(manifest, folder):
    made, path = selected(manifest, folder)

    pull_corrections(path, [*right(made, gold), *right(made, gold, annotator="bob", change={})], annotator="bob")

    assert all(e.label.change == {} for e in labels_of(runs_of(manifest, "g")) if e.label.is_human)


def test_values_are_normalised_and_what_the_schema_cannot_hold_is_left_out_and_said(manifest, folder):
    made, path = selected(manifest, folder)
    wrong = [{"hotel": {"area": "NORTH "}}, {"hotel": {"area": "moon"}}, {"hotel": {"pool": "yes"}}, {"castle": {"a": "x"}}, {}]
    notes: list[str] = []

    done = pull_corrections(path, [replace(one, change=change) for one, change in zip(right(made, gold), wrong, strict=True)],
                            tell=notes.append)

    after = {e.turn.key: e for e in labels_of(runs_of(manifest, "g"))}
    assert after[made.turns[0].key].label.change == {"hotel": {"area": "north"}}
    assert done.corrections == 2 and len(done.left_out) == len(notes) == 3


def test_nothing_that_can_be_taken_is_refused(manifest, folder):
    made, path = selected(manifest, folder)

    refused(manifest, path, right(made, gold, verdict="unsure"), ConfigError, "5 are unsure")


def test_the_commands_pull_and_status(manifest, folder):
    made, path = selected(manifest, folder)
    write_corrections(folder / file_name(made), made, right(made, gold))
    (folder / "bad.json").write_text("{}")

    bad = CliRunner().invoke(app, ["annotate", "pull", path, "--from", str(folder / "bad.json")])
    absent = CliRunner().invoke(app, ["annotate", "pull", path, "--from", str(folder / "absent.json")])
    status = CliRunner().invoke(app, ["annotate", "status", path, "--from", str(folder / file_name(made)), "--json"])
    done = CliRunner().invoke(app, ["annotate", "pull", path, "--from", str(folder / file_name(made)), "--json"])

    assert bad.exit_code == absent.exit_code == 2
    assert json.loads(status.stdout) | {"kappa": {}} == {"turns": 5, "labelled": 5, "unsure": 0, "median_seconds": 12.0,
                                                         "annotators": ["ann"], "kappa": {}}
    assert json.loads(done.stdout)["corrections"] == 5


def test_agreement_of_two_is_cohens_kappa(manifest, folder):
    """Four turns; of area both say north, north, south and nothing, but on the third they differ: p_o 3/4, p_e 5/16."""
    made, path = selected(manifest, folder, n=4)
    ann, bob = (right(made, gold, annotator=name, acts=()) for name in ("ann", "bob"))
    for who, values in ((ann, ("north", "north", "south", "")), (bob, ("north", "north", "north", ""))):
        who[:] = [replace(c, change={"hotel": {"area": v}} if v else {}) for c, v in zip(who, values, strict=True)]
    for name, who in (("a", ann), ("b", bob)):
        write_corrections(folder / f"{name}.json", made, who)

    found = round_standing(path, [str(folder / "a.json"), str(folder / "b.json")])

    chance = (2 * 3 + 1 * 0 + 1 * 1) / 16
    assert found.kappa == {"hotel.area": pytest.approx((0.75 - chance) / (1 - chance), abs=1e-4)}  # acts: never two values
    assert found.annotators == ("ann", "bob") and len(corrections_in(path, [str(folder / "a.json")])) == 4


# -- apply, predictions

def test_apply_makes_a_group_that_holds_the_corrections_and_the_first_one_stays(manifest, folder):
    before = [e.to_json() for e in rows_of(runs_of(manifest, "g"))]
    made = pulled(manifest, folder)

    done = apply_corrections("g", "g2", manifest=manifest)
    again = apply_corrections("g", "g2", manifest=manifest)

    after = {e.turn.key: e for e in labels_of(runs_of(manifest, "g2"))}
    assert (done.runs, done.turns, done.corrections) == (2, len(after), 5)
    assert again.changed == done.changed and len(manifest_at(manifest, "g2").entries("g2")) == 3
    assert all(after[t.key].label.is_human for t in made.turns)
    assert [e.to_json() for e in rows_of(runs_of(manifest, "g")) if not e.label.is_human] == before
    assert {type(e) for e in with_corrections(rows_of(runs_of(manifest, "g2")))} == {Example}


def test_apply_into_a_group_of_other_corrections_is_refused(manifest, folder):
    pulled(manifest, folder)
    apply_corrections("g", "g2", manifest=manifest)
    pulled(manifest, folder)
    before = stored(manifest)

    with pytest.raises(ConfigError, match="by other corrections"):
        apply_corrections("g", "g2", manifest=manifest)

    assert stored(manifest) == before


def test_round_1_of_the_relabelled_group_follows_round_0(manifest, folder):
    made = pulled(manifest, folder)
    apply_corrections("g", "g2", manifest=manifest)

    later, path = select_round("g2", manifest=manifest, n=3, out=folder / "annotations", strategy=Strategy("uncertainty"))

    assert later.earlier == (made.sha256,) and not {t.key for t in made.turns} & {t.key for t in later.turns}
    assert pull_corrections(path, right(later, gold)).group_id == "g2"


@pytest.mark.parametrize(("out", "told"), [("g", "the group itself"), ("a b", "No group is called")])
def test_a_wrong_out_group_is_refused(manifest, folder, out, told):
    pulled(manifest, folder)
    with pytest.raises(ConfigError, match=told):
        apply_corrections("g", out, manifest=manifest)


def test_apply_without_corrections_is_refused(manifest, folder):
    with pytest.raises(ConfigError, match="Nobody has corrected"):
        apply_corrections("g", "g2", manifest=manifest)


def test_predictions_sum_to_1_in_the_layout_of_lightly(manifest, folder):
    count = predictions("g", manifest=manifest, out=folder / "p")

    tasks = json.loads((folder / "p" / "tasks.json").read_text())
    assert tasks == ["dst", "act_tag"]
    for task in tasks:
        schema = json.loads((folder / "p" / task / "schema.json").read_text())
        samples = [json.loads(p.read_text()) for p in (folder / "p" / task).glob("*.json") if p.name != "schema.json"]
        assert len(samples) == count
        for found in (s["predictions"][0] for s in samples if s["predictions"]):
            assert sum(found["probabilities"]) == pytest.approx(1.0)
            assert len(found["probabilities"]) == len(schema["categories"])
    with pytest.raises(ConfigError, match="is not empty"):
        predictions("g", manifest=manifest, out=folder / "p")


def test_probabilities_that_do_not_sum_to_1_are_refused():
    from nc_latent_tod.annotation.lightly import sample
    from nc_latent_tod.dialogue import Turn
    from nc_latent_tod.labels import Label

    with pytest.raises(ConfigError, match="sum to 0.9"):
        sample(Example(Turn("d", 0, "", "hi", ""), {}, Label({}, {}, (), "")), [("a", 0.5), ("b", 0.4)], 3)


SCHEMA_TEXT = (Path(__file__).parents[1] / "src" / "nc_latent_tod" / "data" / "schema.json").read_text("utf-8")
