"""A job's plan: work it out, and show prompts, lengths and the tokens that it will cost."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from nc_latent_tod.api.backends import Builder, act_tagging, dialogues_of, schema_of, state_tracking, token_counter_of
from nc_latent_tod.api.plan import Plan, TaskPlan, make_plan, plan_task
from nc_latent_tod.cli.views.tables import duration
from nc_latent_tod.config.job import Job, unused_keys
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.pipeline.run import Backends

BINS = 10
BAR = 40  # characters of the longest bar
SHOWN_OVER_LONG = 5


def plan_job(job: Job) -> Plan:
    """Check `job` and work out its plan. Loads dialogues and tokenizers, no model. Raises what the job itself would."""
    schema, backends = schema_of(job), Builder().backends(job)
    dialogues = dialogues_of(job)
    finished = _finished(job, backends)
    examples = list(backends.labels(finished[0])) if finished and job.manifest.seed_retrievers_from_manifest else []
    tasks = []
    for section, task in ((job.dst, state_tracking(job, schema)), (job.act_tag, act_tagging(job, schema))):
        count, context_length = token_counter_of(section.model)
        tasks.append(plan_task(section, task, dialogues, examples, count, context_length))
    return make_plan(job, dialogues, tasks, [*unused_keys(job), *_reuse(job)], finished)


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


def _finished(job: Job, backends: Backends) -> Sequence[ManifestEntry]:
    """Runs of the group that seeds the job, or of its own; of a table on AWS only where the job reads it too."""
    if job.manifest.type != "local" and not job.manifest.seed_retrievers_from_manifest:
        return []
    return backends.manifest.entries(job.manifest.seed_group_id or job.manifest.group_id)


def _reuse(job: Job) -> list[str]:
    group_id = job.manifest.reuse_group_id
    return [f"Labels that are taken over from {group_id} are not deducted here."] if group_id else []


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
