"""The installed wheel, outside the repository: everything that the commands need comes with it."""

import json
import os
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKPOINT = Path("src/nc_latent_tod/data/tiny-starcoder")
MAX_MB = 20  # the checkpoint is 15 at most


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a copy of the sources: what an earlier build left in the repository stays out of it."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "src", copy / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", copy / "dist", copy, within=copy)
    [built] = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """The `bin` folder of a fresh environment with the wheel; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("a fresh environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, within=folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "--no-deps", "--no-index", wheel, within=folder)
    [packages] = folder.glob("lib/python*/site-packages")
    # A .pth file does not read those of the folders that it names, so an editable install of the repository is not seen.
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder / "bin"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "an empty folder"
    folder.mkdir()
    return folder


def run(*command: object, within: Path, seconds: float = 1_800) -> str:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "NC_LATENT_TOD"))}
    done = subprocess.run([str(part) for part in command], cwd=within, env={**environment, "OMP_NUM_THREADS": "1"}, text=True,
                          capture_output=True, timeout=seconds)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def test_the_wheel_holds_the_packaged_data_and_nothing_of_the_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    data = [path for path in (ROOT / "src/nc_latent_tod/data").rglob("*") if path.is_file()]

    assert {path.relative_to(ROOT / "src").as_posix() for path in data} <= names
    assert "nc_latent_tod/py.typed" in names
    assert not [name for name in names if not name.startswith(("nc_latent_tod/", "nc_latent_tod-"))]
    assert wheel.stat().st_size < MAX_MB * 1e6


def test_the_installed_package_is_not_the_repository(installed: Path, outside: Path) -> None:
    found = run(installed / "python", "-c", "import nc_latent_tod; print(nc_latent_tod.__file__)", within=outside)

    assert found.startswith(str(installed.parent))


def test_the_installed_command_plans_and_labels_packaged_dialogues_anywhere(installed: Path, outside: Path) -> None:
    command = installed / "nc-latent-tod"
    scripted = {"model": {"model_type": "scripted"}, "retriever": {"type": "none"}}
    (outside / "job.json").write_text(json.dumps({
        "data": {"eval_set_path_or_name": "packaged:simulated", "eval_set_split_name": "train_0_2",
                 "schema_path": "packaged:schema"},
        "dst": scripted, "act_tag": scripted, "manifest": {"type": "local", "manifest_path": "manifest", "group_id": "mine"}}))

    assert "quickstart" in run(command, "--help", within=outside)
    plan = json.loads(run(command, "plan", "job.json", "--json", within=outside))
    labelled = json.loads(run(command, "label", "job.json", "--json", within=outside))

    assert plan["dialogues"] == labelled["entry"]["num_dialogues"] == 2
    assert plan["turns"] == labelled["entry"]["num_logs"]
    assert sorted(path.name for path in outside.iterdir()) == ["job.json", "manifest", "outputs"]


@pytest.mark.skipif(not (ROOT / CHECKPOINT / "model.safetensors").is_file(),
                    reason=f"{CHECKPOINT} has no checkpoint yet: the embedded default cannot run")
def test_the_quickstart_of_the_installed_command_runs_anywhere(installed: Path, outside: Path) -> None:
    run(installed / "nc-latent-tod", "quickstart", within=outside)

    summary = json.loads((outside / "quickstart" / "summary.json").read_text())
    assert summary["dialogues"] == 40 and summary["failures"] < summary["turns"]
    assert (outside / summary["dataset"] / "README.md").is_file()
