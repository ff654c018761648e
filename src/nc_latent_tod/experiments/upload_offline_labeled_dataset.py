"""Merge a group's labels into a dataset and upload it: `nc-latent-tod publish`.

    python src/nc_latent_tod/experiments/upload_offline_labeled_dataset.py --group-id GROUP --hf-username NAME
"""

from nc_latent_tod.cli import main

if __name__ == "__main__":
    main("publish")
