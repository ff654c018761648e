"""Why a turn has its label, to be read by people: examples, prompts, candidates with their scores, and the choice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from nc_latent_tod.api.backends import Builder, act_tagging, schema_of, state_tracking
from nc_latent_tod.api.connect import manifest_at, manifest_section
from nc_latent_tod.api.explain import Explanation, TaskExplanation, explain
from nc_latent_tod.api.groups import schema_path_of
from nc_latent_tod.api.jobs import read_job
from nc_latent_tod.cli.console import remark
from nc_latent_tod.config.job import Job, parse_job
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Act, Candidate, Example
from nc_latent_tod.pipeline.reuse import TAKEN_FROM

TERMS = {"direct": "direct = log p(label | text), in nats", "prior": "prior = log p(label), in nats",
         "channel": "channel = log p(text | label), in nats", "proposal": "proposal = pseudo-score without a model"}


def explain_turn(group_id: str, dialogue_id: str, turn_id: int, *, job_file: Path | None, manifest: str,
                 schema: str | None) -> Explanation:
    """Find a turn and rebuild its prompts, as `job_file` makes them or else from `manifest` and `schema`."""
    job = read_job(job_file, schema=schema) if job_file else _job(group_id, manifest, schema)
    loaded = schema_of(job)
    backends = Builder().backends(job)
    found = explain(backends.manifest, backends.labels, [state_tracking(job, loaded), act_tagging(job, loaded)],
                    group_id, dialogue_id, turn_id)
    if not job_file and any(task.asked_model for task in found.tasks):
        remark("note: prompts are shown as the default options make them: --job JOB.json shows them as the job had them.")
    if job_file and found.entry.config_fingerprint != job.fingerprint:
        remark(f"note: run {found.entry.run_id} was made by another job than {job_file}: its prompts may have been others.")
    return found


def show_explanation(found: Explanation, *, with_preamble: bool) -> RenderableType:
    """The turn, then each task."""
    parts: list[RenderableType] = [_turn(found)]
    for task in found.tasks:
        if task.asked_model:
            parts += [_examples(task), _prompts(task, with_preamble=with_preamble)]
        parts.append(_candidates(task))
    return Group(*parts)


def state_text(state: Mapping[str, Mapping[str, str | None]]) -> str:
    """`hotel: area = east, stars deleted`; `(empty)` where there is nothing."""
    services = [f"{service}: " + ", ".join(f"{slot} deleted" if value is None else f"{slot} = {value}"
                                           for slot, value in slots.items()) for service, slots in state.items()]
    return "; ".join(services) or "(empty)"


def act_text(act: Act) -> str:
    """`Inform hotel.area = east`, `Goodbye`."""
    subject = f" {act.service}" if act.service else ""
    slot = f".{act.slot}" if act.slot else ""
    return f"{act.act}{subject}{slot}" + (f" = {act.value}" if act.value else "")


def _job(group_id: str, manifest: str, schema: str | None) -> Job:
    stored = manifest_at(manifest, group_id)  # says so where there is none
    schema = schema or schema_path_of(stored, group_id)
    if schema is None:
        raise ConfigError("To show prompts, name the job file (--job JOB.json), or the schema (--schema).")
    return parse_job({"data": {"eval_set_path_or_name": "-", "eval_set_split_name": "-", "schema_path": schema},
                      "manifest": manifest_section(manifest, group_id).model_dump(exclude_defaults=True)}, "explain")


def _turn(found: Explanation) -> Panel:
    example, label = found.example, found.example.label
    rows = [("system said", example.turn.last_system_utterance), ("state before", state_text(example.prior_state)),
            ("user said", example.turn.user_utterance), ("state change", state_text(label.change)),
            ("state", state_text(label.state)), ("system answered", example.turn.system_response),
            ("acts", "; ".join(map(act_text, label.acts)) or "(none)"), ("delexicalised", label.delexicalised_response)]
    if found.correction:
        person = found.correction.label
        by = person.provenance.get("annotator") or "a person"
        rows += [(f"corrected by {by}", f"round {person.provenance.get('round', '?')}, in place of what is above"),
                 ("corrected change", state_text(person.change)),
                 ("corrected acts", "; ".join(map(act_text, person.acts)) or "(none)")]
    if maker := label.provenance.get(TAKEN_FROM):
        rows.append(("taken over from", maker.replace("/", " / ")))
    inferred = {"state change", "state", "acts", "delexicalised", "corrected change", "corrected acts"}
    table = Table.grid(padding=(0, 2))
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value, style="bold" if name in inferred else ""))
    for task, reason in label.failures.items():
        table.add_row(Text(f"{task} failed", style="bold red"), Text(reason))
    place = f"{found.entry.group_id} / {found.entry.run_id} / {example.turn.dialogue_id} / turn {example.turn.turn_id}"
    return Panel(table, title=Text(place), title_align="left")  # plain text: an id may look like markup


def _examples(task: TaskExplanation) -> RenderableType:
    title = f"{task.name}: examples in the prompt, nearest last"
    if not task.examples and not task.lost_examples:
        return Panel(Text("none: the pool was still too small, or the job uses none", style="dim"), title=title,
                     title_align="left")
    table = Table("similarity", "example", "text", "label", expand=True, box=None)
    table.columns[1].overflow = "fold"
    for example, score in task.examples:
        table.add_row(f"{score:.3f}", Text(example.example_id, style="dim"), Text(_read(example, task.name)),
                      Text(_meant(example, task.name)))
    for example_id in task.lost_examples:
        table.add_row("", Text(example_id, style="dim"), Text("its run is no longer in the manifest", style="red"), "")
    return Panel(table, title=title, title_align="left")


def _read(example: Example, task: str) -> str:
    return example.turn.user_utterance if task == "dst" else example.turn.system_response


def _meant(example: Example, task: str) -> str:
    if task == "dst":
        return state_text(example.label.change)
    return "; ".join(map(act_text, example.label.acts)) or "(none)"


def _prompts(task: TaskExplanation, *, with_preamble: bool) -> RenderableType:
    hidden = f"# {len(task.preamble)} characters of schema come first: --preamble shows them.\n\n" if task.preamble else ""
    before = task.preamble if with_preamble else hidden
    terms = {term for candidate in task.outcome.candidates for term in candidate.logprobs}
    shown = [("direct prompt, continued with a label", task.direct_prompt)]
    if "prior" in terms:
        then = ", then the text" if "channel" in terms else ""
        shown.append((f"channel prompt, continued with each label{then}", task.channel_prompt))
    return Group(*(Panel(Syntax(before + prompt, "python", word_wrap=True, background_color="default"),
                         title=f"{task.name}: {title}", title_align="left") for title, prompt in shown))


def _candidates(task: TaskExplanation) -> Panel:
    terms = [term for term in TERMS if any(term in c.logprobs for c in task.outcome.candidates)]
    if not task.outcome.candidates:
        return Panel(Text(task.reason, style="bold"), title=task.name, title_align="left")
    is_divided = task.outcome.length_normalization == "tokens"
    table = Table("", "candidate", "samples", *(f"{term}" for term in terms), "score", "share", expand=True, box=None,
                  padding=(0, 1, 0, 0))
    table.columns[1].overflow = "fold"  # a call may be one long word: no part of a label is left out
    for column in table.columns[2:]:
        column.justify, column.no_wrap = "right", True
    for place, (candidate, share) in enumerate(zip(task.outcome.candidates, task.shares, strict=True)):
        chosen = place == task.outcome.chosen
        table.add_row("▶" if chosen else "", _reading(candidate), str(candidate.count),
                      *(_term(candidate, term, with_tokens=is_divided) for term in terms), _nats(candidate.score),
                      f"{share:.0%}" if candidate.score is not None else "", style="bold green" if chosen else "")
    score = ["score = direct - prior"] if "prior" in terms and "channel" not in terms else []
    score += ["/ tokens: the score takes each term divided by its own tokens"] if is_divided else []
    legend = Text("; ".join([*(TERMS[term] for term in terms), *score, "share: softmax of the scores."]), style="dim")
    return Panel(Group(table, Text(), Text(task.reason, style="bold"), legend), title=f"{task.name}: candidates",
                 title_align="left")


def _reading(candidate: Candidate) -> Text:
    if candidate.error is None:
        return Text(candidate.text)
    return Text.assemble((candidate.text, "dim"), (f"  not a label: {candidate.error}", "red"))


def _term(candidate: Candidate, term: str, *, with_tokens: bool) -> str:
    """`-12.50`, or with the tokens that it is the sum over: `-12.50 / 9`."""
    divisor = f" / {candidate.tokens[term]}" if with_tokens and term in candidate.tokens else ""
    return _nats(candidate.logprobs.get(term)) + divisor


def _nats(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
