"""The part of a job file that says how a turn is read: prompt, samples, proposals, ranking."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from nc_latent_tod.config.places import Place
from nc_latent_tod.config.section import Section

GenerationMode = Literal["greedy", "direct", "noisy_channel_cond", "noisy_channel_joint", "pmi"]


class SamplingSection(Section):
    """How candidates are drawn."""

    n: PositiveInt = 8
    """Candidates a turn."""
    best_of: PositiveInt | None = None
    """Samples drawn, of which the `n` likeliest are kept; `n` where it is left out."""
    top_p: float = Field(0.7, gt=0, le=1)
    temperature: float = Field(1.0, ge=0)
    max_new_tokens: PositiveInt = 96

    @property
    def draws(self) -> int:
        """Samples a turn."""
        return self.best_of or self.n

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.draws < self.n:
            raise ValueError(f"best_of ({self.best_of}) is less than n ({self.n}): drop it, or set it to n or more")
        if self.temperature == 0 and self.draws > 1:
            raise ValueError(f"temperature 0 draws the same candidate {self.draws} times: raise it, or set n to 1")
        return self


class GenerationSection(Section):
    """How a turn is read: the prompt, the candidates and their ranking."""

    prompt_mode: str
    generation_mode: GenerationMode
    length_normalization: Literal["none", "tokens"] = "none"
    """`tokens` divides each log-probability of a reading's score by its number of tokens; `none` compares sums."""
    noisy_channel_prompt_mode: str
    preamble: Literal["full", "signatures", "none"] = "full"
    """How much of the schema a prompt begins with."""
    sampling_args: SamplingSection = SamplingSection()
    proposals: NonNegativeInt = 0
    """Readings that schema and entity table propose, weighed with the samples. With the model `none`, 0 means 8."""
    constrained: bool = False
    """Sample within a grammar of the schema and the turn's words, so that every sample parses. Models in this process only."""

    proposal_weight: float = Field(0.0, ge=0)
    """The score of a reading is that of `generation_mode` and so many times its pseudo-score as a proposal."""

    @model_validator(mode="before")
    @classmethod
    def _greedy_draws_once(cls, data: Any) -> Any:
        """With `greedy`, a left-out `n` is 1."""
        if isinstance(data, dict) and data.get("generation_mode") == "greedy":
            sampling = data.get("sampling_args", {})
            if isinstance(sampling, dict) and "n" not in sampling:
                return {**data, "sampling_args": {**sampling, "n": 1}}
        return data

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.generation_mode == "greedy" and self.proposals:
            raise ValueError(f"generation_mode 'greedy' takes one candidate but proposals asks for {self.proposals} more: "
                             "set it to 0, or choose another mode")
        if self.proposal_weight and not self.proposals:
            raise ValueError(f"proposal_weight is {self.proposal_weight:g} but there are no proposals: set proposals to 8, say")
        if self.generation_mode == "greedy" and self.sampling_args.draws > 1:
            raise ValueError(f"generation_mode 'greedy' takes one candidate but sampling_args asks for "
                             f"{self.sampling_args.draws}: set n and best_of to 1, or choose another mode")
        if self.length_normalization == "tokens" and self.generation_mode in _NOT_CHANGED_BY_LENGTH:
            raise ValueError(f"length_normalization 'tokens' means nothing with generation_mode {self.generation_mode!r}: it "
                             f"{_NOT_CHANGED_BY_LENGTH[self.generation_mode]}. Set it to 'none', or choose another mode")
        return self


_NOT_CHANGED_BY_LENGTH = {"greedy": "has one reading", "noisy_channel_cond": "scores the same text for all readings of a turn"}


class DstGeneration(GenerationSection):
    proposal_ranker: Place | None = None
    """A file of weights that `em` or `bootstrap` learnt, for the order of proposals."""
    prompt_mode: Literal["causal_dst"] = "causal_dst"
    generation_mode: GenerationMode = "noisy_channel_joint"
    noisy_channel_prompt_mode: Literal["noisy_channel_dst"] = "noisy_channel_dst"


class ActTagSampling(SamplingSection):
    top_p: float = Field(0.8, gt=0, le=1)


class ActTagGeneration(GenerationSection):
    prompt_mode: Literal["non_causal_sys_act_resp_only"] = "non_causal_sys_act_resp_only"
    generation_mode: GenerationMode = "noisy_channel_cond"
    noisy_channel_prompt_mode: Literal["non_causal_sys_act_resp_only_noisy_channel"] = (
        "non_causal_sys_act_resp_only_noisy_channel")
    sampling_args: ActTagSampling = ActTagSampling()
