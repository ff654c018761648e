"""Add a job to the queue that NC_LATENT_TOD_QUEUE_PATH names: `nc-latent-tod enqueue`.

    python src/nc_latent_tod/experiments/enqueue_job.py JOB.json
"""

from nc_latent_tod.cli import main

if __name__ == "__main__":
    main("enqueue")
