"""The shell scripts of the set-up: their syntax, and what a fresh machine can get wrong."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ("scripts/chaos", "scripts/quickstart", "scripts/test", ".ci/run", "folder_runner.sh")


def shell(*command: object, within: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=within, capture_output=True, text=True, timeout=600,
                          env={**os.environ, **environment})


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The parts of the repository that the set-up reads, in a folder with a space."""
    folder = tmp_path / "a clone"
    shutil.copytree(ROOT / "scripts", folder / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "constraints.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "src" / "nc_latent_tod" / "cli", folder / "src" / "nc_latent_tod" / "cli")
    return folder


@pytest.mark.parametrize("name", [*SCRIPTS, "scripts/environment.sh"])
def test_every_script_is_bash_that_parses(name: str) -> None:
    done = shell("bash", "-n", ROOT / name, within=ROOT)

    assert (done.returncode, done.stderr) == (0, "")
    if name in SCRIPTS:
        assert os.access(ROOT / name, os.X_OK)
        assert (ROOT / name).read_text().startswith("#!/usr/bin/env bash\n")


def test_a_machine_without_a_suitable_python_is_told_so(clone: Path, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "dirname"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    (tools / "python3").write_text("#!/usr/bin/env bash\nexit 1\n")  # as an old one answers
    (tools / "python3").chmod(0o755)

    done = shell("bash", clone / "scripts" / "quickstart", within=tmp_path, PATH=str(tools))

    assert done.returncode == 1
    assert done.stderr == "error: Python 3.11 or later is needed and none was found on PATH. Install it, then run this again.\n"


def test_half_an_environment_is_made_anew_and_a_missing_network_is_named(clone: Path, tmp_path: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to(sys.executable)  # it would install into the Python of the system
    (tmp_path / "python3").symlink_to(getattr(sys, "_base_executable", sys.executable))  # the only name of Python here
    path = os.pathsep.join([str(tmp_path), "/usr/bin", "/bin"])

    done = shell("bash", clone / "scripts" / "quickstart", within=tmp_path, PATH=path, PIP_NO_INDEX="1")

    assert done.returncode == 1
    assert "Remaking .venv" in done.stdout and "Installing into .venv" in done.stdout
    assert "error: the packages could not be installed" in done.stderr and "network" in done.stderr
    assert (clone / ".venv" / "pyvenv.cfg").is_file() and not list((clone / ".venv").glob("installed*"))


@pytest.mark.parametrize(("stamp", "is_reused"), [
    ("installed-all", True), ("installed-dev", True), ("installed-tests", False), (None, False)])
def test_an_environment_is_reused_while_nothing_changed(clone: Path, stamp: str | None, is_reused: bool) -> None:
    ask = ". scripts/environment.sh; usable_environment() { true; }; "  # a stand-in for the gigabytes
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").write_text("#!/usr/bin/env bash\nexit 0\n")
    (clone / ".venv" / "bin" / "python").chmod(0o755)
    made = shell("bash", "-c", f"{ask} environment", within=clone)
    assert "Installing" in made.stdout and made.returncode == 0, made.stderr
    (clone / ".venv" / "installed-all").rename(clone / ".venv" / (stamp or "elsewhere"))

    again = shell("bash", "-c", f"{ask} environment", within=clone)
    (clone / "setup.cfg").write_text("changed")
    changed = shell("bash", "-c", f"{ask} environment", within=clone)

    assert ("Reusing" in again.stdout) is is_reused
    assert "Installing" in changed.stdout


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_no_source_file_is_ignored_by_git_and_so_by_the_linter():
    listed = subprocess.run(["git", "ls-files", "-ci", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                            check=True)

    assert listed.stdout == ""
