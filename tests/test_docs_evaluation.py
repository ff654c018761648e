"""docs/evaluation.md says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from nc_latent_tod.corpus.gold.acts import MULTIWOZ_ACTS, SGD_ACTS
from nc_latent_tod.publishing.abstention import confidence_features
from nc_latent_tod.schema import Schema

DOCS = Path(__file__).resolve().parents[1] / "docs"


def acts_table(column: int) -> dict[str, str | None]:
    """{act of the corpus: our act, or None where it is left out}, as documented."""
    part = (DOCS / "evaluation.md").read_text().partition("<!-- acts -->")[2].partition("<!-- end of acts -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in part.strip().splitlines()[2:]]
    return {name.strip(): None if row[0] == "left out" else row[0]
            for row in rows for name in row[column].partition(";")[0].split(",") if name.strip()}


@pytest.mark.parametrize(("column", "mapping"), [(1, MULTIWOZ_ACTS), (2, SGD_ACTS)])
def test_the_documented_acts_are_those_of_the_code(column, mapping):
    assert acts_table(column) == dict(mapping)


def test_every_column_of_confidence_is_documented():
    text = (DOCS / "corpora.md").read_text()
    columns = confidence_features(Schema.from_json([{"service_name": "s", "slots": [{"name": "a"}]}]))
    names = {name if name.startswith("confidence") or name == "abstained" else name.partition("_")[0] + "_" for name in columns}
    assert {name for name in names if f"`{name}`" not in text} == set()
