"""The tiny agent's training goes on from the packaged model, with a token for every placeholder."""

from dataclasses import replace
from pathlib import Path

import torch

from nc_latent_tod.api.models import packaged_model
from nc_latent_tod.corpus.packaged import packaged_entities, packaged_schema, packaged_wording
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import load
from nc_latent_tod.simulation import Wording
from nc_latent_tod.training.tiny import agent_training, train_tiny_agent
from nc_latent_tod.training.tiny_model import grown_model


def test_a_short_run_gives_a_checkpoint_with_the_new_tokens(tmp_path: Path) -> None:
    config = replace(agent_training(2, 0), rows=2, length=96, warmup_steps=1, autocast=False)
    rows: list[dict] = []

    checkpoint = train_tiny_agent(packaged_schema(), packaged_entities(), Wording.from_json(packaged_wording()), tmp_path,
                                  config, packaged_model("tiny-starcoder"), rows.append)

    model = load(str(checkpoint), dtype="float32")
    assert model.count_tokens(["[value_name]", " [value_price]"]) == [1, 2]
    assert [row["step"] for row in rows] == [1, 2]
    assert model.sample(["agent.say("], Sampling(temperature=0, max_new_tokens=3), [0])[0]


def test_a_grown_model_keeps_what_it_had_and_grows_the_same_each_time() -> None:
    from transformers import PreTrainedTokenizerFast

    folder = packaged_model("tiny-starcoder")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    before = len(tokenizer)
    tokenizer.add_tokens(["[value_name]", "[value_area]"])

    one, two = (grown_model(folder, tokenizer, seed=3).transformer.wte.weight for _ in range(2))

    assert one.shape[0] == before + 2
    assert torch.equal(one, two)
    assert torch.equal(one[:before], grown_model(folder, tokenizer, seed=4).transformer.wte.weight[:before])
