"""Examples are found by what they say, in an order that only the pool decides."""

import numpy as np
import pytest
from toy_labelling import WordEncoder

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import ModelError
from nc_latent_tod.labels import Example, gold_label
from nc_latent_tod.retrieval.dense import DenseRetriever, NoRetriever
from nc_latent_tod.retrieval.diverse import select_diverse
from nc_latent_tod.retrieval.encoder import SentenceEncoder


def example(name, text):
    return Example(Turn(name, 0, "", text, ""), {}, gold_label({}, {}, ()), "run")


def retriever(*examples, encoder=None):
    pool = DenseRetriever(encoder or WordEncoder(), lambda e: e.turn.user_utterance)
    pool.add(examples)
    return pool


def names(found):
    return [[e.turn.dialogue_id for e, _ in row] for row in found]


def test_the_nearest_come_first_with_their_inner_products():
    pool = retriever(example("a", "one two three"), example("b", "one two"), example("c", "four"))
    ((first, *rest),) = pool.search(["one two"], 3)
    assert (first[0].turn.dialogue_id, first[1]) == ("b", 1.0)
    assert [e.turn.dialogue_id for e, _ in rest] == ["a", "c"]
    vectors = WordEncoder().encode(["one two", "one two three"])
    assert rest[0][1] == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-4)


def test_a_small_or_empty_pool_gives_what_it_has():
    assert retriever().search(["x", "y"], 3) == [[], []]
    pool = retriever(example("a", "x"))
    assert names(pool.search(["x", "y"], 3)) == [["a"], ["a"]]
    assert pool.search(["x"], 0) == [[]]
    assert pool.search([], 3) == []
    pool.add([])
    assert (len(pool), len(retriever()), len(NoRetriever())) == (1, 0, 0)


@pytest.mark.parametrize("alike", [5, 60])
def test_the_order_in_which_a_pool_was_filled_does_not_matter(alike):
    examples = [example(f"{i:02}", "the same words") for i in range(alike)] + [example("z", "other words")]
    shuffled = [examples[i] for i in np.random.default_rng(0).permutation(len(examples))]
    whole, in_parts = retriever(*examples), retriever()
    for one in shuffled:
        in_parts.add([one])
    expected = [[f"{i:02}" for i in range(4)]]
    assert names(whole.search(["same words"], 4)) == names(in_parts.search(["same words"], 4)) == expected


def test_what_else_is_asked_at_the_same_time_does_not_matter():
    pool = retriever(*(example(f"{i}", f"w{i % 7} w{i % 5} w{i % 3}") for i in range(200)))
    texts = [f"w{i % 5} w{i % 2}" for i in range(40)]
    assert pool.search(texts, 8) == [pool.search([text], 8)[0] for text in texts]


def test_a_new_example_is_found_at_once():
    pool = retriever(example("a", "one"))
    pool.add([example("b", "two")])
    assert names(pool.search(["two"], 1)) == [["b"]]


def test_no_retriever_keeps_none_and_finds_none():
    pool = NoRetriever()
    pool.add([example("a", "x")])
    assert pool.search(["x", "y"], 3) == [[], []]


@pytest.mark.parametrize(("k", "distinct", "expected"), [
    (3, 0, "A1 A2 A3"), (3, 1, "A1 A2 A3"), (3, 2, "A1 A2 B1"), (3, 3, "A1 B1 C1"), (4, 2, "A1 A2 A3 B1"),
    (4, 9, "A1 A2 B1 C1"),
    (9, 2, "A1 A2 A3 B1 A4 C1"), (1, 1, "A1"), (0, 2, ""),
])
def test_the_chosen_are_the_nearest_that_differ_and_then_the_nearest(k, distinct, expected):
    found = ["A1", "A2", "A3", "B1", "A4", "C1"]
    assert " ".join(select_diverse(found, k, distinct, key=lambda item: item[0])) == expected


@pytest.fixture(scope="module")
def minilm():
    return SentenceEncoder()


def test_the_packaged_encoder_finds_what_means_the_same(minilm):
    pool = retriever(example("room", "user: I need a cheap place to sleep"),
                     example("train", "user: when does the train leave"),
                     example("thanks", "user: thank you, goodbye"), encoder=minilm)
    texts = ["user: find me an inexpensive hotel", "user: departure time please", "user: that was all, bye"]
    assert names(pool.search(texts, 1)) == [["room"], ["train"], ["thanks"]]


def test_the_packaged_encoder_gives_a_text_one_vector_whatever_is_encoded_with_it(minilm):
    texts = ["short", "a text that is rather longer than the first one is", "🏨 غرفة", "", "word " * 600]
    together, alone = minilm.encode(texts), SentenceEncoder()
    for text, vector in zip(texts, together, strict=True):
        assert np.array_equal(alone.encode([text])[0], vector)
    assert together.shape == (5, 384)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-5)
    assert minilm.encode([]).shape == (0, 384)


def test_an_encoder_that_is_not_there_is_an_error_with_what_to_do(tmp_path):
    with pytest.raises(ModelError, match=r"retriever.model_name_or_path"):
        SentenceEncoder(str(tmp_path / "nothing"))


def test_the_encoder_without_sentence_transformers_gives_that_librarys_vectors_bit_by_bit(minilm):
    from sentence_transformers import SentenceTransformer

    from nc_latent_tod.retrieval.encoder import packaged_minilm

    texts = ["short", "hotel(area='east') system: hello user: I need a Room", "  spaces ", "", "🏨 غرفة", "word " * 300]
    theirs = SentenceTransformer(packaged_minilm()).encode(texts, batch_size=1, normalize_embeddings=True)

    assert np.array_equal(minilm.encode(texts), theirs)


def test_an_encoders_fingerprint_changes_with_its_weights_and_not_with_its_place(minilm, tmp_path):
    import shutil

    from safetensors.numpy import load_file, save_file

    from nc_latent_tod.retrieval.encoder import packaged_minilm

    copy = tmp_path / "copy"
    shutil.copytree(packaged_minilm(), copy)
    assert SentenceEncoder(str(copy)).fingerprint == minilm.fingerprint
    weights = load_file(copy / "model.safetensors")
    weights["encoder.layer.3.output.dense.bias"] = weights["encoder.layer.3.output.dense.bias"] * np.float32(1.001)
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert SentenceEncoder(str(copy)).fingerprint != minilm.fingerprint


def test_loading_the_packaged_encoder_imports_no_library_for_training_or_tables():
    import subprocess
    import sys

    code = ("import sys\nfrom nc_latent_tod.retrieval.encoder import SentenceEncoder\nSentenceEncoder()\n"
            "print(sorted(set(sys.modules) & {'sentence_transformers', 'sklearn', 'pandas', 'datasets'}))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)

    assert done.stdout.strip() == "[]"
