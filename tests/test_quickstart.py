"""The quickstart around its jobs: what it reuses, what it never deletes, and what a second attempt does."""

from pathlib import Path

import pytest

from nc_latent_tod.api.quickstart import GROUP, PARTITIONS, quickstart, write_jobs
from nc_latent_tod.errors import ConfigError, InterruptedJobError, RetryableError
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline.run import Control
from nc_latent_tod.queues.folder.queue import FolderQueue


def never(queue: Path) -> int:
    raise AssertionError("workers were started")


def finish(folder: Path, run_id: str) -> None:
    """Pretend that a run is finished."""
    LocalManifest(folder / "manifest").add(ManifestEntry(GROUP, run_id, 1, "labels", "train"))


@pytest.fixture
def begun(tmp_path) -> Path:
    """A quickstart whose first job is finished."""
    finish(tmp_path, write_jobs(tmp_path)[PARTITIONS[0]].run)
    return tmp_path


@pytest.mark.parametrize("fresh", [False, True])
@pytest.mark.parametrize("foreign", ["thesis.tex", "jobs/mine.json"])
def test_a_folder_of_something_else_is_left_alone(tmp_path, fresh, foreign):
    (tmp_path / foreign).parent.mkdir(exist_ok=True)
    (tmp_path / foreign).write_text("years of work")

    with pytest.raises(ConfigError, match="holds files that no quickstart has written"):
        write_jobs(tmp_path, fresh=fresh)

    assert (tmp_path / foreign).read_text() == "years of work"


def test_a_fresh_start_deletes_what_it_wrote_and_nothing_else(begun):
    (begun / "notes.txt").write_text("mine")

    write_jobs(begun, fresh=True)

    assert sorted(path.name for path in begun.iterdir()) == ["jobs", "notes.txt"]


def test_runs_of_another_version_are_not_mixed_with_its_own(begun):
    finish(begun, "train_0_10-of-last-year")

    with pytest.raises(ConfigError, match=r"other jobs than this version's \(train_0_10-of-last-year\).*--fresh"):
        quickstart(begun, never)


def test_workers_that_were_stopped_leave_it_to_be_continued(begun):
    with pytest.raises(RetryableError, match="3 runs are not finished .* goes on where it stopped"):
        quickstart(begun, lambda queue: 0)


def test_workers_that_a_signal_stopped_end_it_as_interrupted(begun):
    asked = []

    with pytest.raises(InterruptedJobError, match="workers were stopped"):
        quickstart(begun, lambda queue: asked.append(True) or 0, control=Control(should_stop=lambda: bool(asked)))


def test_dead_letters_of_an_earlier_attempt_are_tried_again(begun):
    def all_die(path: Path) -> int:
        queue = FolderQueue(path)
        while delivery := queue.receive(0):
            delivery.nack("no memory", dead=True)
        return 3

    with pytest.raises(RetryableError, match="A worker ended with code 3"):
        quickstart(begun, all_die)
    ready = []
    with pytest.raises(RetryableError, match="3 runs are not finished"):
        quickstart(begun, lambda path: ready.append(FolderQueue(path).status().ready) or 0)

    assert ready == [3]
