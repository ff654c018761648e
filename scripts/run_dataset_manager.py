#!/usr/bin/env python3
"""`nc-latent-tod dataset ACTION`, with the action as `-a`: `scripts/run_dataset_manager.py -e staging -a upload -l chats`."""

import argparse
import sys

from nc_latent_tod.cli import app

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, add_help=False, allow_abbrev=False)
    parser.add_argument("-a", "--action", required=True, choices=("upload", "download"))
    chosen, rest = parser.parse_known_args(sys.argv[1:])
    app(["dataset", chosen.action, *rest], prog_name="nc-latent-tod")
