#!/bin/bash
# Workers on a Slurm cluster, one a task of the array: sbatch --array=0-7 deploy/slurm.sh
# Start it where the queue and the folders of the job files are seen from every node, or with a queue on AWS.
#SBATCH --job-name=nc-latent-tod
#SBATCH --gpus=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=48G
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=nc-latent-tod-%A_%a.log
# 60 s before the time is up, to the shell alone, which the worker replaces below.
#SBATCH --signal=B:TERM@60
set -euo pipefail
: "${NC_LATENT_TOD_QUEUE_PATH:?set it to a folder that all nodes see, or to an SQS queue}"
export HF_HOME=${HF_HOME:-$HOME/.cache/huggingface} PYTHONUNBUFFERED=1
exec "${NC_LATENT_TOD_BIN:-.venv/bin/nc-latent-tod}" --log-json work --drain
