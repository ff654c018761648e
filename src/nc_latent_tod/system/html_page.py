"""One self-contained HTML file: no network, one style, one script that a content security policy allows by its hash.

Data are embedded as JSON, in which no text can end its script element; the page's script shows texts as text only.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any


def html_page(folder: str, data: Any, *, scripts: Sequence[str] = ("page.js",), markup: str = "", **texts: str) -> str:
    """The whole file: `page.html`, `page.css` and the scripts of the packaged `data`/`folder`, in the common frame and colours.

    `texts` are escaped and `markup` is not. Equal arguments give equal pages.
    """
    script = "\n".join(_asset(f"{folder}/{name}") for name in scripts)
    style = f"{_asset('colours.css')}\n{_asset(f'{folder}/page.css')}"
    shown = {name: escape(text) for name, text in texts.items()}
    content = Template(_asset(f"{folder}/page.html")).substitute(shown, body=markup)
    return Template(_asset("frame.html")).substitute(
        shown, content=content, style=style, script=script, data=embedded(data),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode())


def embedded(data: Any) -> str:
    """JSON that cannot end its script element: no `<`, and nothing outside ASCII."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _asset(name: str) -> str:
    return (resources.files("nc_latent_tod") / "data" / name).read_text("utf-8").rstrip("\n")
