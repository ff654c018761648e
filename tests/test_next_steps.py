"""The next-step READMEs under runs/: their tiny commands run as written, their configurations are whole."""

import glob
import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nc_latent_tod.cli import app
from nc_latent_tod.config.em import parse_em
from nc_latent_tod.config.finetune import parse_finetune
from nc_latent_tod.config.job import parse_job

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs"
STEPS = RUNS / "finetune_multitask" / "starcoder_3b"
SECOND = RUNS / "offline_labelling_experiment" / "second_labelling"


def tiny_commands(readme: Path) -> list[list[str]]:
    """The commands of the marked block, without `nc-latent-tod`."""
    [block] = re.findall(r"<!-- tiny -->\n```bash\n(.*?)```", readme.read_text(), re.DOTALL)
    return [shlex.split(line)[1:] for line in block.replace("\\\n", " ").splitlines()]


def test_the_tiny_commands_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(ROOT / "runs")
    commands = [command for readme in (STEPS / "offline_label", STEPS / "online_e2e", SECOND)
                for command in tiny_commands(readme / "README.md")]

    for command in commands:
        expanded = [found for part in command for found in (glob.glob(part) if "*" in part else [part])]
        done = CliRunner().invoke(app, expanded, catch_exceptions=False)
        assert done.exit_code == 0, (command, done.output)

    assert [command[0] for command in commands] == ["label", "publish", "finetune"] * 2 + ["label", "evaluate"]
    assert "Against tiny_initial" in done.output
    assert json.loads(Path("finetuned/tiny/online_e2e/finetuned.json").read_text())["labels"].keys() == {
        "dst", "policy", "response"}


def test_the_configurations_for_starcoder_are_whole() -> None:
    for name in ("offline_label", "online_e2e"):
        config = parse_finetune((STEPS / name / "finetune.json").read_bytes())
        weights = {(part.task, part.order): part.weight for part in config.mixture}
        assert (weights["dst", "direct"], weights["dst", "channel"]) == (1, 2)
    job = parse_job((SECOND / "job_0.json").read_bytes())
    assert (job.manifest.group_id, job.manifest.seed_group_id) == ("second_labelling", "initial_labelling")
    assert job.dst.model.adapter == job.act_tag.model.adapter == "finetuned/starcoder_3b/offline_label/checkpoint"
    assert parse_em((SECOND / "em.json").read_bytes()).rounds == 2


def test_the_configurations_in_the_docs_are_whole() -> None:
    finetuning, rounds = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "rounds.md").read_text(), re.DOTALL)

    assert len(parse_finetune(finetuning).mixture) == 6
    assert parse_em(rounds).rounds == parse_em((ROOT / "docs" / "em_simulated.json").read_bytes()).rounds == 2


def test_every_step_on_multiwoz_reads_the_same_schema() -> None:
    files = [RUNS / "offline_labelling_experiment/initial_labelling/job_0.json", SECOND / "job_0.json", SECOND / "em.json",
             STEPS / "offline_label/finetune.json", STEPS / "online_e2e/finetune.json",
             RUNS / "online_e2e_experiment/test_set/agent.json"]

    named = {path: set(re.findall(r'"schema_path": "(.*?)"', path.read_text())) for path in files}

    assert all(found == {"data/multiwoz/schema.json"} for found in named.values()), named
