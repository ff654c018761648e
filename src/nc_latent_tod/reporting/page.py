"""A report as one self-contained HTML file: no network, no markup from labels, and a policy that forbids both.

What is fixed is written here, escaped; dialogues are embedded as JSON and shown by the page's own script as text only. The
content security policy allows that one script by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from string import Template

from nc_latent_tod import __version__
from nc_latent_tod.reporting.collect import Report
from nc_latent_tod.reporting.sections import sections


def page(report: Report) -> str:
    """The whole file as text. Equal reports give equal pages."""
    script = _asset("page.js")
    finished = max((run.finished_at for run in report.runs), default="")
    return Template(_asset("page.html")).substitute(
        title=escape(f"Labels of {report.group_id}"),
        subtitle=escape(f"{_counted(len(report.runs), 'run')}, {_counted(report.dialogues, 'dialogue')}, "
                        f"{_counted(report.turns, 'turn')}" + (f"; last run finished {finished[:16]}" if finished else "")),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(), style=_asset("page.css"),
        body="\n".join(sections(report)), explained=escape(_explained(report)), data=_embedded(report.shown), script=script,
        footer=escape(f"nc_latent_tod {__version__}. No human label was read in making these labels"
                      + ("; annotations were read to score them." if report.scores else ".")))


def _embedded(data: Sequence[Mapping]) -> str:
    """JSON that cannot end its script element: no `<`, and nothing outside ASCII."""
    text = json.dumps(data, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _explained(report: Report) -> str:
    by = "by readings that are not as annotated, then by the least sure one" if report.scores else "by their least sure reading"
    part = "" if len(report.shown) == report.dialogues else (
        f" The worst {len(report.shown)} of {report.dialogues} are in this file (--max-dialogues).")
    return (f"Ordered {by}. Percentages are confidence: the share of a reading among those that parsed, and of a value among "
            f"all readings that hold it, red below 50 %.{part} Click a dialogue for its turns.")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _asset(name: str) -> str:
    return (resources.files("nc_latent_tod") / "data" / "report" / name).read_text("utf-8").rstrip("\n")
