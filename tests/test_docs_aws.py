"""docs/aws.md, followed word for word on the local server."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_on_aws_can_be_followed_word_for_word(tmp_path: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "aws.md").read_text(), flags=re.DOTALL)
    (tmp_path / "page.sh").write_text("set -euo pipefail\n" + "".join(blocks))
    for folder in ("scripts", "runs"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "NC_LATENT_TOD_"))}

    done = subprocess.run([sys.executable, ROOT / "scripts" / "local_aws.py", "bash", "page.sh"], cwd=tmp_path, env=environment,
                          capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    for words in ("2 enqueued, 0 already there", "0 queued   0 in flight   2 done   0 dead", "12: ", "No dead letters.",
                  "0 would be put back", "3 runs copied", "0 files with 0 bytes would be deleted"):
        assert words in done.stdout, f"{words!r} not in {done.stdout}"
    [on_aws], [copied] = (list((tmp_path / name).iterdir()) for name in ("datasets", "datasets_of_the_copy"))
    assert on_aws.name == copied.name
