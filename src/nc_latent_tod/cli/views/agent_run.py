"""What `evaluate-agent` shows of a corpus that was answered."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from nc_latent_tod.api.evaluate_agent import Run
from nc_latent_tod.cli.views.predictions import show_prediction_scores
from nc_latent_tod.cli.views.tables import duration, pairs


def show_run(run: Run) -> RenderableType:
    """Scores where there are any, then what failed or could not be filled."""
    rows = [("predictions", str(run.out)), ("context", {"corpus": "the corpus's system turns", "own": "the agent's own turns"}
                                            [run.context]),
            ("answered", f"{run.dialogues} dialogues, {run.tally.turns} turns in {duration(run.seconds)}"),
            *_counts("failed", run.tally.failures, "turns"), *_counts("no value for", run.tally.missing, "times")]
    parts: list[RenderableType] = [pairs(rows)]
    if run.scores:
        parts.insert(0, show_prediction_scores(run.scores))
    else:
        parts.append(Text(f"Score them: nc-latent-tod score-predictions {run.out} --data FOLDER", style="dim"))
    return Group(*parts)


def _counts(name: str, counts: dict[str, int], unit: str) -> Iterator[tuple[str, str]]:
    for what, count in sorted(counts.items(), key=lambda item: -item[1]):
        yield name, f"{what} ({count} {unit})"
