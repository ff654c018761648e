"""docs/aws.md and the README's section on many machines, followed word for word on the local server."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def follow(text: str, folder: Path) -> str:
    """Run what a page says in bash blocks; return what it prints."""
    (folder / "page.sh").write_text("set -euo pipefail\n" + "".join(re.findall(r"```bash\n(.*?)```", text, flags=re.DOTALL)))
    for name in ("scripts", "runs"):
        (folder / name).symlink_to(ROOT / name)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "NC_LATENT_TOD_"))}
    done = subprocess.run([sys.executable, ROOT / "scripts" / "local_aws.py", "bash", "page.sh"], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_on_many_machines_can_be_followed_word_for_word(tmp_path: Path) -> None:
    said = follow((ROOT / "README.md").read_text().split("## Many machines")[1].split("\n## ")[0], tmp_path)

    for words in ("1 enqueued, 0 already there", "1 done, 0 retried", "0 queued   0 in flight   1 done   0 dead", "40: "):
        assert words in said
    assert [path.name for path in (tmp_path / "datasets").iterdir()][0].startswith("manifest_self_labelled_town_40_")


def test_the_page_on_aws_can_be_followed_word_for_word(tmp_path: Path) -> None:
    said = follow((ROOT / "docs" / "aws.md").read_text(), tmp_path)

    for words in ("2 enqueued, 0 already there", "0 queued   0 in flight   2 done   0 dead", "12: ", "No dead letters.",
                  "0 would be put back", "3 runs copied", "0 files with 0 bytes would be deleted"):
        assert words in said, f"{words!r} not in {said}"
    [on_aws], [copied] = (list((tmp_path / name).iterdir()) for name in ("datasets", "datasets_of_the_copy"))
    assert on_aws.name == copied.name
