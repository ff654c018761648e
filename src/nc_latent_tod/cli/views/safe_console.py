"""A console that shows text of others as it is, and obeys none of it."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from nc_latent_tod.system.visible import visible


class SafeConsole(Console):
    """Control characters in what is rendered are shown as escapes; those that the console writes itself stay."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Segments whose text is safe to show."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
