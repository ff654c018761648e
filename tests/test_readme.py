"""The README's commands for one's own logs and for correcting them, word for word in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

from browser import chromium, installed
from datasets import load_from_disk
from test_annotation_browser import Person

from nc_latent_tod.annotation.corrections import Correction, write_corrections
from nc_latent_tod.annotation.rounds import read_round
from nc_latent_tod.labels import Act

ROOT = Path(__file__).resolve().parents[1]


def commands(section: str) -> str:
    text = (ROOT / "README.md").read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", text, re.DOTALL)[0]


def run(lines: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(["bash", "-euc", lines], cwd=folder, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "COLUMNS": "100", "PATH": path})


def correct(folder: Path) -> None:
    """What a person does between the commands: turn 1 of the dialogue is shown first, and its price is expensive."""
    if not installed():  # the commands hold all the same
        made = read_round(folder / "annotations" / "round-0.json")
        changes = [{"court": {"surface": "grass", "price": "expensive"}}, {"court": {"surface": "clay", "price": "cheap"}}]
        acts = {0: tuple(Act("Inform", "court", *pair) for pair in (("name", "Elm Park"), ("price", "cheap")))}
        write_corrections(folder / "corrections-0.json", made, [
            Correction(*turn.key, turn.text_sha256, "fixed", change, acts.get(turn.turn_id, ()), "Ada")
            for turn, change in zip(made.turns, changes, strict=True)])
        return
    with chromium(folder) as browser:
        person = Person(browser, folder / "correct.html")
        person.press("Ada", person.find("Your name"))
        person.slot("price", "expensive").click()
        person.press("aa", browser.find_element("id", "heading"))
        person.saved(folder)


def test_own_logs_can_be_labelled_word_for_word(tmp_path):
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])

    done = run(commands("Label your own logs"), tmp_path)

    assert done.returncode == 0, done.stderr
    assert re.search(r"court\.surface +2 +clay, grass", done.stdout)
    assert "court: price = dontcare, surface = grass" in re.sub(r"\s+", " ", done.stdout)
    assert (tmp_path / "my_logs" / "own_logs" / "report.html").stat().st_size > 10_000


def test_labels_can_be_corrected_word_for_word(tmp_path):
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    assert run(commands("Label your own logs"), tmp_path).returncode == 0
    folder, (before, after) = tmp_path / "my_logs", commands("Correct labels").split("# correct with the keys")

    first = run(before, folder)
    assert first.returncode == 0, first.stderr
    correct(folder)
    second = run(f"# correct with the keys{after}", folder)

    assert second.returncode == 0, second.stderr
    assert "2 corrections in group own_logs, 1 of them other than predicted" in second.stdout
    [dataset] = (folder / "datasets").iterdir()
    rows = {row["turn_id"]: row for row in load_from_disk(dataset)["train"]}
    assert {row["label_source"] for row in rows.values()} == {"human"}
    assert rows[1]["turn_slot_values"]["court"]["price"] == "expensive"
    assert rows[1]["slot_values"]["court"]["surface"] == "grass"
