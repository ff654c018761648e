"""The examples run as they are, and the page on Python does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SAID = {"evaluate_and_calibrate": "joint goal accuracy (", "job_on_a_queue": "4 done", "label_own_logs": "'price': 'dontcare'",
        "own_corpus_format": "'beds': '2', 'day': 'saturday'", "publish_and_load": "num_rows"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_from_anywhere(example: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, example], cwd=tmp_path, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    assert SAID[example.stem] in done.stdout


def test_the_notebook_runs_to_its_end(tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "examples" / "labels_in_a_notebook.ipynb", as_version=4)

    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()

    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in data for data in shown) == 2


def test_the_page_on_python_runs_word_for_word(tmp_path: Path) -> None:
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), re.DOTALL)

    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert "{'court': {'surface': 'clay', 'price': 'cheap'}}" in done.stdout
    assert len([line for line in block.splitlines() if line.strip()]) <= 8
