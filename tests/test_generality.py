"""The package knows no benchmark: no service, slot, value or entity of MultiWOZ or SGD stands in its code."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "nc_latent_tod"
DATA = ROOT.parent / "shared" / "data"

ADAPTERS = ("evaluation/responses/", "corpus/gold/")
"""They score benchmarks and read their gold; labelling does not call them."""

PLAIN_ENGLISH = set(re.findall(r"\w+", """
    address amount area balance category city date day departure destination duration fare flexible free location name origin
    phone place pool postcode price ref rent standard temperature the time title train type venue year
    monday tuesday wednesday thursday friday saturday sunday yes no true false none"""))
"""Words that schemas of many fields share, and words of programs."""


def benchmark_names() -> set[str]:
    """Services, slots, possible values and entities of both benchmarks, in lower case."""
    names = set()
    for file in (DATA / "multiwoz" / "schema.json", DATA / "sgd" / "dev" / "schema.json"):
        for service in json.loads(file.read_text()):
            names.add(service["service_name"])
            for slot in service["slots"]:
                names |= {slot["name"].split("-")[-1], *map(str, slot.get("possible_values", []))}
    for file in (DATA / "multiwoz" / "db").glob("*.json"):
        rows = json.loads(file.read_text())
        names |= {row[key] for row in rows if isinstance(row, dict) for key in ("name", "food", "type", "department")
                  if isinstance(row.get(key), str)}
    return {name.lower() for name in names if len(name) > 2}


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Text constants that are no docstrings, with their lines."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def named(text: str, names: set[str]) -> set[str]:
    words = re.findall(r"[\w']+", text.lower())
    runs = {" ".join(words[i : i + length]) for i in range(len(words)) for length in (1, 2, 3)}
    return (runs & names) - PLAIN_ENGLISH


def test_no_name_of_a_benchmark_stands_in_the_code():
    if not DATA.is_dir():
        pytest.skip("needs the MultiWOZ and SGD schemas in shared/data")
    names = benchmark_names()

    found = [f"{path.relative_to(SOURCE)}:{line} {sorted(hits)}" for path in sorted(SOURCE.rglob("*.py"))
             if not str(path.relative_to(SOURCE)).startswith(ADAPTERS)
             for line, text in literals(path.read_text()) if (hits := named(text, names))]

    assert found == []
    assert len(names) > 400


@pytest.mark.parametrize(("text", "hits"), [("a guesthouse with", {"guesthouse"}), ("at Pizza Hut, please", {"pizza hut"}),
                                            ("Restaurants_2", {"restaurants_2"}), ("what time", set()), ("hot pizza", set())])
def test_a_name_is_found_among_other_words(text, hits):
    assert named(text, {"guesthouse", "restaurants_2", "time", "pizza hut"}) == hits
