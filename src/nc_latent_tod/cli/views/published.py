"""A group's runs merged into a dataset."""

from __future__ import annotations

from rich.console import RenderableType

from nc_latent_tod.api.publish import Published
from nc_latent_tod.cli.views.tables import pairs, share


def show_published(published: Published) -> RenderableType:
    """What was published, and where."""
    rows = [("dataset", published.name), ("dialogues", f"{published.dialogues}: " + ", ".join(
        f"{count} in {split}" for split, count in published.splits.items())),
        ("turns", f"{published.turns}, of which {published.failed_turns} with a failed task")]
    if published.abstained:
        rows.append(("abstained", ", ".join(f"{what} of {share(count, published.turns)}" for what, count in (
            (task, published.abstained.get(task, 0)) for task in ("dst", "state", "act_tag"))) + " of the turns"))
    if published.left_out:
        rows.append(("left out", "; ".join(published.left_out)))
    if published.path:
        rows.append(("folder", f"{published.path}{' (was there already)' if published.reused else ''}"))
    if published.url:
        rows.append(("Hub", f"{published.url}{' (up to date: nothing uploaded)' if published.unchanged else ''}"))
    return pairs(rows)
