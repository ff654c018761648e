"""Texts that are encoded apart and stand together: no tokenizer may put anything between them."""

from __future__ import annotations

import pytest
from tiny_models import LINES, tiny_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import HuggingFaceLM
from nc_latent_tod.lm.tokenising import TextTokens

SPECIAL = ["<unk>", "<s>", "</s>"]


def sentence_piece(prepend: str) -> PreTrainedTokenizerFast:
    """A tokenizer like Llama's, which takes a text for the beginning of a sentence and puts a space before it."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=prepend, split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
                                           decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(vocab_size=450, special_tokens=[*SPECIAL, *(f"<0x{i:02X}>" for i in range(256))],
                                  show_progress=False)
    tokenizer.train_from_iterator(LINES * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@pytest.mark.parametrize("prepend", ["first", "always", "never"])
def test_no_space_is_put_between_a_prompt_and_what_follows_it(prepend: str) -> None:
    tokens = TextTokens(sentence_piece(prepend))

    for before, after in (("user_intent=[", "agent.no_change()],\n"), ("text=\"", " a room"), ("x", "\n    y"), ("x", "")):
        assert tokens.decode(tokens.encode(before) + tokens.encode(after)) == before + after


def test_a_text_scores_what_its_sample_did() -> None:
    tokenizer = sentence_piece("first")
    lm = HuggingFaceLM(tiny_model("llama", len(tokenizer)), tokenizer)
    prompt = "user_intent=["

    for branch in lm.sample_branches([prompt], Sampling(n=8, max_new_tokens=2, stop=()), [1])[0]:
        if lm._text.encode(branch.text) == branch.token_ids:
            [[(score,)]] = lm.loglikelihood([(prompt, [(branch.text,)])])
            assert score == pytest.approx(branch.completion().logprob, abs=1e-4)
            break
    else:
        pytest.fail("no sample is encoded as it was drawn")
