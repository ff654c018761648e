"""A worker reads a corpus once: ranges are those of `load_dialogues`, and cost what they hold."""

import gzip
import json
import os
from pathlib import Path

import pytest

from nc_latent_tod.corpus import shared as spool
from nc_latent_tod.corpus.formats import json_files
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.corpus.shared import Corpora
from nc_latent_tod.errors import CorpusError

RANGES = ["train_4_6", "train_0_2", "train_8_12", "train_2_4", "train", "train_0_10"]


def line(number: int, text: str = "a \u2028 hotel\n\ud83d\ude00") -> str:
    said = [{"speaker": "user", "utterance": f"{text} {number}"}, {"speaker": "system", "utterance": "which area?"}]
    return json.dumps({"dialogue_id": f"d{number}", "turns": said * 2}) + "\n"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "train.jsonl"
    path.write_text("".join(map(line, range(10))))
    return path


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with each line that is parsed as JSON of a corpus."""
    real, found = json_files.mapping, []
    monkeypatch.setattr(json_files, "mapping", lambda row, where: found.append(where) or real(row, where))
    return found


@pytest.mark.parametrize("in_memory", [0, spool._IN_MEMORY_BYTES])
def test_ranges_in_any_order_are_those_that_are_read_afresh(logs: Path, monkeypatch: pytest.MonkeyPatch,
                                                                        in_memory: int) -> None:
    monkeypatch.setattr(spool, "_IN_MEMORY_BYTES", in_memory or 1)
    zipped = logs.parent / "zipped.jsonl.gz"
    zipped.write_bytes(gzip.compress(logs.read_bytes()))
    corpora = Corpora()

    for split in RANGES:
        for path in (logs, zipped, str(logs.parent)):
            name = split.replace("train", "zipped") if path == zipped else split
            assert corpora.load(path, name) == load_dialogues(path, name)


def test_a_range_costs_the_dialogues_that_nobody_read_before(logs: Path, parsed: list[str]) -> None:
    corpora, counts = Corpora(), []
    for split in ("train_4_6", "train_0_2", "train_4_6", "train_6_8", "train_6_8"):
        parsed.clear()
        corpora.load(logs, split)
        counts.append(len(parsed))

    sniffed = 1  # the first line tells the format, once
    assert counts == [6 + sniffed, 0, 0, 2, 0]


def test_an_id_that_comes_twice_is_refused_by_every_job_that_reads_so_far(logs: Path) -> None:
    logs.write_text(logs.read_text() + line(3))
    corpora = Corpora()

    assert len(corpora.load(logs, "train_8_10")) == 2
    for _ in range(2):
        with pytest.raises(CorpusError, match=r"jsonl:11: the dialogue id 'd3' comes twice, first at .*jsonl:4"):
            corpora.load(logs, "train_10_12")
    assert len(corpora.load(logs, "train_8_10")) == 2


def test_a_corpus_that_has_changed_is_read_again(logs: Path) -> None:
    corpora = Corpora()
    corpora.load(logs, "train_0_2")

    logs.write_text("".join(line(number, "a taxi") for number in range(10)))
    os.utime(logs, ns=(1, 1))

    assert corpora.load(logs, "train_0_2") == load_dialogues(logs, "train_0_2")


def test_the_errors_are_those_of_reading_afresh(logs: Path) -> None:
    corpora = Corpora()
    for split in ("train_10_20", "train_3_3", "test_0_2", "train_0_2"):
        path = logs if split != "train_0_2" else logs.parent / "absent.jsonl"
        told = []
        for load in (load_dialogues, corpora.load, corpora.load):
            with pytest.raises(CorpusError) as error:
                load(path, split)
            told.append(str(error.value))
        assert len(set(told)) == 1, told


def test_no_more_than_two_corpora_are_kept(logs: Path, parsed: list[str]) -> None:
    corpora = Corpora()
    for number in range(3):
        path = logs.parent / f"other{number}.jsonl"
        path.write_bytes(logs.read_bytes())
        corpora.load(path, "train_0_2")

    assert len(corpora._kept) == 2
    parsed.clear()
    corpora.load(logs.parent / "other2.jsonl", "train_0_2")
    assert parsed == []
