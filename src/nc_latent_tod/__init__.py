"""Self-labelling of task-oriented dialogues with a code language model and a noisy channel.

    import nc_latent_tod as nct

    labels = nct.label(dialogues, schema)
    labels.to_pandas()

The verbs are those of the command line (docs/python.md). Importing this loads neither torch nor pandas.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING, Any

from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import NcLatentTodError
from nc_latent_tod.labels import Act, Candidate, Example, Label, TaskLabel
from nc_latent_tod.schema import Intent, Schema, Service, Slot
from nc_latent_tod.system.version import __version__

if TYPE_CHECKING:
    from nc_latent_tod.api.evaluate import evaluate
    from nc_latent_tod.api.explain import explain
    from nc_latent_tod.api.label import label
    from nc_latent_tod.api.labels import Labels
    from nc_latent_tod.api.plan import plan
    from nc_latent_tod.api.publish import publish
    from nc_latent_tod.api.report import report
    from nc_latent_tod.api.simulate import simulate
    from nc_latent_tod.corpus.load import load_dialogues
    from nc_latent_tod.corpus.schemas import load_schema

__all__ = [
    "Act", "Candidate", "Dialogue", "Example", "Intent", "Label", "Labels", "NcLatentTodError", "Schema", "Service", "Slot",
    "TaskLabel", "Turn", "__version__", "evaluate", "explain", "label", "load_dialogues", "load_schema", "plan", "publish",
    "report", "simulate",
]

_LOADED_WHEN_USED = {
    "Labels": "api.labels", "evaluate": "api.evaluate", "explain": "api.explain", "label": "api.label",
    "load_dialogues": "corpus.load", "load_schema": "corpus.schemas", "plan": "api.plan", "publish": "api.publish",
    "report": "api.report", "simulate": "api.simulate",
}


def __getattr__(name: str) -> Any:
    if name not in _LOADED_WHEN_USED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(_import_module(f"{__name__}.{_LOADED_WHEN_USED[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
