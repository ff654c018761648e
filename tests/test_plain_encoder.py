"""The packaged sentence encoder without torch, and what proposals make of it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ModelError
from nc_latent_tod.proposals.proposer import Proposer
from nc_latent_tod.retrieval.encoder import SentenceEncoder
from nc_latent_tod.retrieval.plain_encoder import PlainEncoder

CLINIC = load_schema(Path(__file__).parent / "data" / "clinic")


@pytest.fixture(scope="module")
def encoder() -> PlainEncoder:
    return PlainEncoder()


def test_vectors_are_those_of_the_torch_encoder(encoder):
    texts = ["wifi", "a place to stay", "The doctor's room needs wheelchair access, please!", "ärztin"]

    assert np.abs(encoder.encode(texts) - SentenceEncoder().encode(texts)).max() < 1e-4


def test_no_texts_give_no_vectors(encoder):
    assert encoder.encode([]).shape == (0, 384)


def test_encoding_imports_no_torch():
    code = ("import sys; from nc_latent_tod.retrieval.plain_encoder import PlainEncoder; PlainEncoder().encode(['word']);"
            "print('torch' in sys.modules, 'transformers' in sys.modules)")

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)

    assert done.stdout.strip() == "False False"


def test_a_folder_without_a_model_is_a_clear_error(tmp_path):
    with pytest.raises(ModelError, match="pip install"):
        PlainEncoder(tmp_path)


def test_a_word_that_the_schema_lacks_is_read_as_its_nearest(encoder):
    turn = Turn("d", 0, "", "My physician must have time on Friday.", "")
    plain, reading = Proposer(CLINIC), Proposer(CLINIC, encode=encoder.encode)

    assert reading.changes(turn, {})[0].change == {"Clinic_1": {"visit_day": "friday"}}
    assert reading.changes(turn, {})[0].score > plain.changes(turn, {})[0].score


def test_no_weekday_stands_for_another(encoder):
    changes = Proposer(CLINIC, encode=encoder.encode).changes(Turn("d", 0, "", "An appointment on Sunday, please.", ""), {})

    assert not any("visit_day" in slots for proposal in changes for slots in proposal.change.values())
