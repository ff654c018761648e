"""Run the jobs of the queue that NC_LATENT_TOD_QUEUE_PATH names, until stopped: `nc-latent-tod work`.

    python src/nc_latent_tod/experiments/poll_for_offline_label_jobs.py [--drain]
"""

try:
    from nc_latent_tod.cli import main
except ModuleNotFoundError as error:
    raise SystemExit(f"error: this Python has no {error.name}: run scripts/quickstart, then use .venv/bin/python") from None

if __name__ == "__main__":
    main("work")
