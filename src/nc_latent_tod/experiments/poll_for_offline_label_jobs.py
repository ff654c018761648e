"""Run the jobs of the queue that NC_LATENT_TOD_QUEUE_PATH names, until stopped: `nc-latent-tod work`.

    python src/nc_latent_tod/experiments/poll_for_offline_label_jobs.py [--drain]
"""

from nc_latent_tod.cli import main

if __name__ == "__main__":
    main("work")
