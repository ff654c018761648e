"""The README's commands for one's own logs, word for word in an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def own_logs_commands() -> str:
    section = (ROOT / "README.md").read_text().split("## Label your own logs")[1].split("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)[0]


def test_own_logs_can_be_labelled_word_for_word(tmp_path):
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])

    done = subprocess.run(["bash", "-euc", own_logs_commands()], cwd=tmp_path, capture_output=True, text=True, timeout=300,
                          env={**os.environ, "COLUMNS": "100"})

    assert done.returncode == 0, done.stderr
    assert re.search(r"court\.surface +2 +clay, grass", done.stdout)
    assert "court: price = dontcare, surface = grass" in re.sub(r"\s+", " ", done.stdout)
    assert (tmp_path / "my_logs" / "own_logs" / "report.html").stat().st_size > 10_000
