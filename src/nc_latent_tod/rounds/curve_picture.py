"""The curve as an SVG picture: joint goal accuracy of untouched dialogues against corrected turns, a line a strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 760, 420, 60, 44, 176, 52
_COLOURS = ("#6b7280", "#2563eb", "#d97706", "#0d9488", "#be123c")
_STYLE = """
 text { font: 13px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 15px }
 .grid { stroke: #ddd } .page { fill: #fff }
 @media (prefers-color-scheme: dark) { text { fill: #ddd } .grid { stroke: #444 } .page { fill: #1b1b1b } }
"""
_APART = 16  # of two names, at least


def curve_svg(intervals: Sequence[Mapping[str, Any]], title: str) -> str:
    """A picture of `active.intervals`: means over seeds as lines, and at the last round the interval of each."""
    names = list(dict.fromkeys(row["strategy"] for row in intervals))
    values = [value for row in intervals for value in row["joint_goal_accuracy_untouched"][:1]]
    ends = [row["joint_goal_accuracy_untouched"] for row in intervals if row["round"] == max(r["round"] for r in intervals)]
    low, high = _nice(min([*values, *(end[1] for end in ends)]), max([*values, *(end[2] for end in ends)]))
    last = max(row["corrected"] for row in intervals) or 1
    frame = _Frame(low, high, last)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" width="{_WIDTH}">',
             f"<title>{_escaped(title)}</title><style>{_STYLE}</style>",
             f'<rect class="page" width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
             f'<text class="title" x="{_LEFT}" y="24">{_escaped(title)}</text>', *frame.grid(),
             f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 12}" text-anchor="middle">corrected turns</text>']
    marks = []
    for place, name in enumerate(names):
        rows = [row for row in intervals if row["strategy"] == name]
        parts += _line(frame, rows, _COLOURS[place % len(_COLOURS)], place - (len(names) - 1) / 2)
        marks.append((frame.y(rows[-1]["joint_goal_accuracy_untouched"][0]), name, _COLOURS[place % len(_COLOURS)]))
    return "\n".join([*parts, *_names(marks), "</svg>", ""])


class _Frame:
    """Where values stand in the picture."""

    def __init__(self, low: float, high: float, last: int) -> None:
        self.low, self.high, self.last = low, high, last

    def x(self, corrected: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * corrected / self.last

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * (value - self.low) / (self.high - self.low)

    def grid(self) -> list[str]:
        """Lines and numbers of both axes."""
        step = _step(self.high - self.low)
        found = []
        for i in range(round((self.high - self.low) / step) + 1):
            value = self.low + i * step
            y = self.y(value)
            found.append(f'<line class="grid" stroke="#ddd" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                         f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value:.2f}</text>')
        for i in range(6):
            corrected = self.last * i / 5
            found.append(f'<text x="{self.x(corrected):.1f}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">'
                         f'{corrected:.0f}</text>')
        return found


def _line(frame: _Frame, rows: Sequence[Mapping[str, Any]], colour: str, shift: float) -> list[str]:
    at = [(frame.x(row["corrected"]), frame.y(row["joint_goal_accuracy_untouched"][0])) for row in rows]
    _, low, high = rows[-1]["joint_goal_accuracy_untouched"]
    x = at[-1][0] + 4 * shift  # so that intervals do not cover each other
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    return [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>',
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{frame.y(low):.1f}" y2="{frame.y(high):.1f}" stroke="{colour}" '
            'opacity="0.5"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at)]


def _names(marks: Sequence[tuple[float, str, str]]) -> list[str]:
    """The name of each line at its end, moved apart where lines end close to each other."""
    found, above = [], -math.inf
    for y, name, colour in sorted(marks):
        above = max(y + 4, above + _APART)
        found.append(f'<text x="{_WIDTH - _RIGHT + 22}" y="{above:.1f}" style="fill:{colour}">{_escaped(name)}</text>')
    return found


def _step(span: float) -> float:
    return next(step for step in (0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if span / step <= 8 or step == 0.2)


def _nice(low: float, high: float) -> tuple[float, float]:
    """Bounds on the grid around two values."""
    step = _step(max(high - low, 0.01))
    return math.floor(low / step) * step, math.ceil(high / step + 1e-9) * step


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
