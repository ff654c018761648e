"""Add a job to the queue that NC_LATENT_TOD_QUEUE_PATH names: `nc-latent-tod enqueue`.

    python src/nc_latent_tod/experiments/enqueue_job.py JOB.json
"""

try:
    from nc_latent_tod.cli import main
except ModuleNotFoundError as error:
    raise SystemExit(f"error: this Python has no {error.name}: run scripts/quickstart, then use .venv/bin/python") from None

if __name__ == "__main__":
    main("enqueue")
