"""The data card of a published dataset: a README.md with a YAML header. Equal datasets have equal cards."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.publishing.abstention import Abstention
from nc_latent_tod.publishing.partitions import schemas_differ
from nc_latent_tod.publishing.rows import DELETED
from nc_latent_tod.ranking.confidence import TASKS
from nc_latent_tod.system.visible import one_line

_BINS = 10
_BAR = 40  # characters of the longest bar

_HEADER = """---
license: {license}
pretty_name: {name}
task_categories:
- text-generation
tags:
- task-oriented-dialogue
- dialogue-state-tracking
- self-labelled
size_categories:
- {size}
---"""

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def data_card(name: str, *, group_id: str, entries: Sequence[ManifestEntry], splits: Mapping[str, tuple[int, int]],
              confidences: Mapping[str, Mapping[int | None, int]], failures: Mapping[str, int], fingerprints: Mapping[str, int],
              left_out: Sequence[str], seed: int, license: str | None, abstention: Abstention,
              abstained: Mapping[str, int], corrected: int = 0) -> str:
    """Write the card. `splits`: dialogues and turns by split; `confidences`: `tenths` by task; `failures`: turns by
    "task: reason"; `fingerprints`: turns by job, model and code; `left_out`: what is missing, in words; `abstained`: turns by
    what is left out of them as too unsure; `corrected`: turns that a person corrected.
    """
    turns = sum(turns for _, turns in splits.values())
    size = next((tag for limit, tag in _SIZES if turns < limit), "1M<n<10M")
    header = _HEADER.format(license=json.dumps(license or "unknown"), name=name, size=size)
    parts = [
        header,
        f"# {name}",
        "Task-oriented dialogues with machine-made labels: a belief state and its change for every user turn, and the dialogue "
        f"acts of every system response. {_checked(corrected, turns)} {_method(fingerprints, entries)}",
        _table(("split", "dialogues", "turns"), [(split, *counts) for split, counts in splits.items()]),
        f"The validation split is whole dialogues, drawn with seed {seed}."
        if "validation" in splits else "There is no validation split.",
        "## Columns",
        f"`slot_values`, `last_slot_values` and `turn_slot_values` are the state after the turn, before it, and the change: "
        f"{{service: {{slot: value}}}}, null where there is none, `{DELETED}` where the turn deletes a value. "
        "`system_utterances` and `user_utterances` hold the history up to the turn, whose answer is `system_response`. "
        f"`confidence_dst` and `confidence_act_tag` are the chosen reading's share among the distinct readings that parsed "
        f"(softmax of ranking scores{_temperature(abstention)}), `margin_*` its lead, `entropy_*` the entropy in nats, "
        "`agreement_*` the share of all samples that gave it; null where nothing was chosen. `confidence_slots` and "
        "`confidence_acts` add up the readings that hold the value or act, `confidence_state` multiplies the changes up to the "
        "turn. `failures` names the tasks without a reading: such a turn keeps the state before it, or has no acts.",
        *_abstention(abstention, abstained, turns),
        "## Quality",
        *[f"Confidence of `{task}`, turns by tenths:\n\n{histogram(counts)}" for task, counts in confidences.items()],
        "Turns without a reading:",
        _table(("task and reason", "turns"), list(failures.items())) if failures else "none.",
        "## Made from",
        f"Group `{group_id}`, {len(entries)} runs:",
        *_runs(entries),
        *_reused(entries),
        f"Left out: {', '.join(map(_plain, left_out)) or 'nothing'}.",
        _table(("configuration", "turns"), list(fingerprints.items())),
        "## Licence",
        f"`{license}`." if license else "Not stated by whoever published this. The licence of the source dialogues applies.",
    ]
    return "\n\n".join(parts) + "\n"


def _checked(corrected: int, turns: int) -> str:
    """Whether a person looked at the labels."""
    if not corrected:
        return "**No human label was read or checked.**"
    return (f"**{corrected} of the {turns} turns were corrected by a person**: `label_source` is `human` there, the change and "
            "the acts are the person's, and the states after it are computed from them. No other human label was read.")


def _method(fingerprints: Mapping[str, int], entries: Sequence[ManifestEntry]) -> str:
    """How the labels came about, by the models in the fingerprints and the rankings of the runs."""
    without = [name for name in fingerprints if ", model none," in name]
    parts = []
    if len(without) < len(fingerprints) or not fingerprints:
        parts.append("A code language model proposed readings of each turn from an API schema alone; they were ranked by "
                     f"{_rankings(entries)}; earlier labels served as in-context examples for later ones.")
    if without:
        turns = "All turns" if not parts else f"{sum(fingerprints[name] for name in without)} turns"
        parts.append(f"{turns} were labelled **without a language model**, by proposals: rules that read the turn against the "
                     "schema and, where given, an entity table. Their confidence is a pseudo-probability by hand-set weights; "
                     "it orders readings and is not calibrated.")
    return " ".join(parts)


def _rankings(entries: Sequence[ManifestEntry]) -> str:
    """What compared the readings of a model; the usual, where runs of earlier versions do not say it."""
    tasks = [json.loads(entry.made_by)["job"][task] for entry in entries if entry.made_by for task in TASKS]
    modes = {task["generation_cfg"]["generation_mode"] for task in tasks if task["model"]["model_type"] != "none"}
    others = [f"`{mode}`" for mode in sorted(modes) if not mode.startswith("noisy_channel")]
    has_channel = not modes or len(others) < len(modes)
    channel = "a noisy channel (King & Flanigan, EMNLP 2024, arXiv 2404.15219)"
    return " or by ".join([*([channel] if has_channel else []), *others])


def _runs(entries: Sequence[ManifestEntry]) -> list[str]:
    """The runs, with the schema of each where there are several."""
    columns = ["run", "split", "dialogues", "turns", "failed turns", "labels sha256"]
    rows = [[e.run_id, e.labelled_dataset_split_name, e.num_dialogues, e.num_logs, e.num_failures, e.sha256[:16]]
            for e in entries]
    if not schemas_differ(entries):
        return [_table(columns, rows)]
    rows = [[*row, e.schema_sha256[:16] or "not recorded"] for row, e in zip(rows, entries, strict=True)]
    return [_table([*columns, "schema sha256"], rows),
            "**The schema changed between the runs**, so labels of different runs may contradict each other."]


def _reused(entries: Sequence[ManifestEntry]) -> list[str]:
    """How much of the runs is of earlier groups."""
    turns: Counter[str] = Counter()
    for entry in entries:
        turns[entry.reuse_group_id] += entry.num_reused
    return [f"The labels of {count} turns were taken over from the group `{group_id}`: text, options, model, schema and entity "
            "table are the same." for group_id, count in sorted(turns.items()) if count]


def _temperature(abstention: Abstention) -> str:
    """At what temperature the softmax is, to stand behind it."""
    if not abstention.temperatures:
        return ", which are not calibrated"
    return " / temperature: " + ", ".join(f"{task} {value:.4g}" for task, value in sorted(abstention.temperatures.items()))


def _abstention(abstention: Abstention, abstained: Mapping[str, int], turns: int) -> list[str]:
    """What was left out as too unsure, and what that means for a reader."""
    if abstention.minimum is None:
        return []
    counts = [(what, f"{abstained.get(task, 0)} of {turns}") for task, what in (
        ("dst", "turn_slot_values"), ("state", "slot_values"),
        ("act_tag", "system_response_acts, delexicalised_response"))]
    return ["## Left out as too unsure",
            f"Labels with a confidence below {abstention.minimum:g}, and those of failed tasks, are null, and `abstained` says "
            "so: `dst` without the turn's change, `act_tag` without its acts, `state` without the state, which is unknown from "
            "the first missing change to the end of the dialogue. Rows stay, so dialogues are whole. `last_slot_values` is "
            "always there: it is the state that the change was read against, missing changes included.",
            _table(("null column", "turns"), counts)]


def tenths(values: Iterable[float | None]) -> Counter[int | None]:
    """Counts of values in [0, 1] by tenths, from 0 to 9; 1 is in the last one."""
    return Counter(None if value is None else min(int(value * _BINS), _BINS - 1) for value in values)


def histogram(counts: Mapping[int | None, int]) -> str:
    """`tenths` as a block of text, with the values that are None apart."""
    most = max(counts.values(), default=1)
    lines = [f"{i / _BINS:.1f}-{(i + 1) / _BINS:.1f} {_bar(counts.get(i, 0), most)}" for i in range(_BINS)]
    return "\n".join(["```", *lines, f"none    {_bar(counts.get(None, 0), most)}", "```"])


def _bar(count: int, most: int) -> str:
    return f"{count:>7} {'#' * round(_BAR * count / most)}".rstrip()


def _plain(text: object) -> str:
    """Text of others in Markdown: markup is shown, not obeyed, and a line stays one."""
    shown = escape(one_line(str(text)), quote=False)
    return re.sub(r"([\\`*_\[\]])", r"\\\1", shown) if re.search(r"[<&`*\[\]]", str(text)) else shown


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *[[_plain(cell).replace("|", "\\|") for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
