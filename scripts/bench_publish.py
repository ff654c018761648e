"""What publishing takes: memory, processor time and disk, for copies of a finished group under other dialogue ids.

    .venv/bin/python scripts/bench_publish.py --manifest quickstart/manifest --group-id quickstart --copies 30

Memory is the most that RssAnon of /proc/self/status shows, so without mapped files, of which the system keeps what it has
room for.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from nc_latent_tod.corpus.label_files import read_examples, write_examples
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.publishing.publish import publish

_LOOK_EVERY_S = 0.02


def copy(manifest: LocalManifest, group_id: str, copies: int, folder: Path) -> LocalManifest:
    """A manifest of a group that is as many times as large."""
    made = LocalManifest(folder / "manifest")
    for entry in manifest.entries(group_id):
        examples = read_examples(entry.labels_url, entry.sha256)
        for number in range(copies):
            run_id = f"{number:04}_{entry.run_id}"
            url = str(folder / f"{run_id}.jsonl.gz")
            renamed = [replace(e, turn=replace(e.turn, dialogue_id=f"{e.turn.dialogue_id}_{number:04}")) for e in examples]
            made.add(replace(entry, run_id=run_id, labels_url=url, labelled_dataset_split_name="train",
                             sha256=write_examples(url, renamed)))
    return made


def watch(peaks: list[int]) -> None:
    """Note the largest resident memory without mapped files, in kB, for ever."""
    while True:
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        peaks[0] = max(peaks[0], int(status["RssAnon"].split()[0]))
        time.sleep(_LOOK_EVERY_S)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manifest", default="quickstart/manifest")
    parser.add_argument("--group-id", default="quickstart")
    parser.add_argument("--schema", default="packaged:schema")
    parser.add_argument("--copies", type=int, default=30)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        group = copy(LocalManifest(options.manifest), options.group_id, options.copies, folder)
        peaks = [0]
        threading.Thread(target=watch, args=(peaks,), daemon=True).start()
        began = time.process_time()
        published = publish(group, options.group_id, schema=load_schema(options.schema), to=folder / "datasets")
        assert published.path is not None
        size = sum(path.stat().st_size for path in published.path.rglob("*") if path.is_file())
        print(f"{published.dialogues} dialogues, {published.turns} turns: {peaks[0] / 1024:.0f} MiB, with mapped files "
              f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB; processor time "
              f"{time.process_time() - began:.1f} s; dataset {size / published.turns:.0f} bytes a turn")


if __name__ == "__main__":
    main()
