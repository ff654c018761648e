"""Rounds as an SVG picture: scores with their intervals where gold is given, agreement and self-consistency."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from nc_latent_tod.rounds.em import Round

_WIDTH, _HEIGHT, _LEFT, _TOP, _RIGHT, _BOTTOM = 640, 330, 46, 34, 190, 34

_STYLE = """
 text { font: 12px system-ui, sans-serif; fill: #333 } .title { font-weight: 600; font-size: 14px }
 .grid { stroke: #ddd } svg { background: #fff }
 @media (prefers-color-scheme: dark) { text { fill: #ddd } .grid { stroke: #444 } svg { background: #1b1b1b } }
"""


class Line(NamedTuple):
    """One figure over the rounds: (round, value, low, high)."""

    name: str
    colour: str
    points: Sequence[tuple[int, float, float | None, float | None]]


def rounds_svg(rounds: Sequence[Round], title: str) -> str:
    """A picture of all figures in [0, 1] by round, as one SVG document."""
    lines = [line for line in _lines(rounds) if line.points]
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" width="{_WIDTH}">',
             f"<style>{_STYLE}</style>", f'<text class="title" x="{_LEFT}" y="18">{_escaped(title)}</text>']
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                     f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tenth / 10:.1f}</text>')
    last = max((one.number for one in rounds), default=0)
    parts += [f'<text x="{_x(one.number, last):.1f}" y="{_HEIGHT - 12}" text-anchor="middle">round {one.number}</text>'
              for one in rounds]
    for place, line in enumerate(lines):
        parts += _drawn(line, last, place)
    return "\n".join([*parts, "</svg>", ""])


def _lines(rounds: Sequence[Round]) -> list[Line]:
    def scored(metric: str) -> list[tuple[int, float, float | None, float | None]]:
        return [(one.number, *one.scores[metric]) for one in rounds if one.scores and one.scores[metric][0] is not None]

    def plain(values: Sequence[float | None]) -> list[tuple[int, float, float | None, float | None]]:
        return [(one.number, value, None, None) for one, value in zip(rounds, values, strict=True) if value is not None]

    same = [one.agreement.change if one.agreement else None for one in rounds]
    return [
        Line("joint goal accuracy", "#2563eb", scored("joint_goal_accuracy")), Line("slot F1", "#0d9488", scored("slot_f1")),
        Line("act F1", "#7c3aed", scored("act_f1")),
        Line("same changes as before", "#d97706", plain(same)),
        Line("self-consistency", "#65a30d", plain([one.health.consistency for one in rounds])),
        Line("failed turns", "#dc2626", plain([one.health.failed_turns for one in rounds]))]


def _drawn(line: Line, last: int, place: int) -> list[str]:
    shift = 3 * (place - 2)  # so that intervals of one round do not cover each other
    at = [(_x(number, last) + shift, _y(value), low, high) for number, value, low, high in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, *_ in at)
    bars = [f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_y(low):.1f}" y2="{_y(high):.1f}" stroke="{line.colour}" opacity="0.6"/>'
            for x, _, low, high in at if low is not None and high is not None]
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{line.colour}"/>' for x, y, *_ in at]
    y = _TOP + 14 + 20 * place
    x = _WIDTH - _RIGHT + 22
    return [f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"/>', *bars, *dots,
            f'<circle cx="{x}" cy="{y - 4}" r="4" fill="{line.colour}"/><text x="{x + 10}" y="{y}">{line.name}</text>']


def _x(number: int, last: int) -> float:
    return _LEFT + 30 + (_WIDTH - _LEFT - _RIGHT - 60) * (number / last if last else 0.5)


def _y(value: float) -> float:
    return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - value)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
