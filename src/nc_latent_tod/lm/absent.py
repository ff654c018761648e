"""The language model of a job that has none."""

from __future__ import annotations

from nc_latent_tod.lm import TokenCount


class AbsentLM:
    """No model: nothing went through it. It can be asked for its name and its count of tokens, and for nothing else."""

    fingerprint = "none"

    def __init__(self) -> None:
        self.tokens = TokenCount()
