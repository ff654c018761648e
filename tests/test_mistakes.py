"""What a user gets wrong on the command line: each mistake is one readable error, with the exit code that is documented."""

from pathlib import Path

import pytest
from test_cli import call, command_line, folder, write_job, write_logs  # noqa: F401  `folder` is a fixture

LABELS = "outputs/mine/labels"


@pytest.fixture
def labelled(folder):  # noqa: F811
    """A working folder with one finished run."""
    write_logs(folder / "logs.jsonl", 4)
    assert call("label", write_job(folder / "job.json")).exit_code == 0
    return folder


def error_of(*arguments: object) -> str:
    """The one error of a command that can never work."""
    result = call(*arguments)
    assert result.exit_code == 2, (result.output, result.exception)
    return result.stderr


@pytest.mark.parametrize("damage", ["removed", "torn"])
def test_labels_that_are_gone_are_named_by_every_command_that_needs_them(labelled, damage):
    [labels] = Path(LABELS).iterdir()
    if damage == "removed":
        labels.unlink()
    else:
        labels.write_bytes(labels.read_bytes()[:-10])

    for command in (["publish", "--group-id", "mine", "--to", "data"], ["label", "job.json"],
                    ["evaluate", "--group-id", "mine", "--gold", "packaged:simulated_gold"],
                    ["explain", "mine", "sim-1-000000", 0, "--job", "job.json"]):
        assert labels.name in error_of(*command)
    assert "remove the run's entry from the manifest" in error_of("label", "job.json")


def test_a_run_whose_entry_was_removed_is_labelled_again_to_the_same_bytes(labelled):
    [labels] = Path(LABELS).iterdir()
    before = labels.read_bytes()
    labels.unlink()
    [entry] = Path("manifest/mine").iterdir()
    entry.unlink()

    assert call("label", "job.json").exit_code == 0
    [again] = Path(LABELS).iterdir()
    assert again.read_bytes() == before
