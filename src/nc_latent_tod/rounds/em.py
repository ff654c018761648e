"""Expectation maximisation with hard labels: label, publish, fine-tune, relabel, and so on (King & Flanigan 2024, section 4.5).

A round is a manifest group. Every step leaves something that is whole or absent (manifest entries, a dataset, a checkpoint with
its record, the round's record), so a run that was killed anywhere goes on with the first step that is missing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nc_latent_tod.annotation.overlay import corrections_of
from nc_latent_tod.api.backends import dialogues_of, schema_of
from nc_latent_tod.api.connect import manifest_at, open_manifest
from nc_latent_tod.api.groups import labels_of, rows_of
from nc_latent_tod.api.quickstart import enqueue
from nc_latent_tod.config.em import Em, finetune_of, group, job_of
from nc_latent_tod.config.job import Job
from nc_latent_tod.corpus.gold.load import GoldTurns, load_gold
from nc_latent_tod.corpus.load import partitions
from nc_latent_tod.errors import ConfigError, RetryableError
from nc_latent_tod.evaluation.labels.agreement import Agreement, Health, Labels, agreement, health, issue_row, issues
from nc_latent_tod.evaluation.labels.scores import compare, pair, score
from nc_latent_tod.manifests import Manifest, ManifestEntry
from nc_latent_tod.publishing.publish import publish
from nc_latent_tod.ranking.confidence import TASKS
from nc_latent_tod.rounds.ranker import learn_ranker
from nc_latent_tod.system.files import write_bytes

SCORES = ("joint_goal_accuracy", "turn_accuracy", "slot_f1", "act_f1", "act_slot_value_f1")

_MAY_CHANGE = {"rounds", "stop", "gold", "workers", "threads"}  # between two calls on one folder


@dataclass(frozen=True, slots=True)
class Round:
    """One finished round: its lineage and its figures."""

    number: int
    group_id: str
    parent: str | None  # the group whose labels the model learnt from
    model: Mapping[str, Any]  # what the jobs' model sections say, and the record of the fine-tuning
    labels: Sequence[Mapping[str, str]]  # run_id and sha256 of every label file
    dataset: str  # published from them
    health: Health
    agreement: Agreement | None = None  # with the round before
    scores: Mapping[str, Any] = field(default_factory=dict)  # {metric: [value, low, high]} where gold is given
    against_first: Mapping[str, Any] = field(default_factory=dict)  # differences to round 0, paired by dialogue
    against_previous: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Steps:
    """What a run cannot do by itself."""

    work: Callable[[Path, int, int | None], int]
    """Run the jobs of a folder queue in so many processes of so many threads until none is left; returns an exit code."""
    learn: Callable[[Any, Path], Any]
    """Fine-tune by a configuration in a folder; returns the record."""
    say: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Result:
    """All rounds and why there are no more."""

    rounds: Sequence[Round]
    reason: str
    issues: int  # turns that rounds read differently; listed in issues.jsonl


def run_em(config: Em, out: Path, steps: Steps, *, rounds: int | None = None) -> Result:
    """Run the rounds below `out`, from where an earlier call stopped. Writes rounds.json and issues.jsonl.

    Raises `RetryableError` where workers left jobs undone, `ConfigError` where `out` holds another run's rounds.
    """
    keep_config(config, out)
    wanted = rounds or config.rounds
    schema = schema_of(job_of(config, 0, None)) if config.gold else None
    gold = load_gold(config.gold.path, config.gold.format, schema) if config.gold else None
    done: list[Round] = []
    labels: list[Labels] = []
    model: dict[str, Any] | None = None
    reason = f"all {wanted} rounds of relabelling are done"
    for number in range(wanted + 1):
        labels.append(_label(config, out, number, model, steps))
        done.append(_close(config, out, number, model, labels, gold, steps))
        same = done[-1].agreement
        if same and same.change >= config.stop.agreement:
            reason = (f"round {number} gives {same.change:.1%} of the turns the same change of state as round {number - 1}; "
                      f"stop.agreement is {config.stop.agreement:.1%}")
            break
        if number < wanted:
            model = _learn(config, out, number, done[-1], labels[-1], steps)
    found = issues(labels, [config.temperature_of(number) for number in range(len(labels))])
    write_bytes(out / "issues.jsonl", "".join(f"{json.dumps(issue_row(i), ensure_ascii=False)}\n" for i in found).encode())
    write_bytes(out / "rounds.json", _json({"reason": reason, "rounds": [asdict(one) for one in done]}))
    return Result(done, reason, len(found))


def keep_config(config: Em, out: Path) -> Path:
    """Write OUT/em.json, which says what the rounds there are of; its path. Raises `ConfigError` where it says something else.
    """
    path, now = out / "em.json", json.loads(config.model_dump_json(exclude=_MAY_CHANGE))
    if config.corrections is None:
        del now["corrections"]  # as folders of earlier versions have it
    if path.is_file() and (before := json.loads(path.read_text("utf-8"))) != now:
        changed = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
        raise ConfigError(f"{out} holds the rounds of another configuration: {', '.join(changed)} changed. Restore the old "
                          f"values ({path} has them), or name another folder with --out.")
    write_bytes(path, _json(now))
    return path


def _label(config: Em, out: Path, number: int, model: Mapping[str, Any] | None, steps: Steps) -> Labels:
    """All labels of a round, made by workers where they are missing."""
    jobs = _jobs(config, out, number, model)
    manifest = open_manifest(jobs[0].manifest)
    grows = not number and any(job.manifest.seed_retrievers_from_manifest for job in jobs[1:])
    for stage in [jobs[:1], jobs[1:]] if grows else [jobs]:  # the later jobs may begin with the labels of the first
        _work(stage, manifest, out / "queue", config, steps)
    for entry in _corrections(config, out):
        manifest.add(replace(entry, group_id=group(config, number)))
    return {e.turn.key: e for e in labels_of(manifest.entries(group(config, number)))}


def _corrections(config: Em, out: Path) -> list[ManifestEntry]:
    """The entries of what a person corrected. Raises `ConfigError` where there are none, and they are asked for."""
    if config.corrections is None:
        return []
    where, group_id = config.corrections.manifest or f"{out}/manifest", config.corrections.group_id
    found = [entry for entry in manifest_at(where, group_id).entries(group_id) if entry.label_source]
    if not found:
        raise ConfigError(f"The group {group_id!r} in {where} (corrections) has no corrections: `annotate pull` brings them.")
    return found


def _work(jobs: Sequence[Job], manifest: Manifest, path: Path, config: Em, steps: Steps) -> None:
    def unfinished() -> list[Job]:
        finished = {entry.run_id for job in jobs[:1] for entry in manifest.entries(job.manifest.group_id)}
        return [job for job in jobs if job.run not in finished]

    if not (waiting := unfinished()):
        return
    enqueue(waiting, path)
    steps.say(f"{waiting[0].manifest.group_id}: {len(waiting)} of {len(jobs)} jobs are labelled now")
    code = steps.work(path, min(config.workers, len(waiting)), config.threads)
    if left := unfinished():
        raise RetryableError(f"{len(left)} jobs of {left[0].manifest.group_id} are not finished ({left[0].run} for one; the "
                             f"workers ended with code {code}): see nc-latent-tod status --queue {path}. The same command goes "
                             "on where it stopped.")


def _jobs(config: Em, out: Path, number: int, model: Mapping[str, Any] | None) -> list[Job]:
    """The jobs of a round: one a partition. Later rounds take their examples from the round before."""
    template = job_of(config, number, model, out=str(out))
    data = template.data
    parts = partitions(data.eval_set_path_or_name, data.eval_set_split_name, len(dialogues_of(template)), config.partition,
                       format=data.format)
    seeded = group(config, number - 1) if number and template.manifest.seed_retrievers_from_manifest else None
    jobs = [job_of(config, number, model, split=part, seeded_by=seeded, out=str(out)) for part in parts]
    if not number and jobs[0].manifest.seed_retrievers_from_manifest and jobs[0].manifest.seed_group_id is None:
        first = jobs[0].manifest.model_copy(update={"seed_retrievers_from_manifest": False, "group_id_must_exist": False})
        jobs[0] = jobs[0].model_copy(update={"manifest": first})  # it begins from nothing
    return jobs


def _close(config: Em, out: Path, number: int, model: Mapping[str, Any] | None, labels: Sequence[Labels],
           gold: GoldTurns | None, steps: Steps) -> Round:
    """Publish a round and put down its lineage and figures."""
    job = job_of(config, number, model, out=str(out))
    manifest, group_id = open_manifest(job.manifest), group(config, number)
    temperature = config.temperature_of(number)
    temperatures = None if temperature == 1 else dict.fromkeys(TASKS, temperature)
    published = publish(manifest, group_id, schema=schema_of(job), to=out / "datasets",
                        allow_missing=True,  # a range need not begin at 0; that all jobs are finished was seen to
                        min_confidence=config.min_confidence, temperatures=temperatures,
                        validation_dialogues=config.validation_dialogues)
    record = Round(
        number, group_id, group(config, number - 1) if number else None,
        _model_of(job, model),
        [{"run_id": e.run_id, "sha256": e.sha256} for e in manifest.entries(group_id)], str(published.path),
        health(labels[-1], temperature), agreement(labels[-1], labels[-2]) if number else None,
        **(_scores(labels, gold) if gold else {}))
    write_bytes(out / f"round_{number}" / "round.json", _json(asdict(record)))
    told = record.scores.get("joint_goal_accuracy")
    steps.say(f"round {number}: {record.health.turns} turns" + (f", joint goal accuracy {told[0]:.3f}" if told else ""))
    return record


def _model_of(job: Job, model: Mapping[str, Any] | None) -> dict[str, Any]:
    section = job.dst.model
    named = {} if section.model_type == "none" else {"model_name_or_path": section.model_name_or_path}
    return {"model_type": section.model_type, **named, **(model or {})}


def _scores(labels: Sequence[Labels], gold: GoldTurns) -> dict[str, Any]:
    def shown(found: Mapping[str, Any]) -> dict[str, list[float | None]]:
        return {name: [found[name].value, found[name].low, found[name].high] for name in SCORES}

    pairs = [pair(one.values(), gold) for one in labels]
    return {"scores": shown(score(pairs[-1]).overall),
            "against_first": shown(compare(pairs[-1], pairs[0])) if len(pairs) > 1 else {},
            "against_previous": shown(compare(pairs[-1], pairs[-2])) if len(pairs) > 1 else {}}


def _learn(config: Em, out: Path, number: int, done: Round, labels: Labels, steps: Steps) -> dict[str, Any]:
    """Learn from a round's labels; what the next round's jobs say of the model and of the weights of proposals."""
    weights: dict[str, Any] = {}
    if config.ranker:
        steps.say(f"round {number}: learning weights of proposals from {len(labels)} turns")
        schema = schema_of(job_of(config, number, None, out=str(out)))
        rows = rows_of(open_manifest(job_of(config, number, None, out=str(out)).manifest).entries(group(config, number)))
        weights = {"proposal_ranker": learn_ranker(
            {e.turn.key: e for e in rows if not e.label.is_human}, schema, out / f"round_{number + 1}",
            config.temperature_of(number), corrected=corrections_of(rows),
            weight=config.corrections.weight if config.corrections else 1)}
    if config.finetune is None:
        return weights
    start = done.model.get("model_name_or_path") if config.start_from == "previous" and number else None
    run = finetune_of(config, done.dataset, start)
    steps.say(f"round {number}: fine-tuning on {done.dataset}")
    record = steps.learn(run, out / f"round_{number + 1}" / "model")
    section: dict[str, Any] = {"model_type": "huggingface", "model_name_or_path": record.checkpoint}
    if record.is_adapter:
        section = {**section, "model_name_or_path": run.model.model_name_or_path, "adapter": record.checkpoint}
    return {**section, **weights}


def _json(data: Any) -> bytes:
    return f"{json.dumps(data, indent=2, ensure_ascii=False)}\n".encode()
