"""Labels taken over from an earlier group: where every input is equal, and nowhere else."""

import json
from dataclasses import replace
from importlib import resources

import pytest
from test_cli import call, folder, write_job, write_logs  # noqa: F401  `folder` is a fixture
from toy_jobs import backends, job
from toy_labelling import ANSWERS, corpus, turns
from toy_schema import SCHEMA

from nc_latent_tod.api.explain import explain_label
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import ConfigError, DamagedError, InterruptedJobError
from nc_latent_tod.lm.scripted import ScriptedLM
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline.reuse import TAKEN_FROM
from nc_latent_tod.pipeline.run import Control, replay_job, run_job
from nc_latent_tod.queues.folder.queue import FolderQueue
from nc_latent_tod.tasks.acts import ActTagging
from nc_latent_tod.tasks.dst import StateTracking

OLD = corpus(6)
GROWN = [*OLD, turns("new", ("a room in the east", "a mill"))]
REUSE = {"group_id": "later", "reuse_group_id": "g"}


class Counting(ScriptedLM):
    """The scripted model; remembers every prompt."""

    def __init__(self):
        self.prompts = []
        super().__init__(lambda prompt: self.prompts.append(prompt) or next(
            answers for ending, answers in ANSWERS.items() if prompt.endswith(ending)))


@pytest.fixture
def labelled(tmp_path):
    """A folder with the finished group `g`, whose only run is called `r`."""
    run_job(job(tmp_path), backends(tmp_path))
    return tmp_path


def again(place, dialogues=OLD, run_id="s", *, control=None, manifest=None, **options):
    """The same under the new group `later`."""
    changed = {key: options.pop(key) for key in ("schema_sha256", "entities_sha256") if key in options}
    made = backends(place, run_id, dialogues=dialogues, **options)
    return run_job(job(place, run_id, **{**REUSE, **(manifest or {})}), replace(made, **changed), control)


def content(examples):
    """Labels, but for the run that they are in and who made them."""
    return {e.turn.key: replace(e, run_id="", label=replace(e.label, provenance={}))
            for e in examples}


def entry_of(place, group_id="g", run_id="r"):
    return LocalManifest(place / "manifest").entry(group_id, run_id)


def rewritten(place, **fields):
    """The entry of the group `g` as it would have been with other fields."""
    path = place / "manifest" / "g" / "r.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_labels_of_dialogues_that_did_not_change_are_taken_over_and_the_others_labelled(labelled):
    corrected = turns("d3", ("another text", "altogether"))

    result = again(labelled, [*OLD[:3], corrected, *GROWN[4:]])

    assert str(result.reused) == "5 of 7 dialogues taken over from g; 2 labelled: 1 whose text changed, 1 not there"
    kept = content(read_examples(entry_of(labelled).labels_url))
    got = content(result.examples)
    assert {key for key in got if got[key] == kept.get(key)} == {key for key in kept if key[0] != "d3"}
    assert result.entry.num_reused == sum(len(d.turns) for d in OLD) - len(OLD[3].turns)
    assert (result.entry.reuse_group_id, result.entry.num_logs) == ("g", result.entry.num_reused + 2)


def test_a_label_that_was_taken_over_says_who_made_it_also_after_a_second_time(labelled):
    first = run_job(job(labelled), backends(labelled)).entry
    again(labelled)

    result = again(labelled, run_id="t", manifest={"group_id": "last", "reuse_group_id": "later"})

    assert result.entry.num_reused == 16
    for made, kept in zip(read_examples(first.labels_url), read_examples(result.entry.labels_url), strict=True):
        assert kept.run_id == "t"
        assert kept.label.provenance == {**made.label.provenance, TAKEN_FROM: "g/r"}


def test_nothing_is_asked_of_the_model_where_all_is_taken_over(labelled):
    lm = Counting()

    result = again(labelled, lm=lm)

    assert (lm.prompts, result.progress.turns_resumed, result.progress.tokens.computed) == ([], 16, 0)


def test_other_splits_over_the_same_dialogues_find_their_labels_in_several_runs(tmp_path):
    run_job(job(tmp_path, "a"), backends(tmp_path, "a", dialogues=OLD[:2]))
    run_job(job(tmp_path, "b"), backends(tmp_path, "b", dialogues=OLD[2:]))

    result = again(tmp_path, OLD[1:4])

    assert (result.reused.taken, result.reused.runs, str(result.reused)) == (3, 2, "3 of 3 dialogues taken over from g")


def test_a_dialogue_that_one_run_has_as_it_was_and_another_as_it_is_counts_once(tmp_path):
    run_job(job(tmp_path, "a"), backends(tmp_path, "a", dialogues=[turns("d2", ("another text", "ok")), OLD[0]]))
    run_job(job(tmp_path, "b"), backends(tmp_path, "b", dialogues=OLD[1:3]))

    result = again(tmp_path, OLD[:3])

    assert str(result.reused) == "3 of 3 dialogues taken over from g"


def test_labels_that_were_taken_over_serve_as_examples_in_their_new_group(labelled):
    seeding = {"seed_retrievers_from_manifest": True}
    run_job(job(labelled, "u", group_id="g2", **seeding), backends(labelled, "u"))
    again(labelled, OLD[:5], manifest={**seeding, "reuse_group_id": "g2"})

    entry = again(labelled, GROWN[5:], "t", manifest={**seeding, "reuse_group_id": "g2"}).entry

    assert (entry.seed_run_ids, entry.num_reused) == (("s",), 1)
    shown = {example_id for e in read_examples(entry.labels_url) if TAKEN_FROM not in e.label.provenance
             for example_id, _ in e.label.tasks["dst"].retrieved}
    assert shown and {example_id.split("/")[0] for example_id in shown} <= {"s", "t"}


def test_a_worker_reads_of_a_group_what_it_needs_and_never_twice_in_vain(tmp_path):
    for name, part in (("a", OLD[:2]), ("b", OLD[2:4]), ("c", OLD[4:])):
        run_job(job(tmp_path, name), backends(tmp_path, name, dialogues=part))
    made, read = backends(tmp_path, "s", dialogues=GROWN[-1:]), []
    made = replace(made, labels=lambda entry: read.append(entry.run_id) or read_examples(entry.labels_url, entry.sha256))

    run_job(job(tmp_path, "s", **REUSE), made)
    run_job(job(tmp_path, "t", **REUSE), replace(made, dialogues=lambda: OLD[2:4]))

    assert read == ["a", "b", "c", "b"]


@pytest.mark.parametrize(("options", "told"), [
    ({"schema_sha256": "ab"}, "inputs.schema: '' then, 'ab' now"),
    ({"entities_sha256": lambda: "cd"}, "inputs.entities: '' then, 'cd' now"),
    ({"provenance": {"model": "other", "code": "1"}}, "model: 'scripted' then, 'other' now"),
    ({"provenance": {"model": "scripted", "code": "2"}}, "code: '1' then, '2' now"),
    ({"manifest": {"seed_retrievers_from_manifest": True}}, "job.manifest.seed_retrievers_from_manifest: False then, True now"),
])
def test_another_input_is_refused_by_name_and_leaves_nothing_behind(labelled, options, told):
    with pytest.raises(ConfigError) as error:
        again(labelled, **options)

    assert f"Nothing of the group 'g' (manifest.reuse_group_id) can be taken over: 1 run ({told}). Restore" in str(error.value)
    assert not (labelled / "out" / "checkpoints" / "s").exists()


def test_another_option_is_refused_before_anything_is_loaded(labelled):
    def never():
        raise AssertionError("loaded")

    other = job(labelled, "s", seed=5, **REUSE)

    with pytest.raises(ConfigError, match=r"1 run \(job\.seed: 0 then, 5 now\)"):
        run_job(other, replace(backends(labelled, "s"), dialogues=never, labeller=never))


@pytest.mark.parametrize("same", [{"data_warmup": 0}, {"data_num_partitions": 1}, {"output": {"labels_url": "memory://x"}},
                                  {"data": {"eval_set_path_or_name": "moved.jsonl", "eval_set_split_name": "train_0_9",
                                            "schema_path": "moved.json"}}])
def test_the_place_of_things_and_the_order_of_dialogues_are_no_inputs(labelled, same):
    moved = job(labelled, "s", **REUSE)
    moved = parse_job({**moved.model_dump(mode="json", exclude_unset=True), **same})

    assert run_job(moved, backends(labelled, "s")).reused.taken == 6


def test_a_run_of_an_earlier_version_is_not_taken_over_and_the_reason_told(labelled):
    rewritten(labelled, made_by="")

    with pytest.raises(ConfigError, match=r"1 run \(of an earlier version, which did not record"):
        again(labelled)


def test_runs_that_are_of_no_use_beside_others_are_named_once(tmp_path):
    run_job(job(tmp_path, "a", seed=1), backends(tmp_path, "a", dialogues=OLD[:2]))
    run_job(job(tmp_path, "b"), backends(tmp_path, "b", dialogues=OLD[2:]))

    told = str(again(tmp_path).reused)

    assert told == ("4 of 6 dialogues taken over from g; 2 labelled: 2 not there. Not used: "
                    "1 run (job.seed: 1 then, 0 now)")


def test_an_unknown_group_and_the_own_group_are_refused(labelled):
    with pytest.raises(ConfigError, match="'gone' .manifest.reuse_group_id. has no finished run"):
        again(labelled, manifest={"reuse_group_id": "gone"})
    with pytest.raises(ConfigError, match="reuse_group_id is 'g', the job's own group"):
        job(labelled, reuse_group_id="g")


def test_a_damaged_label_file_is_an_error_and_no_missing_dialogue(labelled):
    with open(entry_of(labelled).labels_url, "ab") as file:
        file.write(b"x")

    with pytest.raises(DamagedError, match="sha256"):
        again(labelled)


def test_a_dialogue_with_more_or_fewer_turns_is_labelled_anew(labelled):
    longer = Dialogue("d0", turns("d0", (OLD[0].turns[0].user_utterance, OLD[0].turns[0].system_response), ("x", "y")).turns)
    shorter = Dialogue("d3", OLD[3].turns[:-1])
    assert longer.turns[0] == OLD[0].turns[0]

    result = again(labelled, [longer, OLD[1], OLD[2], shorter])

    assert (result.reused.taken, result.reused.changed) == (2, 2)
    assert {e.turn.dialogue_id for e in result.examples if TAKEN_FROM in e.label.provenance} == {"d1", "d2"}


@pytest.mark.parametrize("batches", range(4))
def test_a_job_that_was_stopped_takes_over_the_same_when_it_goes_on(labelled, tmp_path, batches):
    mixed = [turns("n0", ("a room", "a mill"), ("in the east", "ok")), *GROWN, turns("n1", ("for four", "mill"), ("a", "b"))]
    whole = again(labelled, mixed)
    left = iter([False] * batches)
    cut = {"manifest": {"group_id": "cut"}}

    with pytest.raises(InterruptedJobError):
        again(labelled, mixed, control=Control(should_stop=lambda: next(left, True)), **cut)
    resumed = again(labelled, mixed, **cut)

    assert (resumed.entry.sha256, resumed.entry.num_reused) == (whole.entry.sha256, 16)


def test_a_dialogue_that_was_begun_without_the_group_is_labelled_to_its_end(labelled):
    left = iter([False] * 3)
    with pytest.raises(InterruptedJobError):
        again(labelled, control=Control(should_stop=lambda: next(left, True)), manifest={"reuse_group_id": None})

    taken = {dialogue.dialogue_id: [] for dialogue in OLD}
    for example in again(labelled).examples:
        taken[example.turn.dialogue_id].append(TAKEN_FROM in example.label.provenance)

    assert all(all(turns_taken) or not any(turns_taken) for turns_taken in taken.values())
    assert 0 < sum(map(any, taken.values())) < 6


def test_a_replay_takes_over_what_the_run_took_over(labelled):
    entry = again(labelled, GROWN).entry
    (labelled / "manifest" / "g" / "r.json").unlink()  # the earlier group may be gone

    replayed = replay_job(job(labelled, "s", **REUSE), backends(labelled, "s", dialogues=GROWN), "s")

    assert list(replayed.examples) == read_examples(entry.labels_url)


def test_an_explanation_shows_the_examples_of_the_group_that_made_the_label(labelled):
    again(labelled)
    turn = next(e for e in read_examples(entry_of(labelled).labels_url) if e.label.tasks["dst"].retrieved).turn

    found = explain_label(LocalManifest(labelled / "manifest"), lambda e: read_examples(e.labels_url),
                    [StateTracking(SCHEMA, "signatures"), ActTagging(SCHEMA, "signatures")], "later", turn.dialogue_id,
                    turn.turn_id)

    assert found.example.label.provenance[TAKEN_FROM] == "g/r"
    assert {e.run_id for e, _ in found.tasks[0].examples} == {"r"} and not found.tasks[0].lost_examples


def test_the_key_changes_neither_the_fingerprint_nor_the_name_of_a_run(tmp_path):
    with_it, without = job(tmp_path, **REUSE), job(tmp_path, group_id="later")

    assert (with_it.fingerprint, with_it.run) == (without.fingerprint, without.run)


@pytest.fixture
def grown(folder):  # noqa: F811
    """A working folder with the finished group `mine`, and a job on the same logs that have grown."""
    write_logs(folder / "logs.jsonl", 4)
    assert call("label", write_job(folder / "job.json")).exit_code == 0
    write_logs(folder / "logs.jsonl", 6)
    write_job(folder / "jobs" / "grown.json", "train_0_6", manifest={
        "type": "local", "manifest_path": "manifest", "group_id": "grown"})
    return folder


def test_a_user_labels_grown_logs_explains_and_publishes_them(grown):
    told = call("label", "jobs/grown.json", "--reuse-from", "mine").stdout
    assert "4 of 6 dialogues taken over from mine; 2 labelled: 2 not there" in " ".join(told.split())

    [entry] = LocalManifest(grown / "manifest").entries("grown")
    assert "taken over from  mine / " in call("explain", "grown", "sim-1-000000", 0).stdout
    assert call("publish", "--group-id", "grown", "--to", "data").exit_code == 0
    [card] = (grown / "data").glob("*/README.md")
    assert f"The labels of {entry.num_reused} turns were taken over from the group `mine`" in card.read_text()


def test_enqueue_sets_the_key_in_every_job_and_checks_it_before(grown):
    refused = call("enqueue", "jobs", "--reuse-from", "mien")
    assert refused.exit_code == 2 and "'mien' (manifest.reuse_group_id) has no finished run" in refused.stderr
    assert not (grown / "queue").exists()

    assert call("enqueue", "jobs", "--reuse-from", "mine").exit_code == 0
    queued = FolderQueue(grown / "queue").receive(0)

    assert queued.job["manifest"]["reuse_group_id"] == "mine"


def test_the_json_of_label_counts_what_was_taken_over(grown):
    told = json.loads(call("label", "jobs/grown.json", "--reuse-from", "mine", "--json").stdout)

    assert told["reused"] == {"group_id": "mine", "dialogues": 6, "taken": 4, "changed": 0, "absent": 2, "runs": 1,
                              "differing": {}}


def test_a_schema_that_changed_in_place_is_seen(grown):
    schema = grown / "schema.json"
    schema.write_bytes((resources.files("nc_latent_tod") / "data" / "schema.json").read_bytes())
    for name, group in (("first", "a"), ("second", "b")):
        write_job(grown / f"{name}.json", data={"eval_set_path_or_name": "logs.jsonl", "eval_set_split_name": "train_0_2",
                                                "schema_path": str(schema)},
                  manifest={"type": "local", "manifest_path": "manifest", "group_id": group})
    assert call("label", "first.json").exit_code == 0
    schema.write_text(schema.read_text().replace('"description": "', '"description": "of '))

    refused = call("label", "second.json", "--reuse-from", "a")

    assert refused.exit_code == 2 and "1 run (inputs.schema: " in refused.stderr
