"""What only some commands need is an extra; without it they say which pip command brings it, before anything is loaded."""

import json
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from nc_latent_tod.errors import ConfigError, require_extra
from nc_latent_tod.queues.folder.queue import FolderQueue

ROOT = Path(__file__).resolve().parents[1]
WITHOUT = """
import sys
for name in {names!r}: sys.modules[name] = None
sys.argv = ["nc-latent-tod", *{arguments!r}]
from nc_latent_tod.cli import main
try: main()
finally: print("torch" in sys.modules)
"""


def run_without(names: list[str], arguments: list[str], within: Path) -> subprocess.CompletedProcess[str]:
    code = WITHOUT.format(names=names, arguments=arguments)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=within)


def extras() -> dict[str, list[str]]:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return {name: lines.split() for name, lines in setup["options.extras_require"].items()}


def test_fine_tuning_without_its_extra_names_the_pip_command_and_loads_no_torch(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"data": {"dataset": "somewhere", "schema_path": "packaged:schema"},
                                                   "model": {"model_name_or_path": "packaged:tiny-starcoder"}}))

    done = run_without(["mlflow", "peft"], ["finetune", "run.json", "--out", "out"], tmp_path)

    assert done.returncode == 2 and done.stdout.strip() == "False"
    assert "mlflow, peft" in done.stderr and "pip install 'nc_latent_tod[train]'" in done.stderr


def test_metrics_of_a_worker_without_their_extra_name_the_pip_command(tmp_path: Path) -> None:
    FolderQueue(str(tmp_path / "queue"))
    done = run_without(["prometheus_client"], ["work", "--queue", "queue", "--drain", "--metrics-port", "0"], tmp_path)

    assert done.returncode == 2 and "pip install 'nc_latent_tod[metrics]'" in done.stderr


def test_a_package_that_is_installed_is_not_asked_for() -> None:
    require_extra("this test", "dev", "pytest")
    with pytest.raises(ConfigError, match="this test needs no_such_package, which is not installed"):
        require_extra("this test", "dev", "pytest", "no_such_package")


def test_what_is_in_an_extra_is_not_in_the_core() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    core = {line.split(">")[0] for line in setup["options"]["install_requires"].split()}
    optional = {package for name, packages in extras().items() if name not in ("dev", "all") for package in packages}

    assert optional and not core & optional


def test_the_set_up_of_the_readme_brings_every_extra_but_dev() -> None:
    known = extras()
    [everything] = known["all"]

    assert set(everything.removeprefix("nc_latent_tod[").removesuffix("]").split(",")) == set(known) - {"dev", "all"}
    assert "nc_latent_tod[all]" in known["dev"]
    assert 'extra="${1:-all}"' in (ROOT / "scripts" / "environment.sh").read_text()
