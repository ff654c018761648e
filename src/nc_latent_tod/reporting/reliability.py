"""Reliability pictures as SVG: accuracy against confidence, labels by confidence as bars. No script, no link."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from nc_latent_tod.evaluation.labels.calibration import BINS, Reliability

NAMES = {"dst": "state changes", "state": "whole states", "slot": "slot values", "act_tag": "acts of a turn",
         "act": "single acts"}

_SIDE, _LEFT, _TOP, _BELOW = 164, 34, 34, 40  # of one picture, in pixels

STYLE = """
.rel text{font:11px system-ui,sans-serif;fill:#57606a}
.rel .title{font-weight:600;fill:#24292f}
.rel .frame{fill:none;stroke:#d0d7de}
.rel .ideal{stroke:#8c959f;stroke-dasharray:4 4}
.rel .bar{fill:#0969da;opacity:.14}
.rel .raw{fill:none;stroke:#8c959f;stroke-width:1.5}
.rel .rawdot{fill:#8c959f}
.rel .fit{fill:none;stroke:#0969da;stroke-width:2}
.rel .fitdot{fill:#0969da}
"""


def reliability_svg(raw: Mapping[str, Reliability], fitted: Mapping[str, Reliability], *, styled: bool = True) -> str:
    """One picture a kind of label, side by side; `styled` brings its own colours, for a file that stands alone."""
    width, height = _LEFT + _SIDE + 12, _TOP + _SIDE + _BELOW
    pictures = [f'<g transform="translate({i * width} 0)">{_picture(kind, raw[kind], fitted[kind])}</g>'
                for i, kind in enumerate(raw)]
    style = f"<style>{STYLE}</style><rect width='100%' height='100%' fill='#fff'/>" if styled else ""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" class="rel" viewBox="0 0 {width * len(pictures)} {height}" '
            f'width="{width * len(pictures)}" height="{height}" role="img" aria-label="Reliability">{style}'
            f'{"".join(pictures)}</svg>')


def picture(kind: str, raw: Reliability, fitted: Reliability) -> str:
    """One picture that takes its colours from the page."""
    return reliability_svg({kind: raw}, {kind: fitted}, styled=False)


def _picture(kind: str, raw: Reliability, fitted: Reliability) -> str:
    most = max(b.count for b in fitted.bins)
    bars = [f'<rect class="bar" x="{_x(b.low) + 1:.1f}" y="{_y(b.count / most):.1f}" width="{_SIDE / BINS - 2:.1f}" '
            f'height="{_SIDE * b.count / most:.1f}"><title>{b.low:.1f} to {b.high:.1f}: {b.count} labels</title></rect>'
            for b in fitted.bins if b.count]
    ticks = [f'<text x="{_x(v):.1f}" y="{_TOP + _SIDE + 14}" text-anchor="middle">{v:g}</text>'
             f'<text x="{_LEFT - 6}" y="{_y(v) + 4:.1f}" text-anchor="end">{v:g}</text>' for v in (0, 0.5, 1)]
    return "".join([
        f'<text class="title" x="{_LEFT}" y="14">{escape(NAMES.get(kind, kind))}</text>',
        f'<text x="{_LEFT}" y="28">{fitted.count} labels, ECE {raw.ece:.3f} → {fitted.ece:.3f}</text>',
        f'<rect class="frame" x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}"/>', *bars,
        f'<line class="ideal" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>',
        _curve(raw, "raw"), _curve(fitted, "fit"), *ticks,
        f'<text x="{_x(0.5)}" y="{_TOP + _SIDE + 30}" text-anchor="middle">confidence → accuracy</text>'])


def _curve(reliability: Reliability, name: str) -> str:
    points = [(_x(b.confidence), _y(b.accuracy), b) for b in reliability.bins
              if b.confidence is not None and b.accuracy is not None]
    most = max(b.count for b in reliability.bins)
    dots = "".join(f'<circle class="{name}dot" cx="{x:.1f}" cy="{y:.1f}" r="{1.5 + 3 * (b.count / most) ** 0.5:.1f}"><title>'
                   f'confidence {b.confidence:.2f}, accuracy {b.accuracy:.2f}, {b.count} labels</title></circle>'
                   for x, y, b in points)
    return f'<polyline class="{name}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)}"/>{dots}'


def _x(value: float) -> float:
    return _LEFT + _SIDE * value


def _y(value: float) -> float:
    return _TOP + _SIDE * (1 - value)
