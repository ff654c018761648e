"""Text of others made safe to show: what would move a cursor, hide or reorder text, or end a line is shown as an escape."""

from __future__ import annotations

import re

_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
                     "\ufff9-\ufffb\U000e0000-\U000e007f]")
"""Control characters but tab and newline (C0, DEL, C1), and what Unicode has of the kind: bidirectional controls, separators of
lines, invisible and tag characters."""


def visible(text: str) -> str:
    """`text` with control and bidirectional characters as escapes (`\\x1b`); tabs and newlines stay."""
    return _HIDDEN.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """`text` as `visible`, in one line: a newline is `\\n`, so that nobody forges a second line of a log."""
    return visible(text).replace("\n", "\\n")


def visible_json(text: str) -> str:
    """JSON text in which such characters are JSON escapes; it means the same."""
    return _HIDDEN.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
