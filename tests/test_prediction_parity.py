"""Inform and Success equal those of the community's standard evaluator, on prediction files of published systems."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nc_latent_tod.evaluation.responses.benchmark import Benchmark, load_benchmark
from nc_latent_tod.evaluation.responses.predictions import load_predictions
from nc_latent_tod.evaluation.responses.scores import PredictionScores, score_predictions

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SYSTEMS = ("augpt", "damd", "labes", "mintl", "pptod", "soloist")
INCOMPLETE = {"damd": (1, 0), "labes": (56, 0), "mintl": (1, 0), "pptod": (0, 1)}  # dialogues, turns

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the published predictions are not at {DATA}")


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return load_benchmark(DATA / "multiwoz")


def scored(system: str, benchmark: Benchmark) -> PredictionScores:
    predictions = load_predictions(DATA / "leaderboard" / f"{system}.json.gz")
    return score_predictions(predictions, benchmark, allow_missing=system in INCOMPLETE, allow_unknown=system == "soloist",
                             resamples=0)


@pytest.mark.parametrize("system", SYSTEMS)
def test_inform_and_success_equal_the_standard_evaluator_in_total_and_by_domain(system, benchmark):
    expected = json.loads((DATA / "leaderboard" / "expected.json").read_text())[system]

    scores = scored(system, benchmark)

    assert {domain: round(rate.value, 1) for domain, rate in scores.inform.items()} == expected["inform"]
    assert {domain: round(rate.value, 1) for domain, rate in scores.success.items()} == expected["success"]
    assert scores.dialogues == expected["dialogues"]


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_documented_parity_table_is_what_is_computed(system, benchmark):
    expected = json.loads((DATA / "leaderboard" / "expected.json").read_text())[system]
    documented = (Path(__file__).resolve().parents[1] / "docs" / "evaluation.md").read_text().splitlines()

    rows = parity_rows(system, scored(system, benchmark), expected)

    assert [row for row in rows if row not in documented] == []


def parity_rows(system: str, scores: PredictionScores, expected: dict) -> list[str]:
    """The table's rows of one system: our Inform and the standard evaluator's, then Success."""
    domains = ("total", "attraction", "hotel", "restaurant", "taxi", "train")
    rows = []
    for metric in ("inform", "success"):
        ours = {domain: rate.value for domain, rate in getattr(scores, metric).items()}
        for by, figures in (("ours", ours), ("standard", expected[metric])):
            cells = " | ".join(f"{figures[domain]:.1f}" for domain in domains)
            rows.append(f"| {system} | {scores.dialogues} | {metric.capitalize()} | {by} | {cells} |")
    return rows


def test_what_published_files_lack_is_counted(benchmark):
    counted = {system: scored(system, benchmark) for system in (*INCOMPLETE, "soloist")}

    assert {system: (counted[system].missing_dialogues, counted[system].missing_turns) for system in INCOMPLETE} == INCOMPLETE
    assert counted["soloist"].unknown_placeholders == {"[restaurant]": 1}


def test_a_value_is_compared_with_a_database_once():
    benchmark = load_benchmark(DATA / "multiwoz")  # one that has looked up nothing for other tests
    scored("augpt", benchmark)
    before = {domain: len(venues._masks) for domain, venues in benchmark.venues.items()}

    scored("augpt", benchmark)

    assert {domain: len(venues._masks) for domain, venues in benchmark.venues.items()} == before
    assert sum(before.values()) < 500  # for 8,159 constraints that are looked up
