"""Run one job now: `nc-latent-tod label`.

    python src/nc_latent_tod/experiments/offline_labelling_experiment.py JOB.json
"""

try:
    from nc_latent_tod.cli import main
except ModuleNotFoundError as error:
    raise SystemExit(f"error: this Python has no {error.name}: run scripts/quickstart, then use .venv/bin/python") from None

if __name__ == "__main__":
    main("label")
