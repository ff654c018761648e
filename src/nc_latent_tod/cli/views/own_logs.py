"""`quickstart --logs`: what was found in someone's logs, as tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nc_latent_tod.api.own_logs import GROUP, Control, Labelled, label_logs, write_report
from nc_latent_tod.cli.console import print_json, program, say, standard_error, standard_output
from nc_latent_tod.cli.stop import orderly_stop
from nc_latent_tod.cli.views.progress import LiveProgress
from nc_latent_tod.cli.views.tables import duration
from nc_latent_tod.labels import Example

_VALUES_SHOWN, _ROWS_SHOWN = 4, 24


def label_own_logs(folder: Path, logs: str, schema: str | None, entities: str | None, *, fresh: bool, as_json: bool) -> None:
    """Label, publish and show."""
    with orderly_stop() as stop, LiveProgress(standard_error()) as progress:
        done = label_logs(folder, logs, schema, entities, Control(should_stop=stop.is_asked_for, report=progress.job),
                          fresh=fresh)
    if as_json:
        print_json(_summary(done))
        return
    standard_output().print(show_labels(done.examples))
    report = write_report(folder, done)
    failed = f", of which {done.published.failed_turns} with a failed task" if done.published.failed_turns else ""
    again = next((e.turn for e in done.examples if e.label.change), done.examples[0].turn)
    say(f"""
{done.published.dialogues} dialogue(s), {done.published.turns} turns{failed}, in {duration(done.seconds)}
dataset  {done.published.path}
report   {report}: open it in a browser

Labelled by rules that read the schema, with no model: look before you trust. Next:
  {program()} explain {GROUP} {again.dialogue_id} {again.turn_id} --job {done.job_files[0]}
Better descriptions and possible values in the schema, or an entity table, give better labels. A language model reads more: in
{done.job_files[0]} replace "model_type": "none" by your model (docs/jobs.md) and group_id by another name, then:
  {program()} label {done.job_files[0]}""")


def show_labels(examples: Sequence[Example]) -> RenderableType:
    """What users asked for and what the system did, by frequency."""
    slots: dict[tuple[str, str], Counter[str]] = {}
    acts: dict[str, Counter[str]] = {}
    for example in examples:
        for service, change in example.label.change.items():
            for slot, value in change.items():
                slots.setdefault((service, slot), Counter())[str(value)] += 1
        for act in example.label.acts:
            acts.setdefault(act.act, Counter())[".".join(filter(None, (act.service, act.slot))) or "-"] += 1
    return Group(_table("users asked for", {".".join(name): values for name, values in slots.items()}), Text(),
                 _table("the system did", acts))


def _table(title: str, rows: dict[str, Counter[str]]) -> Table:
    table = Table(title, "times", "most often", box=None, title_justify="left")
    ranked = sorted(rows.items(), key=lambda row: (-row[1].total(), row[0]))
    for name, values in ranked[:_ROWS_SHOWN]:
        common = ", ".join(f"{value} ({times})" if times > 1 else value for value, times in values.most_common(_VALUES_SHOWN))
        table.add_row(Text(name), str(values.total()), Text(common + (", ..." if len(values) > _VALUES_SHOWN else "")))
    if len(ranked) > _ROWS_SHOWN:
        table.add_row(f"{len(ranked) - _ROWS_SHOWN} more", "", "")
    return table


def _summary(done: Labelled) -> dict[str, object]:
    return {"dialogues": done.published.dialogues, "turns": done.published.turns, "failures": done.published.failed_turns,
            "seconds": round(done.seconds, 1), "dataset": str(done.published.path),
            "jobs": [str(file) for file in done.job_files]}
