"""A report as one self-contained HTML file: no network, no markup from labels, and a policy that forbids both.

What is fixed is written here, escaped; dialogues are embedded as JSON and shown by the page's own script as text only.
"""

from __future__ import annotations

from nc_latent_tod.reporting.collect import Report
from nc_latent_tod.reporting.sections import sections
from nc_latent_tod.system.html_page import html_page
from nc_latent_tod.system.version import __version__


def page(report: Report) -> str:
    """The whole file as text. Equal reports give equal pages."""
    finished = max((run.finished_at for run in report.runs), default="")
    return html_page(
        "report", report.shown, markup="\n".join(sections(report)), title=f"Labels of {report.group_id}",
        subtitle=f"{_counted(len(report.runs), 'run')}, {_counted(report.dialogues, 'dialogue')}, "
                 f"{_counted(report.turns, 'turn')}" + (f"; last run finished {finished[:16]}" if finished else ""),
        explained=_explained(report),
        footer=f"nc_latent_tod {__version__}. No human label was read in making these labels"
               + ("; annotations were read to score them." if report.scores else "."))


def _explained(report: Report) -> str:
    by = "by readings that are not as annotated, then by the least sure one" if report.scores else "by their least sure reading"
    part = "" if len(report.shown) == report.dialogues else (
        f" The worst {len(report.shown)} of {report.dialogues} are in this file (--max-dialogues).")
    return (f"Ordered {by}. Percentages are confidence: the share of a reading among those that parsed, and of a value among "
            f"all readings that hold it, red below 50 %.{part} Click a dialogue for its turns.")


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
