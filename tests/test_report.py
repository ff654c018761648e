"""The report: what it counts, that it needs no network, and that no text of a dialogue runs in it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from toy_schema import SCHEMA, SERVICES
from typer.testing import CliRunner

from nc_latent_tod.cli import app
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, Candidate, Example, Gold, Label, TaskLabel, gold_label
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest
from nc_latent_tod.reporting.collect import Report, collect
from nc_latent_tod.reporting.page import page

OWN = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><!--"
EAST = {"stay": {"area": "east"}}
SURE = TaskLabel((Candidate('[agent.find_stay(area="east")]', score=2.0, count=7),
                  Candidate("[agent.find_stay(stars=4)]", score=0.0, count=1)), 0)
SPLIT = TaskLabel((Candidate('[agent.find_stay(area="east")]', score=0.1, count=4),
                   Candidate("[agent.no_change()]", score=0.0, count=4), Candidate(OWN, error="syntax", count=2)), 0)
FAILED = TaskLabel((Candidate(OWN, error="syntax", count=8),), None, "no_candidate_parsed")
ACTS = TaskLabel((Candidate("[Goodbye()]", score=0.0, count=8),), 0)


def example(dialogue_id: str, dst: TaskLabel = SURE, user: str = "u", acts: tuple[Act, ...] = (Act("Goodbye"),)) -> Example:
    change = {} if dst.failure else EAST
    label = Label(change, change, acts, "", {"dst": dst, "act_tag": ACTS})
    return Example(Turn(dialogue_id, 0, "", user, "bye"), {}, label, "r")


EXAMPLES = [example("calm"), example("torn", SPLIT), example("lost", FAILED, OWN)]
GOLD = {("calm", 0): Gold(gold_label(EAST, {}, (Act("Goodbye"),))), ("torn", 0): Gold(gold_label(EAST, {}, (Act("Goodbye"),))),
        ("lost", 0): Gold(gold_label(EAST, {}, (Act("Greeting"),)))}
RUN = ManifestEntry("g", "r", 3, "", "train", "", "", 3, 1, finished_at="2024-11-12T00:00:00+00:00")


def report(examples: list[Example] = EXAMPLES, **options) -> Report:
    return collect("g", [RUN], examples, SCHEMA, **options)


class Page(HTMLParser):
    """Tags with attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.scripts: list[tuple[dict, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] == "script" and self.cdata_elem == "script":
            attrs, text = self.scripts.pop()
            self.scripts.append((attrs, text + data))


def test_a_report_counts_labels_failures_and_rejected_candidates():
    found = report()
    assert (found.dialogues, found.turns) == (3, 3)
    assert found.failures == {"dst: no_candidate_parsed": 1}
    assert found.rejected == {"dst: syntax": 10}
    assert found.distribution.services == {"stay": 2}
    assert found.distribution.slots == {("stay", "area"): 2}
    assert found.distribution.values == {("stay", "area"): {"east": 2}}
    assert found.distribution.acts == {"Goodbye": 3}
    assert found.scores is None


def test_the_worst_dialogues_come_first_by_errors_where_gold_is_given():
    assert [d["id"] for d in report().shown] == ["lost", "torn", "calm"]
    confident_error = {**GOLD, ("calm", 0): Gold(gold_label({}, {}, ()))}
    assert [(d["id"], d["wrong"]) for d in report(gold=confident_error).shown] == [("calm", 2), ("lost", 1), ("torn", 0)]
    assert [d["id"] for d in report(max_dialogues=1).shown] == ["lost"]


def test_rounds_say_how_much_stayed_the_same():
    [first, second] = report(earlier=[("g0", [example("calm"), example("torn"), example("lost")])], gold=GOLD).rounds
    assert (first.group_id, first.same, first.health.failed_turns) == ("g0", None, 0)
    assert (second.group_id, second.same, second.health.failed_turns) == ("g", pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert second.health.unparsable == pytest.approx(10 / (8 + 10 + 8 + 3 * 8))
    assert second.health.consistency == pytest.approx((7 / 8 + 4 / 10) / 2)
    assert first.scores.overall["joint_goal_accuracy"].value == 1.0


def test_a_page_needs_no_network_and_allows_its_own_script_alone():
    text = page(report(gold=GOLD, earlier=[("g0", EXAMPLES)]))
    found = Page(text)
    assert not [(tag, name) for tag, attrs in found.tags for name in attrs if name in ("src", "href") or name.startswith("on")]
    assert not re.findall(r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    assert not {tag for tag, _ in found.tags} & {"img", "iframe", "link", "object", "base", "form"}
    [(data, embedded), (attrs, script)] = found.scripts
    assert (data["type"], attrs) == ("application/json", {})
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(attrs["content"] for tag, attrs in found.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in policy
    assert json.loads(embedded)[0]["turns"][0]["user"] == OWN


def test_hostile_values_and_reasons_are_escaped_in_the_fixed_parts():
    act = Act("Inform", OWN, "", "")
    dst = TaskLabel((Candidate(OWN, error=OWN),), None, OWN)
    hostile = example("d", dst, acts=(act,))
    text = page(report([replace(hostile, label=replace(hostile.label, change={OWN: {OWN: OWN}}))]))
    assert not {tag for tag, _ in Page(text).tags} & {"img"}
    assert "&lt;/script&gt;" in text
    assert text.count("<script") == 2


def test_the_same_labels_give_the_same_page():
    assert page(report(gold=GOLD)) == page(report(gold=GOLD))


def test_a_browser_shows_hostile_texts_as_they_are_and_runs_none(tmp_path: Path):
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    file = tmp_path / "report.html"
    file.write_text(page(report(gold=GOLD)))
    done = subprocess.run(
        [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", f"--user-data-dir={tmp_path / 'profile'}",
         "--virtual-time-budget=3000", "--dump-dom", f"{file.as_uri()}#lost"], capture_output=True, text=True, timeout=120)
    if not done.stdout:
        pytest.skip(f"Chromium does not start here: {done.stderr[-200:]}")
    assert "<title>Labels of g</title>" in done.stdout
    assert "1 of 3 dialogues" in done.stdout
    shown = done.stdout.partition('id="list"')[2].partition("<script")[0]
    assert '<div class="say user">&lt;/script&gt;' in shown
    assert "<img" not in shown


@pytest.fixture
def group(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    entry = replace(RUN, labels_url="labels.jsonl", sha256=write_examples("labels.jsonl", EXAMPLES))
    LocalManifest("manifest").add(entry)
    Path("schema.json").write_text(json.dumps(SERVICES))
    return tmp_path


def test_the_command_writes_one_file(group: Path):
    done = CliRunner().invoke(app, ["report", "g", "--schema", "schema.json", "--temperature", "2", "--round", "g"])
    assert done.exit_code == 0, done.output
    assert "g.html: 3 dialogues, 3 turns" in done.output
    assert "at temperature 2" in (group / "g.html").read_text()


@pytest.mark.parametrize(("arguments", "message"), [
    (["h"], "no finished run of group 'h'"), (["g", "--manifest", "elsewhere"], "no manifest folder"),
    (["g"], "does not fit the schema"), (["g", "--round", "g0"], "no finished run of group 'g0'"),
    (["g", "--temperature", "nowhere.json"], "cannot be read"),
])
def test_what_cannot_be_reported_is_one_line(group: Path, arguments, message):
    done = CliRunner().invoke(app, ["report", *arguments])
    assert done.exit_code == 2
    assert message in done.output + done.stderr
    assert not list(group.glob("*.html"))
