"""Self-labelling of task-oriented dialogues with a code language model and a noisy channel."""

from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import NcLatentTodError
from nc_latent_tod.labels import Act, Candidate, Example, Label, TaskLabel
from nc_latent_tod.schema import Intent, Schema, Service, Slot

__version__ = "0.1.0"

__all__ = [
    "Act", "Candidate", "Dialogue", "Example", "Intent", "Label", "NcLatentTodError",
    "Schema", "Service", "Slot", "TaskLabel", "Turn", "__version__",
]
