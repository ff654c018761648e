"""The page of a round in a real browser, used as a person uses it: with keys, and with the file that it saves read back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import chromium
from test_annotation_page import page_of
from toy_round import EXAMPLES, HOSTILE, round_of

from nc_latent_tod.annotation.corrections import Correction, read_corrections
from nc_latent_tod.labels import Act

ROUND = round_of(*EXAMPLES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("saved here")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator:
    with chromium(folder) as started:
        yield started


class Person:
    """What a person does in the page; finds controls by the names that a screen reader tells."""

    def __init__(self, browser, path: Path) -> None:
        self.browser, self.path = browser, path
        browser.get(path.as_uri())

    def find(self, name: str, within: str = "body"):
        """The one control that is seen and is called `name`."""
        found = [e for e in self.browser.find_elements("css selector", f"{within} button, {within} input, {within} select, "
                                                       f"{within} textarea, {within} summary")
                 if e.accessible_name.strip() == name]
        assert len(found) == 1, f"{len(found)} controls are called {name!r}"
        return found[0]

    def slot(self, name: str, choice: str):
        """The choice of a slot, by its legend."""
        for box in self.browser.find_elements("css selector", "fieldset.slot"):
            if box.find_element("class name", "slot-name").text == name:
                [found] = [e for e in box.find_elements("css selector", "input") if e.accessible_name.strip() == choice]
                return found
        raise AssertionError(f"no slot {name!r}")

    def press(self, keys: str, on=None) -> None:
        from selenium.webdriver import ActionChains

        if on is not None:
            self.browser.execute_script("arguments[0].focus()", on)
        ActionChains(self.browser).send_keys(keys).perform()

    def with_control(self, key: str) -> None:
        from selenium.webdriver import ActionChains, Keys

        ActionChains(self.browser).key_down(Keys.CONTROL).send_keys(key).key_up(Keys.CONTROL).perform()

    def pick(self, name: str, value: str) -> None:
        from selenium.webdriver.support.ui import Select

        Select(self.find(name)).select_by_visible_text(value)

    @property
    def heading(self) -> str:
        return self.browser.find_element("id", "heading").text

    @property
    def status(self) -> str:
        return self.browser.find_element("id", "status").text

    def saved(self, folder: Path) -> Path:
        """Save by key, and wait for the file."""
        for old in folder.glob("corrections-0*"):
            old.unlink()
        self.with_control("s")
        return wait(lambda: next((p for p in folder.glob("corrections-0.json") if p.stat().st_size), None))


def wait(until: Callable, seconds: float = 10):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := until():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come")


def opened(browser, folder: Path, made=ROUND) -> Person:
    """A person before the page of a round, with nothing kept of earlier visits."""
    path = folder / "correct.html"
    path.write_text(page_of(made))
    Person(browser, path)
    browser.execute_script("localStorage.clear()")
    browser.get("about:blank")
    return Person(browser, path)


def by_key(corrections: list[Correction]) -> dict:
    return {correction.key: correction for correction in corrections}


def test_a_person_corrects_a_round_with_keys_reloads_and_saves(browser, folder):
    from selenium.webdriver import Keys

    person = opened(browser, folder)
    person.press("Ada Löve", person.find("Your name"))
    person.press("a", browser.find_element("id", "heading"))  # accept turn 1 as it is
    assert (person.heading, person.status) == ("Turn 2 of 9", "Turn 1 accepted.")

    person.slot("area", "north").click()  # turn 2: not east but north, and not this garage
    person.slot("garage", "no change").click()
    person.pick("Another slot of stay", "name: what it is called")
    person.press(Keys.ENTER, person.find("Add the slot of stay"))
    assert browser.switch_to.active_element.accessible_name == "Value of name"
    person.press("O'Neill & Söhne <b>12:30</b>")
    person.pick("Act of act 1", "Inform")
    person.press("The \"Mill\"", person.find("Value of act 1"))
    person.press(Keys.ENTER, person.find("Add an act"))
    assert browser.switch_to.active_element.accessible_name == "Act of act 2"
    person.pick("Act of act 2", "Goodbye")
    person.press("a name\nwas given", person.find("Comment"))
    browser.refresh()  # nothing is lost

    assert person.heading == "Turn 2 of 9"
    assert person.find("Your name").get_attribute("value") == "Ada Löve"
    assert person.slot("area", "north").is_selected() and person.slot("garage", "no change").is_selected()
    assert person.find("Comment").get_attribute("value") == "a name\nwas given"
    person.find("Comment").click()
    person.with_control(Keys.ENTER)
    assert (person.heading, person.status) == ("Turn 3 of 9", "Turn 2 fixed.")

    person.slot("area", "delete").click()  # turn 3: deletes one, does not care about another, and has no act
    person.slot("name", "don't care").click()
    person.press(Keys.ENTER, person.find("Remove act 1"))
    person.press("u", browser.find_element("id", "heading"))
    assert (person.heading, person.status) == ("Turn 4 of 9", "Turn 3 unsure.")

    found = read_corrections(person.saved(folder), ROUND)
    assert person.status == "corrections-0.json saved with 3 of 9 turns."
    first, second, third = found
    assert [c.key for c in found] == [("d1", 0), ("d1", 1), ("d1", 2)]
    assert (first.verdict, first.change, set(first.acts)) == ("ok", EXAMPLES[0].label.change, set(EXAMPLES[0].label.acts))
    assert (second.verdict, second.comment, second.annotator) == ("fixed", "a name\nwas given", "Ada Löve")
    assert second.change == {"stay": {"area": "north", "name": "O'Neill & Söhne <b>12:30</b>"}}
    assert set(second.acts) == {Act("Inform", "stay", "name", 'The "Mill"'), Act("Goodbye")}
    assert (third.verdict, third.change, third.acts) == ("unsure", {"stay": {"area": None, "name": "dontcare"}}, ())
    assert all(0 < c.seconds < 60 and c.time for c in found)


def test_hostile_texts_are_shown_as_they_are_saved_as_they_are_and_run_never(browser, folder):
    from selenium.webdriver import Keys

    made = round_of(*EXAMPLES[3:])
    person = opened(browser, folder, made)
    person.press("Ada", person.find("Your name"))
    for number, text in enumerate(HOSTILE, start=1):
        assert person.heading == f"Turn {number} of {len(HOSTILE)}"
        shown = browser.execute_script("return [...document.querySelectorAll('.say')].map((e) => e.lastChild.data === "
                                       "arguments[0])", text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
        assert shown == [True, True] or "\ud83d" in text
        person.find("Comment").click()
        person.with_control(Keys.ENTER)
    found = by_key(read_corrections(person.saved(folder), made))

    assert browser.title == "Round 0 of g"
    assert browser.find_elements("css selector", "img, iframe, main script, header script") == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    for example in EXAMPLES[3:]:
        assert found[example.turn.key].verdict == "ok"
        assert found[example.turn.key].acts == tuple(replace(a, value=a.value.strip()) for a in example.label.acts)


def test_what_is_not_complete_is_told_and_not_saved(browser, folder):
    person = opened(browser, folder)
    person.find("Save file").click()
    assert person.status == "Write your name first: it is kept with the corrections."
    person.press("Ada")  # the focus is there
    person.find("Next").click()
    person.find("Next").click()
    person.pick("Another slot of stay", "name: what it is called")
    person.find("Add the slot of stay").click()
    person.slot("name", "value").click()
    person.find("Accept the fix").click()
    assert person.heading == "Turn 3 of 9"
    assert person.status == "stay name has no value yet. Fill it in, or choose another."
    assert browser.switch_to.active_element.accessible_name == "Value of name"
    found = read_corrections(person.saved(folder), ROUND)

    assert found == []
    assert person.status.endswith("Edited, not decided and not in it: turn 3.")


def test_a_decided_turn_that_is_edited_again_is_saved_as_it_is_then(browser, folder):
    person = opened(browser, folder, round_of(*EXAMPLES[:2]))
    person.press("Ada", person.find("Your name"))
    person.press("aa", browser.find_element("id", "heading"))
    assert person.status == "Turn 2 accepted. All 2 turns are decided: save the file."
    person.press("p", browser.find_element("id", "heading"))
    person.slot("area", "town centre").click()
    person.press("n", browser.find_element("id", "heading"))
    person.slot("garage", "no").click()
    person.find("Back to the prediction").click()
    first, second = read_corrections(person.saved(folder), round_of(*EXAMPLES[:2]))
    person.pick("Another slot of stay", "name: what it is called")
    person.find("Add the slot of stay").click()
    person.slot("name", "value").click()  # and no value is given
    assert [c.turn_id for c in read_corrections(person.saved(folder), round_of(*EXAMPLES[:2]))] == [0]

    assert (first.verdict, first.change) == ("fixed", {"stay": {"area": "town centre"}})
    assert (second.verdict, second.change) == ("ok", {"stay": {"garage": "yes"}})


def test_what_was_decided_is_the_state_before_the_later_turns_of_the_dialogue(browser, folder):
    made = round_of(EXAMPLES[0], EXAMPLES[2])  # the turn between them is predicted to say garage = yes
    person = opened(browser, folder, made)
    person.press("Ada", person.find("Your name"))
    person.slot("area", "no change").click()
    person.pick("Another slot of stay", "stars: how good")
    person.find("Add the slot of stay").click()
    person.slot("stars", "4").click()
    person.press("a", browser.find_element("id", "heading"))

    before = [e.text for e in browser.find_elements("css selector", "fieldset.slot legend")]
    assert before == ["stars before: 4", "garage before: yes"]
    person.slot("garage", "delete").click()
    person.slot("stars", "4").click()  # as it is already
    person.press("a", browser.find_element("id", "heading"))
    first, second = read_corrections(person.saved(folder), made)
    assert first.change == {"stay": {"stars": "4"}}
    assert second.change == {"stay": {"garage": None}}


def test_a_person_without_a_pointer_comes_to_every_control_and_each_has_a_name(browser, folder):
    from selenium.webdriver import Keys

    person = opened(browser, folder)
    person.press("n", browser.find_element("id", "heading"))
    seen, first = [], browser.find_element("css selector", ".skip")
    browser.execute_script("arguments[0].focus()", first)
    while (now := browser.switch_to.active_element).tag_name != "body" and len(seen) < 80:
        seen.append((now.id, now.accessible_name.strip(), now.aria_role, now.location["y"]))
        person.press(Keys.TAB)
        if browser.switch_to.active_element == first:
            break
    names = [name for _, name, _, _ in seen]

    assert all(names), seen
    assert len({i for i, *_ in seen}) == len(seen)
    assert names[:4] == ["Skip to the turn", "Your name", "Save file", "Switch between light and dark"]
    assert names[-4:] == ["Previous", "Accept", "Unsure", "Next"]
    order = [names.index(name) for name in ("The dialogue until this turn", "as before", "Another slot of stay", "Act of act 1",
                                            "Comment", "Accept")]
    assert order == sorted(order)
    fieldsets = browser.find_elements("css selector", "fieldset")
    assert fieldsets and all(box.accessible_name for box in fieldsets if box.is_displayed())


def test_letters_are_keys_only_where_they_are_not_text_and_can_be_switched_off(browser, folder):
    person = opened(browser, folder)
    person.press("an u", person.find("Comment"))
    assert person.heading == "Turn 1 of 9"
    person.find("Keys").click()
    person.find("Single letters are keys (outside of text fields and lists)").click()
    person.press("n", browser.find_element("id", "heading"))
    assert person.heading == "Turn 1 of 9"
    browser.refresh()
    person.press("n", browser.find_element("id", "heading"))
    assert person.heading == "Turn 1 of 9"


def test_a_browser_that_keeps_nothing_says_so_and_saves_still(folder):
    with chromium(folder) as browser:
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {
            "source": "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no'); }});"})
        (folder / "correct.html").write_text(page_of())
        person = Person(browser, folder / "correct.html")
        person.press("Ada", person.find("Your name"))
        assert person.status == "This browser keeps nothing here: save the file before you close the page."
        person.press("a", browser.find_element("id", "heading"))
        assert [c.verdict for c in read_corrections(person.saved(folder), ROUND)] == ["ok"]


CONTRAST = """
const parse = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
  .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (node) => { for (let n = node; n; n = n.parentElement) { const c = parse(getComputedStyle(n).backgroundColor);
  if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
const found = [];
for (const node of document.querySelectorAll("body *")) {
  const own = [...node.childNodes].some((c) => c.nodeType === 3 && c.data.trim()) || /INPUT|TEXTAREA|SELECT/.test(node.tagName);
  if (!own || !node.getClientRects().length || node.disabled || /SCRIPT|STYLE|OPTION/.test(node.tagName)) continue;
  const [a, b] = [light(parse(getComputedStyle(node).color)), light(behind(node))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) found.push([node.tagName, node.className, node.textContent.slice(0, 30), ratio.toFixed(2)]);
}
const fits = [document.documentElement, document.getElementById("page")].every((e) => e.scrollWidth <= e.clientWidth);
return [found, getComputedStyle(document.body).backgroundColor, fits];
"""


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (400, False), (400, True)])
def test_every_text_stands_out_in_light_and_dark_and_nothing_is_cut_off_at_400_pixels(folder, width, dark):
    with chromium(folder, width=width, dark=dark) as browser:
        person = opened(browser, folder)
        person.press("aun", browser.find_element("id", "heading"))  # decided, unsure, and
        person.press("p", browser.find_element("id", "heading"))
        person.slot("area", "don't care").click()
        low, ground, fits = browser.execute_script(CONTRAST)

    assert low == []
    assert (ground == "rgb(13, 17, 23)") == dark
    assert fits


def test_pages_do_not_move_for_those_who_ask_for_rest(browser, folder):
    opened(browser, folder)
    moving = browser.execute_script("return [...document.querySelectorAll('button, .choice')].map((e) => "
                                    "getComputedStyle(e).transitionDuration).filter((t) => t !== '0s')")
    assert moving == []


def test_a_file_of_another_round_is_none_of_this_one(browser, folder):
    person = opened(browser, folder, round_of(*EXAMPLES[:1]))
    person.press("Ada", person.find("Your name"))
    person.press("a", browser.find_element("id", "heading"))
    found = json.loads(person.saved(folder).read_text())

    assert found["round"] == {"number": 0, "group_id": "g", "sha256": round_of(*EXAMPLES[:1]).sha256}
    opened(browser, folder, ROUND)
    assert browser.find_element("id", "decided").text == "0 of 9 decided"
