"""Merge a group's labels into a dataset and upload it: `nc-latent-tod publish`.

    python src/nc_latent_tod/experiments/upload_offline_labeled_dataset.py --group-id GROUP --hf-username NAME

The original instructions name no manifest and mean the DynamoDB table: so does this, where there is no folder `manifest`.
"""

import os
import sys
from pathlib import Path

try:
    from nc_latent_tod.cli import main
except ModuleNotFoundError as error:
    raise SystemExit(f"error: this Python has no {error.name}: run scripts/quickstart, then use .venv/bin/python") from None

if __name__ == "__main__":
    said = {word.partition("=")[0] for word in sys.argv} & {"--manifest", "--job", "--help"}  # where it is, or no need to know
    if (not said and not Path("manifest").is_dir()
            and os.environ.setdefault("NC_LATENT_TOD_MANIFEST_PATH", "dynamo:") == "dynamo:"):
        sys.stderr.write("note: no folder 'manifest' here, so the manifest is the DynamoDB table; --manifest names another.\n")
    main("publish")
