"""One job: what is written in which order, what is never written, and what a second attempt finds."""

import hashlib
import json
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from toy_jobs import backends, job
from toy_labelling import ANSWERS, corpus, turns

from nc_latent_tod.config.sections import OutputSection
from nc_latent_tod.corpus.label_files import read_examples
from nc_latent_tod.errors import ConfigError, DamagedError, InterruptedJobError, LeaseLostError, RetryableError
from nc_latent_tod.lm.scripted import ScriptedLM
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline.checkpoint import Checkpoint
from nc_latent_tod.pipeline.run import Control, replay_job, run_job


class Killed(BaseException):
    """What no handler catches, as a kill."""


def stopping_after(batches):
    """A control that asks the job to stop after so many batches."""
    left = iter([False] * batches)
    return Control(should_stop=lambda: next(left, True))


def interrupted(folder, batches, **options):
    """A job that was stopped after `batches` batches."""
    with pytest.raises(InterruptedJobError):
        run_job(job(folder), backends(folder, **options), stopping_after(batches))


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_label_file_is_whole_before_its_manifest_entry_is_added(tmp_path):
    class Watching(LocalManifest):
        def add(self, entry):
            data = Path(entry.labels_url).read_bytes()
            assert hashlib.sha256(data).hexdigest() == entry.sha256
            assert len(read_examples(entry.labels_url)) == entry.num_logs == 16
            assert list((tmp_path / "out" / "checkpoints" / "r").glob("part-*"))  # goes last
            return super().add(entry)

    result = run_job(job(tmp_path), backends(tmp_path, manifest=Watching(tmp_path / "manifest")))

    assert LocalManifest(tmp_path / "manifest").entries("g") == [result.entry]
    assert files(tmp_path) == ["manifest/g/r.json", str(Path(result.entry.labels_url).relative_to(tmp_path))]


def test_a_job_that_no_group_seeds_does_not_read_its_group(tmp_path):
    class Large(LocalManifest):
        def entries(self, group_id):
            raise AssertionError("each job would cost more than the one before")

    first = run_job(job(tmp_path), backends(tmp_path, manifest=Large(tmp_path / "manifest")))
    again = run_job(job(tmp_path), backends(tmp_path, manifest=Large(tmp_path / "manifest")))

    assert again.entry == first.entry and again.progress is None


def test_an_entry_says_what_was_done(tmp_path):
    dialogues = [*corpus(6), turns("silent", ("", "hello"), ("east", "ok"))]
    result = run_job(job(tmp_path), backends(tmp_path, dialogues=dialogues))
    entry = result.entry
    labels = read_examples(entry.labels_url, entry.sha256)
    assert labels == list(result.examples)
    assert [e.turn for e in labels] == [turn for dialogue in dialogues for turn in dialogue.turns]
    assert (entry.num_dialogues, entry.num_logs, entry.num_failures) == (7, 18, 1)
    assert entry.config_fingerprint == job(tmp_path).fingerprint
    assert entry.tokens == result.progress.tokens.computed > 0
    assert (result.progress.turns_done, result.progress.dialogues_done, result.progress.turns_resumed) == (18, 7, 0)


def test_a_finished_job_loads_nothing_and_does_nothing(tmp_path):
    first = run_job(job(tmp_path), backends(tmp_path))
    before = files(tmp_path)

    def never():
        raise AssertionError("loaded")

    second = run_job(job(tmp_path), replace(backends(tmp_path), dialogues=never, labeller=never, labels=never))
    assert (second.entry, second.examples, files(tmp_path)) == (first.entry, (), before)


@pytest.mark.parametrize("batches", range(11))
def test_a_job_that_was_stopped_at_any_batch_goes_on_as_if_it_had_not_been(tmp_path, batches):
    whole = run_job(job(tmp_path / "whole"), backends(tmp_path / "whole"))
    interrupted(tmp_path / "cut", batches)
    resumed = run_job(job(tmp_path / "cut"), backends(tmp_path / "cut", batch_size=3))
    assert resumed.entry.sha256 == whole.entry.sha256
    assert min(batches, 1) <= resumed.progress.turns_resumed <= 2 * batches
    assert [name.split("/")[:2] for name in files(tmp_path / "cut")] == [["manifest", "g"], ["out", "labels"]]


def test_a_job_that_was_killed_in_a_batch_or_while_storing_one_goes_on(tmp_path, monkeypatch):
    whole = run_job(job(tmp_path / "whole"), backends(tmp_path / "whole"))
    calls = iter(range(10**6))

    def dying(prompt):
        if next(calls) == 21:
            raise Killed
        return next(answers for ending, answers in ANSWERS.items() if prompt.endswith(ending))

    folder = tmp_path / "cut"
    with pytest.raises(Killed):
        run_job(job(folder), backends(folder, lm=ScriptedLM(dying)))
    stored = len(Checkpoint(str(folder / "out/checkpoints/r")).labels())
    assert stored > 2
    torn = folder / "out/checkpoints/r/.part-000099-aaaaaaaa.jsonl.xyz.tmp"
    torn.write_bytes(b'{"turn": {"dialogue_id": "d0", "tu')  # a kill between write and rename leaves this
    resumed = run_job(job(folder), backends(folder))
    assert (resumed.entry.sha256, resumed.progress.turns_resumed) == (whole.entry.sha256, stored)


def test_a_kill_while_a_batch_is_renamed_loses_that_batch_alone(tmp_path, monkeypatch):
    whole = run_job(job(tmp_path / "whole"), backends(tmp_path / "whole"))
    folder, parts = tmp_path / "cut", []

    class Dying(Checkpoint):
        def add(self, examples):
            parts.append(len(examples))
            if len(parts) < 5:
                return super().add(examples)
            monkeypatch.setattr("nc_latent_tod.system.files.move", die)
            return super().add(examples)

    def die(source, target):
        raise Killed

    monkeypatch.setattr("nc_latent_tod.pipeline.run.Checkpoint", Dying)
    with pytest.raises(Killed):
        run_job(job(folder), backends(folder))
    monkeypatch.undo()
    assert [name for name in files(folder) if name.endswith(".tmp")]
    resumed = run_job(job(folder), backends(folder))
    assert (resumed.entry.sha256, resumed.progress.turns_resumed) == (whole.entry.sha256, sum(parts[:4]))


def test_a_folder_with_signs_of_a_pattern_in_its_name_keeps_its_checkpoint(tmp_path):
    folder = tmp_path / "logs [1] *?"
    interrupted(folder, 3)
    assert run_job(job(folder), backends(folder)).progress.turns_resumed > 0


def test_of_two_racing_runs_one_is_entered_and_both_return_it(tmp_path):
    both_loaded, results = threading.Barrier(2), []

    def run():
        ready = backends(tmp_path)
        together = replace(ready, dialogues=lambda: (both_loaded.wait(60), ready.dialogues())[1])
        results.append(run_job(job(tmp_path), together))

    racers = [threading.Thread(target=run) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(90)
    (entry,) = LocalManifest(tmp_path / "manifest").entries("g")
    assert [result.entry for result in results] == [entry, entry]
    assert len(read_examples(entry.labels_url, entry.sha256)) == 16


def test_a_run_whose_checkpoint_the_winner_removed_returns_what_the_winner_entered(tmp_path, monkeypatch):
    real, winner = Checkpoint.add, []

    def add(self, examples):
        monkeypatch.setattr(Checkpoint, "add", real)
        winner.append(run_job(job(tmp_path), backends(tmp_path)).entry)
        raise RetryableError("Cannot write part-000000: no such file")

    monkeypatch.setattr(Checkpoint, "add", add)
    result = run_job(job(tmp_path), backends(tmp_path))

    assert [result.entry] == winner == LocalManifest(tmp_path / "manifest").entries("g")
    assert len(result.examples) == 16


def test_of_two_headers_the_first_stands(tmp_path):
    url = str(tmp_path / "c")
    first, second = Checkpoint(url), Checkpoint(url)
    start = threading.Barrier(8)
    opened = []

    def open_one(number):
        start.wait(10)
        opened.append(Checkpoint(url).open({"job": "1", "seed_run_ids": [str(number)]}, ("job",)))

    threads = [threading.Thread(target=open_one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(opened) == 8
    assert all(header == opened[0] for header in opened)
    assert first.open({"job": "1"}, ("job",)) == second.open({"job": "1"}, ("job",)) == opened[0]


def test_a_checkpoint_of_another_configuration_is_refused_with_the_difference(tmp_path):
    interrupted(tmp_path, 2)
    with pytest.raises(ConfigError, match=r"data_warmup: 2 then, 3 now; .*seed: 0 then, 7 now\)") as caught:
        run_job(job(tmp_path, data_warmup=3, seed=7), backends(tmp_path))
    assert str(caught.value).count(" then, ") == 2
    with pytest.raises(ConfigError, match=r"\(model: 'scripted' then, 'other' now\)"):
        run_job(job(tmp_path), backends(tmp_path, provenance={"model": "other", "code": "1"}))
    assert run_job(job(tmp_path), backends(tmp_path)).progress.turns_resumed > 0


def test_a_checkpoint_of_another_schema_or_entity_table_is_refused(tmp_path):
    def told(schema, entities):
        return replace(backends(tmp_path), schema_sha256=schema, entities_sha256=lambda: entities)

    with pytest.raises(InterruptedJobError):
        run_job(job(tmp_path), told("aa", "bb"), stopping_after(2))

    with pytest.raises(ConfigError, match=r"\(inputs.entities: 'bb' then, 'dd' now; inputs.schema: 'aa' then, 'cc' now\)"):
        run_job(job(tmp_path), told("cc", "dd"))
    assert run_job(job(tmp_path), told("aa", "bb")).entry.schema_sha256 == "aa"


def test_a_finished_run_of_another_schema_is_said_to_be_one(tmp_path, caplog):
    first = run_job(job(tmp_path), replace(backends(tmp_path), schema_sha256="aa"))
    run_job(job(tmp_path), replace(backends(tmp_path), schema_sha256="aa"))
    assert not caplog.records

    second = run_job(job(tmp_path), replace(backends(tmp_path), schema_sha256="cc"))

    assert second.entry == first.entry
    assert "the schema has changed since" in caplog.text and "run_id" in caplog.text


def test_a_checkpoint_of_other_dialogues_is_refused(tmp_path):
    interrupted(tmp_path, 3)
    for other in (corpus(6)[1:], [turns("d0", ("something else", "ok")), *corpus(6)[1:]]):
        with pytest.raises(ConfigError, match=r"d0.*other dialogues"):
            run_job(job(tmp_path), backends(tmp_path, dialogues=other))


def test_a_torn_header_is_reported_and_not_written_anew(tmp_path):
    interrupted(tmp_path, 3)
    header = tmp_path / "out/checkpoints/r/header.json"
    header.write_text(header.read_text()[:20])
    with pytest.raises(DamagedError, match=r"header.json cannot be read"):
        run_job(job(tmp_path), backends(tmp_path))


def test_the_seeds_of_a_job_stay_though_the_group_grows_meanwhile(tmp_path):
    run_job(job(tmp_path, "a"), backends(tmp_path, "a"))
    seeded = job(tmp_path, seed_retrievers_from_manifest=True, group_id_must_exist=True)
    with pytest.raises(InterruptedJobError):
        run_job(seeded, backends(tmp_path), stopping_after(3))
    header = json.loads((tmp_path / "out/checkpoints/r/header.json").read_text())
    run_job(job(tmp_path, "b"), backends(tmp_path, "b", dialogues=corpus(9)[6:]))
    resumed = run_job(seeded, backends(tmp_path))

    undisturbed = tmp_path / "undisturbed"
    run_job(job(undisturbed, "a"), backends(undisturbed, "a"))
    whole = run_job(job(undisturbed, seed_retrievers_from_manifest=True), backends(undisturbed))
    assert header["seed_run_ids"] == ["a"]
    assert resumed.entry.seed_run_ids == whole.entry.seed_run_ids == ("a",)
    assert [e.label.change for e in resumed.examples] == [e.label.change for e in whole.examples]
    assert resumed.examples == whole.examples


def test_seeds_that_are_gone_are_named(tmp_path):
    run_job(job(tmp_path, "a"), backends(tmp_path, "a"))
    seeded = job(tmp_path, seed_retrievers_from_manifest=True)
    with pytest.raises(InterruptedJobError):
        run_job(seeded, backends(tmp_path), stopping_after(3))
    (tmp_path / "manifest/g/a.json").unlink()
    with pytest.raises(ConfigError, match="no longer in the manifest: a"):
        run_job(seeded, backends(tmp_path))


def test_damaged_seeds_stop_the_job(tmp_path):
    entry = run_job(job(tmp_path, "a"), backends(tmp_path, "a")).entry
    Path(entry.labels_url).write_bytes(b"")
    with pytest.raises(DamagedError, match="is damaged"):
        run_job(job(tmp_path, seed_retrievers_from_manifest=True), backends(tmp_path))


def test_a_run_that_is_not_recorded_never_learns_from_itself(tmp_path):
    run_job(job(tmp_path), backends(tmp_path))
    unrecorded = job(tmp_path, seed_retrievers_from_manifest=True, write_to_manifest=False)
    assert run_job(unrecorded, backends(tmp_path)).entry.seed_run_ids == ()
    assert len(LocalManifest(tmp_path / "manifest").entries("g")) == 1


def test_a_group_that_must_exist_and_does_not_is_an_error_before_anything_is_loaded(tmp_path):
    with pytest.raises(ConfigError, match=r"'g' has no finished run .*job_0"):
        run_job(job(tmp_path, group_id_must_exist=True), replace(backends(tmp_path), labeller=lambda: 1 / 0))
    assert files(tmp_path) == []


CHECKS = 14  # of the lease in that job: one before the header, 11 before parts, one before the labels, one before the entry


def test_a_lease_that_holds_until_the_entry_is_enough(tmp_path):
    checks = []
    run_job(job(tmp_path), backends(tmp_path), Control(check_lease=lambda: checks.append(files(tmp_path))))
    assert len(checks) == CHECKS
    assert [name for name in checks[-1] if name.startswith("out/labels")]
    assert not [name for name in checks[-1] if name.startswith("manifest")]


@pytest.mark.parametrize("checks", range(CHECKS))
def test_a_lost_lease_writes_nothing_more(tmp_path, checks):
    left = iter([None] * checks)

    def check():
        if next(left, "lost") == "lost":
            before.extend(files(tmp_path))
            raise LeaseLostError("r: another worker has it")

    before: list[str] = []
    with pytest.raises(LeaseLostError):
        run_job(job(tmp_path), backends(tmp_path), Control(check_lease=check))
    assert files(tmp_path) == before
    assert not (tmp_path / "manifest").exists()
    if checks == 0:
        assert before == []


def test_progress_is_reported_and_counts_what_was_resumed(tmp_path):
    interrupted(tmp_path, 3)
    seen = []
    run_job(job(tmp_path), backends(tmp_path), Control(report=seen.append))
    assert seen[0].turns_done == seen[0].turns_resumed == seen[-1].turns_resumed > 0
    assert (seen[-1].turns_done, seen[-1].dialogues_done, seen[-1].dialogues) == (16, 6, 6)
    assert 0 < seen[-1].unparsable < seen[-1].candidates == 16 * 2 * 4


def test_a_replay_sees_the_same_pool_though_the_group_has_grown_and_writes_nothing(tmp_path):
    run_job(job(tmp_path, "a"), backends(tmp_path, "a"))
    seeded = job(tmp_path, seed_retrievers_from_manifest=True)
    first = run_job(seeded, backends(tmp_path))
    run_job(job(tmp_path, "b"), backends(tmp_path, "b", dialogues=corpus(9)[6:]))
    before = files(tmp_path)
    again = replay_job(seeded, backends(tmp_path, "another"), "r")
    assert (again.examples, again.entry) == (list(first.examples), first.entry)
    assert files(tmp_path) == before


def test_a_replay_of_an_unknown_run_or_of_another_job_is_an_error(tmp_path):
    run_job(job(tmp_path), backends(tmp_path))
    with pytest.raises(ConfigError, match=r"no run 's'. It has: \['r'\]"):
        replay_job(job(tmp_path), backends(tmp_path), "s")
    with pytest.raises(ConfigError, match="fingerprint"):
        replay_job(job(tmp_path, seed=1), backends(tmp_path), "r")


@pytest.mark.parametrize("url", ["bogus://bucket/labels", "a\0b"])
def test_a_place_that_cannot_be_is_refused_before_anything_is_loaded(tmp_path, url):
    def never():
        raise AssertionError("loaded")

    wrong = job(tmp_path).model_copy(update={"output": OutputSection.model_construct(labels_url=url)})

    with pytest.raises(ConfigError, match="Cannot use"):
        run_job(wrong, replace(backends(tmp_path), dialogues=never, labeller=never))
