"""The section of a job file that names an OpenAI-compatible completions server."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from nc_latent_tod.config.places import Place
from nc_latent_tod.config.section import Section


class ServerSection(Section):
    """A completions server, for `model_type: openai`. Its key is in the environment, never in the job."""

    base_url: str = Field(pattern=r"^https?://\S+$")
    """As the openai package takes it: `http://127.0.0.1:8000/v1`."""
    api_key_variable: str = Field("OPENAI_API_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the key; where it is not set, none is sent."""
    tokenizer: Place | None = None
    """The model's tokenizer, a folder or Hub id: prompts go as token ids and lengths are exact. Without it they go as text."""
    context_length: PositiveInt = 2048
    """Tokens of prompt and completion that the server takes."""
    scoring: Literal["auto", "echo", "prompt_logprobs", "none"] = "auto"
    """How the server scores a given text; `auto` asks it."""
    concurrency: PositiveInt = 8
    """Requests at a time."""
    timeout_s: PositiveFloat = 60.0
    """Seconds until a request counts as lost."""
    retries: NonNegativeInt = 4
    """Of a request that failed in a way that may pass."""
