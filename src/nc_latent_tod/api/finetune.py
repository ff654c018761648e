"""A labeller fine-tuned on published labels."""

from nc_latent_tod.training.finetune.run import finetune
from nc_latent_tod.training.finetune.state import Finetuned

__all__ = ["Finetuned", "finetune"]
