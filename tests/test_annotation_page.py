"""The page of a round as a file: complete, equal for equal rounds, and no text of a dialogue can become markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from test_report import Page
from toy_round import EXAMPLES, HOSTILE, OWN, ROUND, round_of
from toy_schema import SCHEMA
from typer.testing import CliRunner

from nc_latent_tod.annotation.form import forms
from nc_latent_tod.annotation.page import page
from nc_latent_tod.annotation.rounds import Round
from nc_latent_tod.cli import app
from nc_latent_tod.errors import ConfigError, DamagedError
from nc_latent_tod.labels import Act


def page_of(made: Round = ROUND) -> str:
    return page(made, forms(made, EXAMPLES, SCHEMA), SCHEMA)


def embedded(text: str) -> dict:
    [(_, data), _] = Page(text).scripts
    return json.loads(data)


def test_a_form_has_the_turns_before_and_the_services_in_play():
    found = forms(ROUND, EXAMPLES, SCHEMA)

    assert [[e.turn.turn_id for e in form.earlier] for form in found[:3]] == [[], [0], [0, 1]]
    assert found[0].services == ("stay",)
    assert found[3].services == ("Rides_2", "stay")  # of the change, then of the acts
    assert [form.confidence for form in found[:3]] == [1.0, 0.5, 1.0]


def test_a_turn_whose_text_has_changed_or_that_is_gone_is_refused():
    turn = EXAMPLES[1].turn
    changed = [replace(e, turn=replace(turn, user_utterance="Other.")) if e.turn == turn else e for e in EXAMPLES]

    with pytest.raises(DamagedError, match=r"Turn 1 of dialogue 'd1' of round 0 has another text"):
        forms(ROUND, changed, SCHEMA)
    with pytest.raises(DamagedError, match=r"Turn 0 of dialogue 'd1' of round 0 is not in the group"):
        forms(ROUND, EXAMPLES[1:], SCHEMA)


def test_a_label_that_the_schema_lacks_is_refused():
    label = replace(EXAMPLES[0].label, acts=(Act("Inform", "stay", "moon", "full"),))
    strange = replace(EXAMPLES[0], label=label)

    with pytest.raises(ConfigError, match="'d1' has stay.moon, which the schema lacks"):
        forms(round_of(strange), [strange], SCHEMA)


def test_the_page_needs_no_network_and_runs_its_own_script_alone():
    text = page_of()
    found = Page(text)

    assert not [(tag, name) for tag, attrs in found.tags for name in attrs if name == "src" or name.startswith("on")]
    assert [attrs["href"] for _, attrs in found.tags if "href" in attrs] == ["#heading"]
    assert not re.findall(r"url\(|@import|https?://|innerHTML|insertAdjacentHTML|document\.write|\beval\b|fetch\(", text)
    assert not {tag for tag, _ in found.tags} & {"img", "iframe", "link", "object", "base", "form"}
    [policy] = [attrs["content"] for _, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    assert re.fullmatch(r"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-[^']+'; base-uri 'none'; "
                        r"form-action 'none'", policy)


def test_hostile_texts_and_names_are_in_the_data_and_nowhere_else():
    made = replace(ROUND, group_id=OWN, strategy=OWN)
    text = page(made, forms(made, EXAMPLES, SCHEMA), SCHEMA)

    assert text.count("<script") == 2 and "&lt;/script&gt;" in text
    assert text.isascii() or not re.search(r"[\u2028\u202e]", text)
    shown = dict(embedded(text)["dialogues"])
    assert [shown[f"h{i}{hostile[:9]}"][0][1][1] for i, hostile in enumerate(HOSTILE)] == list(HOSTILE)


def test_a_dialogue_is_in_the_page_once_and_until_the_last_turn_that_is_asked_about():
    text = page_of(round_of(EXAMPLES[1], EXAMPLES[0]))

    assert embedded(text)["dialogues"] == [["d1", [
        [0, ["", "A room in the east, please.", "The Mill is in the east.", [["stay", "area", "east"]]]],
        [1, ["What else?", "With a garage; and north, not east.", "Which day?", [["stay", "garage", "yes"]]]]]]]
    assert "Any name will do." not in text


def test_open_slots_suggest_what_labels_say_and_closed_ones_what_the_schema_says():
    [stay, _] = embedded(page_of(round_of(EXAMPLES[0])))["services"]

    by_name = {slot["name"]: (slot["closed"], slot["values"]) for slot in stay["slots"]}
    assert by_name["area"] == (True, ["north", "east", "town centre"])
    assert by_name["name"] == (False, ["The Mill"])


def test_equal_rounds_give_equal_pages():
    assert page_of() == page_of()


def test_the_command_writes_the_page_of_a_round(group: Path):
    done = CliRunner().invoke(app, ["annotate", "page", "annotations/round-0.json", "--out", "correct.html"])

    assert done.exit_code == 0, done.output
    assert (group / "correct.html").read_text() == page_of()


@pytest.mark.parametrize(("arguments", "message"), [
    (["annotations/round-1.json"], "There is no round"), (["schema.json"], "not an object"),
    (["annotations/round-0.json", "--manifest", "elsewhere"], "no manifest folder"),
    (["annotations/round-0.json", "--schema", "packaged:schema"], "which the schema lacks"),
])
def test_what_has_no_page_is_one_line_and_no_file(group: Path, arguments, message):
    done = CliRunner().invoke(app, ["annotate", "page", *arguments])

    assert done.exit_code == 2
    assert message in done.output + done.stderr
    assert not list(group.glob("*.html"))
