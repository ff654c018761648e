"""Text of others never steers a terminal, forges a line of a log, or is markup in a card."""

import io
import json
import logging
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typer.testing import CliRunner

from nc_latent_tod.cli import app
from nc_latent_tod.cli.views.safe_console import SafeConsole
from nc_latent_tod.publishing.card import _table
from nc_latent_tod.system.logs import OneLine
from nc_latent_tod.system.visible import one_line, visible, visible_json

CLI = Path(__file__).resolve().parents[1] / "src" / "nc_latent_tod" / "cli"
DANGEROUS = [chr(code) for code in (*range(0x20), 0x7F, *range(0x80, 0xA0), 0x200B, 0x200E, 0x200F, *range(0x2028, 0x202F),
                                    *range(0x2066, 0x206A), 0x61C, 0xFEFF, 0xE0041) if chr(code) not in "\t\n"]
HOSTILE = st.text(st.one_of(st.sampled_from(DANGEROUS), st.characters(codec="utf-8")), max_size=40)
EVIL = "\x1b]0;owned\x07\x1b[2J\u202eevil\x9b31m\u2028\r"


def is_clean(text: str) -> bool:
    return not any(character in text for character in DANGEROUS)


def test_ten_thousand_texts_are_shown_without_such_a_character() -> None:
    draw = random.Random(7)
    alphabet = [*DANGEROUS, "\n", "\t", *"ab \\é北😀"]
    for _ in range(10_000):
        text = "".join(draw.choices(alphabet, k=draw.randrange(40)))
        assert is_clean(visible(text)) and is_clean(one_line(text)) and "\n" not in one_line(text)
        assert visible(visible(text)) == visible(text)
        encoded = json.dumps({"text": text}, ensure_ascii=False)
        assert is_clean(visible_json(encoded)) and json.loads(visible_json(encoded)) == {"text": text}


def test_ordinary_text_of_any_language_is_left_as_it_is() -> None:
    for text in ("a café in Zürich", "北京", "مرحبا", "नमस्ते", "👩\u200d👧", "می\u200cخواهم", "line\none\ttwo"):
        assert visible(text) == text


@settings(max_examples=100)
@given(HOSTILE)
def test_tables_and_panels_show_it_and_obey_none_of_it(text: str) -> None:
    file = io.StringIO()
    console = SafeConsole(file=file, width=80, force_terminal=False)
    table = Table("column")
    table.add_row(Text(text))

    console.print(Panel(Text(text)), table, Text(text))

    assert is_clean(file.getvalue())


def test_a_server_cannot_forge_a_line_of_the_log() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(OneLine("%(levelname)s %(message)s"))
    logger = logging.Logger("test")
    logger.addHandler(handler)

    logger.warning("the server said %s", f"no\nERROR the queue is gone{EVIL}")

    assert stream.getvalue().count("\n") == 1 and is_clean(stream.getvalue())


def test_all_that_the_command_line_prints_goes_through_one_place() -> None:
    raw = [f"{path.name}:{number}" for path in CLI.rglob("*.py") if path.name != "console.py"
           for number, line in enumerate(path.read_text().splitlines(), 1)
           if re.search(r"\btyper\.echo\(|\bclick\.echo\(|sys\.std(out|err)\.write|\bConsole\(", line)]

    assert raw == []


@pytest.fixture
def labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    said = [{"speaker": "user", "utterance": f"a cheap hotel {EVIL}"}, {"speaker": "system", "utterance": f"the inn {EVIL}"}]
    (tmp_path / "logs.jsonl").write_text(json.dumps({"dialogue_id": f"d{EVIL}", "turns": said}) + "\n")
    alone = {"model": {"model_type": "none"}}
    (tmp_path / "job.json").write_text(json.dumps({
        "data": {"eval_set_path_or_name": "logs.jsonl", "eval_set_split_name": "train", "schema_path": "packaged:schema"},
        "dst": alone, "act_tag": alone, "manifest": {"type": "local", "manifest_path": "manifest", "group_id": "g"}}))
    return tmp_path


@pytest.mark.parametrize("arguments", [
    ["plan", "job.json"], ["label", "job.json"], ["explain", "g", f"d{EVIL}", "0", "--job", "job.json"],
    ["explain", "g", f"no{EVIL}", "0", "--job", "job.json"], ["explain", "g", f"d{EVIL}", "0", "--job", "job.json", "--json"],
    ["publish", "--group-id", "g", "--to", "out"], ["report", "g"], ["label", f"no{EVIL}.json"],
    ["evaluate", "--group-id", "g", "--gold", f"no{EVIL}"], ["gc", "g", "--labels-url", "outputs/g"],
    ["enqueue", "job.json", "--queue", f"no{EVIL}/q"], ["schema", "draft", f"no{EVIL}.csv"],
], ids=lambda arguments: arguments[0])
def test_no_command_lets_a_hostile_text_through(labelled: Path, arguments: list[str]) -> None:
    runner = CliRunner()
    runner.invoke(app, ["label", "job.json"])

    result = runner.invoke(app, arguments)

    shown: Any = (result.stdout + result.stderr).replace("\n", " ")
    assert is_clean(shown) and result.exit_code in (0, 2, 3)


def test_markup_in_a_split_s_name_is_text_in_the_card() -> None:
    shown = _table(("split", "turns"), [("<script>x</script>|`a`\n# b", 1)])

    assert shown.splitlines()[2] == "| &lt;script&gt;x&lt;/script&gt;\\|\\`a\\`\\\\n# b | 1 |"
    assert _table(("run",), [("train_0_50-1a2b",)]).splitlines()[2] == "| train_0_50-1a2b |"
