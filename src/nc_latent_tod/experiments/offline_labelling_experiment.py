"""Run one job now: `nc-latent-tod label`.

    python src/nc_latent_tod/experiments/offline_labelling_experiment.py JOB.json
"""

from nc_latent_tod.cli import main

if __name__ == "__main__":
    main("label")
