"""The picture of the rooms is that of the code."""

import runpy
from pathlib import Path
from xml.etree import ElementTree

from test_architecture import ROOMS

ROOT = Path(__file__).resolve().parents[1]


def test_the_picture_of_the_house_is_drawn_from_the_imports_as_they_are():
    drawn = runpy.run_path(str(ROOT / "scripts" / "draw_house"))["draw"]()

    kept = (ROOT / "docs" / "house.svg").read_text(encoding="utf-8")

    assert drawn == kept, "run scripts/draw_house and commit docs/house.svg"


def test_every_room_is_in_the_picture():
    picture = ElementTree.parse(ROOT / "docs" / "house.svg")
    names = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text") if text.get("class") == "name"}

    assert set(ROOMS) - {"__main__"} <= names


def test_no_document_shows_a_room_that_is_gone():
    gone = ("build/", "job/", "em/", "finetune/", "metrics/", "asking.py", "proposing.py", "orphans.py")
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]

    assert [(page.name, name) for page in pages for name in gone if f"src/nc_latent_tod/{name}" in page.read_text()] == []
