"""A batch that the GPU's memory does not hold: smaller ones, and the same results."""

import pytest
import torch
from tiny_models import LINES, tiny_lm

from nc_latent_tod.errors import ModelError
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import HuggingFaceLM

PROMPTS = [line[:-3] for line in LINES]
SAMPLING = Sampling(n=4, top_p=0.9, temperature=1.0, max_new_tokens=8, stop=("\n",))
REQUESTS = [(prompt, [("a", "b"), ("c",), ("east",)]) for prompt in PROMPTS]


def with_room_for(rows: int, lm: HuggingFaceLM) -> list[int]:
    """Let every forward pass of more than so many rows fail; the sizes of those that came through."""
    seen: list[int] = []

    def refuse(module: torch.nn.Module, arguments: tuple, options: dict) -> None:
        batch = options["input_ids"].shape[0]
        if batch > rows:
            raise torch.OutOfMemoryError(f"a test holds {rows} rows, not {batch}")
        seen.append(batch)

    lm._cached._model.register_forward_pre_hook(refuse, with_kwargs=True)
    return seen


@pytest.fixture
def wide() -> HuggingFaceLM:
    return tiny_lm(batch_size=16)


def test_the_batch_is_halved_until_it_fits_and_stays_so(wide: HuggingFaceLM) -> None:
    undisturbed = tiny_lm(batch_size=16)
    seen = with_room_for(4, wide)

    samples = wide.sample(PROMPTS, SAMPLING, range(5))
    scores = wide.loglikelihood(REQUESTS)

    assert wide._batch_size == 4 and max(seen) <= 4
    for found, expected in zip(samples, undisturbed.sample(PROMPTS, SAMPLING, range(5)), strict=True):
        assert [sample.text for sample in found] == [sample.text for sample in expected]
    for found, expected in zip(scores, undisturbed.loglikelihood(REQUESTS), strict=True):
        assert [sum(row) for row in found] == pytest.approx([sum(row) for row in expected], abs=1e-4)


def test_a_row_that_does_not_fit_alone_is_a_clear_error(wide: HuggingFaceLM) -> None:
    with_room_for(0, wide)

    with pytest.raises(ModelError, match="one row.*load_in_8bit"):
        wide.loglikelihood(REQUESTS)
