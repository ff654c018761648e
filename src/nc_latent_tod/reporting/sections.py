"""The fixed parts of a report as HTML: tiles, tables and bars. Every text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from nc_latent_tod.evaluation.labels.bootstrap import Estimate
from nc_latent_tod.evaluation.labels.calibration import Calibration
from nc_latent_tod.evaluation.labels.scores import Scores
from nc_latent_tod.ranking.confidence import TaskConfidence
from nc_latent_tod.reporting.collect import Distribution, Report, Round, ScoredTerm
from nc_latent_tod.reporting.reliability import NAMES, picture

TASK_NAMES = {"dst": "state changes", "act_tag": "acts"}
TOP_SLOTS, TOP_VALUES, TOP_ACTS = 24, 5, 20
_TENTHS = 10


def sections(report: Report) -> Iterator[str]:
    """The sections in the order of the page; those without data are left out."""
    yield _tiles(report)
    if report.scores:
        yield _section("Scores against gold", _scores(report.scores))
        yield _section("By service", _services(report.scores))
        yield _section("By turn position", _turns(report.scores))
    if report.rounds:
        yield _section("Rounds", _rounds(report.rounds), is_wide=True)
    for task, known in report.confidence.items():
        if known:
            yield _section(f"Confidence of {TASK_NAMES[task]}", _confidence(known, report.temperatures.get(task, 1.0)))
    if report.calibration:
        yield _section("Calibration", _calibration(report.calibration), is_wide=True)
    yield from _labels(report.distribution, report.dialogues)
    yield _section("Turns without a label", _counts(report.failures) if report.failures else _note("None: no task failed."))
    if report.terms:
        yield _section("What readings were scored by", _terms(report.terms), is_wide=True)
    if report.rejected:
        yield _section("Candidates that did not parse", _counts(report.rejected))


def _tiles(report: Report) -> str:
    failed = sum(run.num_failures for run in report.runs)
    tiles = [(f"{report.dialogues:,}", "dialogues"), (f"{report.turns:,}", "turns"),
             (f"{failed:,}", "turns with a failed task")]
    if report.scores:
        tiles += [(_number(report.scores.overall[name]), name.replace("_", " ")) for name in (
            "joint_goal_accuracy", "slot_f1", "act_f1")]
    for task, known in report.confidence.items():
        if known:
            tiles.append((f"{sum(sure.share for sure in known) / len(known):.3f}", f"mean confidence, {TASK_NAMES[task]}"))
    return '<div class="tiles">' + "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>' for value, name in tiles) + "</div>"


def _scores(scores: Scores) -> str:
    return _note("With 95 % bootstrap intervals over dialogues.") + _bars(
        (name.replace("_", " "), estimate) for name, estimate in scores.overall.items())


def _services(scores: Scores) -> str:
    parts = []
    for metric in ("joint_goal_accuracy", "slot_f1", "act_f1"):
        parts.append(f"<h3>{escape(metric.replace('_', ' '))}</h3>" + _bars(
            (service, estimates[metric]) for service, estimates in scores.by_service.items()))
    return "".join(parts) or _note("No service is spoken of.")


def _calibration(found: Calibration) -> str:
    fitted = ", ".join(f"{task} {value:.3g}" for task, value in found.temperature.items())
    pictures = "".join(picture(kind, found.raw[kind], found.fitted[kind]) for kind in NAMES if kind in found.raw)
    note = _note("Accuracy against confidence: grey at temperature 1, coloured at the temperature fitted to the other half of "
                 f"the dialogues (on all of them: {fitted}). Bars: labels by confidence.")
    return f'{note}<div class="pictures">{pictures}</div>'


def _turns(scores: Scores) -> str:
    metrics = ("joint_goal_accuracy", "turn_accuracy", "slot_f1", "act_f1")
    return _table(["turn", *(metric.replace("_", " ") for metric in metrics)],
                  [[str(turn), *(_number(found[metric]) for metric in metrics)] for turn, found in scores.by_turn.items()])


def _rounds(rounds: Sequence[Round]) -> str:
    rows = []
    for found in rounds:
        scored = [_number(found.scores.overall[name]) if found.scores else ""
                  for name in ("joint_goal_accuracy", "slot_f1", "act_f1")]
        health = found.health
        rows.append([found.group_id, f"{health.turns:,}", _share(health.failed_turns), _share(health.unparsable),
                     _share(health.consistency), _share(found.same), *scored])
    return _table(["group", "turns", "failed turns", "unparsable samples", "samples that agree", "changes as before",
                   "joint goal accuracy", "slot f1", "act f1"], rows)


def _confidence(known: Sequence[TaskConfidence], temperature: float) -> str:
    alone = sum(sure.readings == 1 for sure in known)
    shares, margins = [sure.share for sure in known], [sure.margin for sure in known]
    agreed = [sure.agreement for sure in known if sure.agreement is not None]
    parts = [_note(f"Share of the chosen reading by the softmax of the scores at temperature {temperature:.3g}. {alone:,} of "
                   f"{len(known):,} turns have one reading only, which is sure by definition."), _histogram(shares),
             "<h3>Lead over the next reading</h3>", _histogram(margins)]
    if agreed:
        parts += ["<h3>Samples that gave it</h3>", _histogram(agreed)]
    return "".join(parts)


def _labels(found: Distribution, dialogues: int) -> Iterator[str]:
    if found.services:
        yield _section("Services", _note(f"Dialogues that speak of it, of {dialogues:,}.") + _counts(found.services))
    if found.acts:
        yield _section("Acts", _note("Turns with the act.")
                       + _counts(dict(list(found.acts.items())[:TOP_ACTS]), len(found.acts)))
    if found.slots:
        rows = [[f"{service}.{slot}", f"{count:,}", ", ".join(
            f"{value} ({n})" for value, n in list(found.values[service, slot].items())[:TOP_VALUES]),
            f"{len(found.values[service, slot]):,}"] for (service, slot), count in list(found.slots.items())[:TOP_SLOTS]]
        more = len(found.slots) - len(rows)
        yield _section("Slots and values", _table(["slot", "turns that set it", "most frequent values", "distinct"], rows)
                       + (_note(f"{more} more slots.") if more > 0 else ""), is_wide=True)


def _terms(terms: Sequence[ScoredTerm]) -> str:
    rows = [[TASK_NAMES.get(found.task, found.task), found.term, f"{found.readings:,}", f"{found.divided:,}",
             "–" if found.nats is None else f"{found.nats:.2f}", "–" if found.tokens is None else f"{found.tokens:.1f}"]
            for found in terms]
    return _note("Of the readings that parsed. direct: log p(label | text), prior: log p(label), channel: log p(text | label), "
                 "summed over tokens; proposal: a pseudo-score without a model.") + _table(
        ["task", "term", "readings", "with a score per token", "mean nats", "mean tokens"], rows)


def _counts(counts: Mapping[str, int], of: int | None = None) -> str:
    most = max(counts.values(), default=1)
    more = _note(f"{of - len(counts)} more.") if of and of > len(counts) else ""
    return '<div class="bars">' + "".join(
        f'<span>{escape(name)}</span><div class="track"><div class="fill" style="width:{100 * n / most:.1f}%"></div></div>'
        f'<span class="num">{n:,}</span>' for name, n in counts.items()) + f"</div>{more}"


def _bars(rows: Iterable[tuple[str, Estimate]]) -> str:
    parts = []
    for name, estimate in rows:
        value, low, high = estimate.value, estimate.low, estimate.high
        whisker = "" if low is None or high is None else (
            f'<div class="whisk" style="left:{100 * low:.1f}%;width:{max(100 * (high - low), 0.5):.1f}%"></div>')
        interval = "" if low is None or high is None else f" ({low:.3f}–{high:.3f})"
        fill = "" if value is None else f'<div class="fill" style="width:{100 * value:.1f}%"></div>'
        parts.append(f'<span>{escape(name)}</span><div class="track">{fill}{whisker}</div>'
                     f'<span class="num">{_number(estimate)}{interval}</span>')
    return f'<div class="bars">{"".join(parts)}</div>'


def _histogram(values: Sequence[float]) -> str:
    counts = [0] * _TENTHS
    for value in values:
        counts[max(0, min(int(value * _TENTHS), _TENTHS - 1))] += 1
    most = max(counts)
    columns = "".join(f'<div style="height:{100 * n / most:.1f}%" title="{i / 10:.1f} to {(i + 1) / 10:.1f}: {n} turns"></div>'
                      for i, n in enumerate(counts))
    return f'<div class="columns">{columns}</div><div class="axis"><span>0</span><span>0.5</span><span>1</span></div>'


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(f'<{tag}{"" if i == 0 or name == "most frequent values" else " class=n"}>{escape(cell)}</{tag}>'
                       for i, (cell, name) in enumerate(zip(row, header, strict=True)))

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{cells("th", header)}</tr></thead><tbody>{body}</tbody></table></div>'


def _section(title: str, content: str, *, is_wide: bool = False) -> str:
    return f'<section{" class=wide" if is_wide else ""}><h2>{escape(title)}</h2>{content}</section>'


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _number(estimate: Estimate) -> str:
    return "–" if estimate.value is None else f"{estimate.value:.3f}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"
