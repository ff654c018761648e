"""folder_runner.sh runs a script for every file of a folder."""

import subprocess
from pathlib import Path

import pytest

RUNNER = Path(__file__).resolve().parents[1] / "folder_runner.sh"

SCRIPT = """
import pathlib, sys
[name] = sys.argv[1:]
pathlib.Path(__file__).with_name("log.txt").open("a").write(pathlib.Path(name).name + "\\n")
sys.stdin.read()
sys.exit(7 if "bad" in name else 0)
"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = ["bash", RUNNER, *arguments]
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "a script.py"
    path.write_text(SCRIPT)
    return path


def files(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_text("{}")
    return folder


def ran(script: Path) -> list[str]:
    log = script.with_name("log.txt")
    return log.read_text().splitlines() if log.exists() else []


def test_every_json_file_is_run_once_in_name_order_spaces_and_all(tmp_path, script):
    folder = files(tmp_path / "job files", "b c.json", "a.json", "-n.json", "Z.json", "note.txt")
    files(folder / "deeper", "d.json")

    done = run(script, folder)

    assert done.returncode == 0, done.stderr
    assert ran(script) == ["-n.json", "Z.json", "a.json", "b c.json"]


def test_a_pattern_chooses_among_the_files(tmp_path, script):
    folder = files(tmp_path / "jobs", "train_50_100.json", "dev_0_50.json")

    assert run(script, folder, "train_*.json").returncode == 0

    assert ran(script) == ["train_50_100.json"]


def test_the_first_failure_stops_the_rest_and_is_named_with_its_exit_status(tmp_path, script):
    folder = files(tmp_path / "jobs", "a.json", "bad one.json", "c.json")

    done = run(script, folder)

    assert done.returncode == 7
    assert "jobs/bad one.json' failed" in done.stderr.replace("//", "/")
    assert ran(script) == ["a.json", "bad one.json"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{script}"], "usage"),
        (["{script}", "{tmp}/absent"], "no folder"),
        (["{tmp}/absent.py", "{tmp}"], "no script"),
        (["{script}", "{tmp}", "*.yaml"], "matches '*.yaml'"),
    ],
)
def test_a_wrong_use_is_refused_with_its_reason(tmp_path, script, arguments, words):
    done = run(*(argument.format(script=script, tmp=tmp_path) for argument in arguments))

    assert done.returncode == 2
    assert words in done.stderr
    assert ran(script) == []
