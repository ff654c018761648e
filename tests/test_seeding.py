"""A turn is embedded once in its life: the job that labels it stores the vector, and the jobs that it seeds read it."""

import logging
import uuid
from pathlib import Path

import numpy as np
import pytest
from aws_server import LocalAws
from toy_jobs import backends, job
from toy_labelling import WordEncoder, corpus, labeller, seed_pool

from nc_latent_tod.api.gc import find_orphans
from nc_latent_tod.api.migrate import migrate
from nc_latent_tod.corpus.label_files import read_examples, write_examples
from nc_latent_tod.errors import DamagedError
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.pipeline import seeding
from nc_latent_tod.pipeline.run import run_job
from nc_latent_tod.pipeline.seeding import Seeding, stored_embeddings
from nc_latent_tod.retrieval.dense import DenseRetriever
from nc_latent_tod.retrieval.stored import pack, text_key, unpack

FINGERPRINT = "abcdef" * 10


class Counting(WordEncoder):
    """An encoder worth storing, which remembers what it was asked."""

    def __init__(self, fingerprint=FINGERPRINT):
        self.fingerprint, self.encoded = fingerprint, []

    def encode(self, texts):
        self.encoded += texts
        return super().encode(texts)


def searching(encoder, **options):
    """The toy labeller with this encoder in both tasks."""
    made = labeller(**options)
    for inference in (made.dst, made.act_tag):
        retriever = DenseRetriever(encoder, inference.pool.retriever._text_of, kind=inference.task.name)
        object.__setattr__(inference.pool, "retriever", retriever)
    return made


@pytest.fixture(params=["folder", "s3"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "out")
    aws: LocalAws = request.getfixturevalue("aws")
    bucket = f"bucket-{uuid.uuid4().hex[:8]}"
    aws.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return f"s3://{bucket}/out"


def run(folder, run_id, encoder, *, seeds=None, url=None, dialogues=None):
    """Label a split as `run_id`, seeded from what is in the manifest; the run's result."""
    config = job(folder, run_id, seed_retrievers_from_manifest=True)
    if url:
        config = config.model_copy(update={"output": config.output.model_copy(update={"labels_url": url})})
    made = backends(folder, run_id, dialogues=dialogues)
    object.__setattr__(made, "labeller", lambda: searching(encoder, run_id=run_id))
    if seeds:
        object.__setattr__(made, "seeding", seeds)
    return run_job(config, made)


def seeded(entry, encoder, seeds=None):
    """A fresh labeller, seeded with one run."""
    made = searching(encoder)
    (seeds or Seeding()).seed(made, [entry])
    return made


def test_a_seeded_pool_is_read_and_not_encoded_and_equals_the_encoded_one(tmp_path, url):
    entry = run(tmp_path, "r", Counting(), url=url).entry
    reader, afresh = Counting(), searching(WordEncoder())

    pool = seeded(entry, reader)
    seed_pool(afresh, read_examples(entry.labels_url))

    assert reader.encoded == [] and len(pool.dst.pool.retriever) == len(afresh.dst.pool.retriever) > 0
    for ours, theirs in ((pool.dst, afresh.dst), (pool.act_tag, afresh.act_tag)):
        vectors = [np.concatenate(i.pool.retriever._vectors._blocks) for i in (ours, theirs)]
        assert np.array_equal(*vectors)
        names = [[e.example_id for e, _ in i.pool.retriever.search(["a room in the east"], 5)[0]] for i in (ours, theirs)]
        assert names[0] == names[1] != []


@pytest.mark.parametrize("harm", ["removed", "cut", "flipped", "headless", "of another encoder"])
def test_embeddings_that_cannot_be_used_are_encoded_again_and_the_log_says_so(tmp_path, caplog, harm):
    entry = run(tmp_path, "r", Counting()).entry
    [path] = map(Path, stored_embeddings(entry.labels_url))
    data = path.read_bytes()
    vectors = {"cut": data[:-4], "flipped": data[:-1] + bytes([data[-1] ^ 1]), "headless": data[5:],
               "of another encoder": pack("other", unpack(data, FINGERPRINT))}
    path.unlink() if harm == "removed" else path.write_bytes(vectors[harm])
    encoder = Counting()

    with caplog.at_level(logging.WARNING):
        pool = seeded(entry, encoder)

    assert len(encoder.encoded) == len(pool.dst.pool.retriever) + len(pool.act_tag.pool.retriever) > 0
    assert "encoded again" in caplog.text and entry.labels_url in caplog.text


def test_an_encoder_never_takes_the_vectors_of_another_one(tmp_path):
    entry = run(tmp_path, "r", Counting()).entry
    other = Counting("123456" * 10)

    seeded(entry, other)

    assert other.encoded != []


def test_texts_of_another_format_are_not_found_in_the_file():
    data = pack("e", {text_key("user: hi"): np.ones(3, np.float32)})

    assert set(unpack(data, "e")) == {text_key("user: hi")} and text_key("hi") not in unpack(data, "e")


def test_a_worker_reads_only_what_is_new_in_the_manifest(tmp_path, monkeypatch):
    seeds, read = Seeding(), []
    for name in ("read_for_pool", "read_bytes"):
        real = getattr(seeding, name)
        monkeypatch.setattr(seeding, name, lambda url, *rest, real=real: (read.append(Path(url).name), real(url, *rest))[1])
    encoder, counts = Counting(), []

    for number in range(4):
        read.clear()
        run(tmp_path, f"r{number}", encoder, seeds=seeds, dialogues=corpus(2))
        counts.append(sorted(name.partition("-")[0] for name in read))

    # for each run its labels, and for each of the two tasks its embeddings
    assert counts == [[], ["r0"] * 3, ["r1"] * 3, ["r2"] * 3]


def test_what_a_worker_keeps_is_the_pool_of_its_last_seeded_job(tmp_path):
    seeds, entries = Seeding(), [run(tmp_path, f"r{n}", Counting(), dialogues=corpus(1 + n)).entry for n in range(3)]
    seeds.seed(searching(Counting()), entries)
    seeds.seed(searching(Counting()), entries[:1])
    seeds.seed(searching(Counting()), [])

    assert len(seeds._examples) == 1 and len(seeds._blocks) == 2
    assert all(not task.candidates for e in seeds._examples.popitem()[1] for task in e.label.tasks.values())


def test_damaged_labels_are_an_error_whatever_their_embeddings_say(tmp_path):
    entry = run(tmp_path, "r", Counting()).entry
    write_examples(entry.labels_url, [])

    with pytest.raises(DamagedError, match="sha256"):
        seeded(entry, Counting())


def test_gc_keeps_the_embeddings_of_labels_that_an_entry_names_and_finds_others(tmp_path):
    entry = run(tmp_path, "r", Counting()).entry
    [kept] = stored_embeddings(entry.labels_url)
    left = kept.replace(Path(entry.labels_url).name.split(".")[0], "r-00000000")
    Path(left).write_bytes(Path(kept).read_bytes())

    found = find_orphans(LocalManifest(tmp_path / "manifest"), "g", str(tmp_path / "out"), older_than_s=0)

    assert [(orphan.path, orphan.kind) for orphan in found] == [(left, "superseded")]


def test_migrated_labels_take_their_embeddings_along(tmp_path):
    run(tmp_path, "r", Counting())
    target = LocalManifest(tmp_path / "other")

    migrate(LocalManifest(tmp_path / "manifest"), target, "g", labels_to=str(tmp_path / "moved"))

    reader = Counting()
    seeded(target.entries("g")[0], reader)
    assert reader.encoded == []
