"""A job's plan: work it out, and show prompts, lengths and the tokens that it will cost."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from nc_latent_tod.api.plan import Plan, TaskPlan
from nc_latent_tod.cli.views.tables import duration

BINS = 10
BAR = 40  # characters of the longest bar
SHOWN_OVER_LONG = 5


def show_plan(plan: Plan) -> RenderableType:
    """Everything of a plan that people look at before they start a job."""
    head = Text.assemble((plan.run_id, "bold"), f" in group {plan.group_id}: {plan.dialogues} dialogues, {plan.turns} turns")
    parts: list[RenderableType] = [head]
    for task in plan.tasks:
        parts += [_prompt(task), _lengths(task)]
    parts.append(_cost(plan))
    parts += [Text(f"note: {note}", style="dim") for note in plan.notes]
    return Group(*parts)


def histogram(values: Sequence[int], bins: int = BINS) -> list[tuple[int, int, int]]:
    """(from, to, count) of equal bins, both ends included; fewer where the values are few."""
    if not values:
        return []
    low, high = min(values), max(values)
    width = (high - low) // bins + 1
    counts = [0] * ((high - low) // width + 1)
    for value in values:
        counts[(value - low) // width] += 1
    return [(low + i * width, low + (i + 1) * width - 1, count) for i, count in enumerate(counts)]


def _prompt(task: TaskPlan) -> RenderableType:
    if task.model == "none":
        return Text(f"{task.name}: proposals alone, no model and no prompt. {task.skipped} turns have nothing to label.")
    if not task.prompt:
        return Panel(Text("no turn has text for this task"), title=f"{task.name}: prompt", title_align="left")
    return Panel(Syntax(task.prompt, "python", word_wrap=True, background_color="default"),
                 title=f"{task.name}: a prompt of this job", title_align="left")


def _lengths(task: TaskPlan) -> RenderableType:
    if task.model == "none":
        return Text()
    table = Table("tokens", "turns", "", title=Text(f"{task.name}: expected prompt lengths of {task.model}"),
                  title_justify="left", box=None)
    bins = histogram(task.prompt_tokens)
    most = max((count for _, _, count in bins), default=1)
    for low, high, count in bins:
        table.add_row(f"{low}-{high}" if high > low else str(low), str(count), "█" * round(BAR * count / most))
    remarks = [f"{task.preamble_tokens} tokens of schema, {task.k_examples} examples of about {task.example_tokens:.0f} "
               f"tokens; the model holds {task.context_length}."]
    if task.skipped:
        remarks.append(f"{task.skipped} turns have nothing to label.")
    if task.over_long:
        named = ", ".join(f"{dialogue}/{turn} ({tokens})" for dialogue, turn, tokens in task.over_long[:SHOWN_OVER_LONG])
        more = f" and {len(task.over_long) - SHOWN_OVER_LONG} more" if len(task.over_long) > SHOWN_OVER_LONG else ""
        remarks.append(f"{len(task.over_long)} prompts are too long and will lose examples or text: {named}{more}.")
    if task.preamble_tokens >= task.context_length:
        remarks.append("The schema alone fills the model: no turn fits. Take one with fewer services, or a longer context.")
    return Group(table, *(Text(remark) for remark in remarks), Text())


def _cost(plan: Plan) -> Table:
    table = Table("task", "tokens to sample", "tokens to score", title="Estimated tokens through the model",
                  title_justify="left")
    for task in plan.tasks:
        table.add_row(task.name, f"{task.tokens_to_sample:,}", f"{task.tokens_to_score:,}")
    table.add_section()
    table.add_row("a turn", f"{plan.tokens_per_turn:,.0f} in all", "")
    if plan.seconds is not None:
        table.caption = (f"About {duration(plan.seconds)} of one worker, at the pace of {plan.runs} finished "
                         f"run{'s' if plan.runs > 1 else ''} of the group.")
        table.caption_justify = "left"
    return table
