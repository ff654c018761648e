"""A corpus answered by an agent, its predictions written, and the scores of both."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nc_latent_tod.agent.agent import Reply
from nc_latent_tod.agent.evaluation import Context, Tally, answered, predictions
from nc_latent_tod.api.agent import build_agent, read_agent_config
from nc_latent_tod.corpus.load import load_dialogues
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.evaluation.responses.benchmark import Benchmark, dialogue_key, load_benchmark
from nc_latent_tod.evaluation.responses.predictions import load_predictions
from nc_latent_tod.evaluation.responses.references import load_references
from nc_latent_tod.evaluation.responses.scores import PredictionScores, score_predictions


@dataclass(frozen=True)
class Scoring:
    """What the predictions are scored against."""

    data: Path
    goals: str
    references: Path | None
    allow_missing: bool


@dataclass(frozen=True)
class Run:
    """What happened."""

    out: Path
    dialogues: int
    context: str
    seconds: float
    tally: Tally
    scores: PredictionScores | None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {"predictions": str(self.out), "dialogues": self.dialogues, "context": self.context,
                "seconds": round(self.seconds, 1), **asdict(self.tally),
                "scores": self.scores.to_json() if self.scores else None}


Report = Callable[[int, int, float, int], None]
"""Told after each reply: turns answered, of so many, seconds so far, failures."""


def answer_corpus(config: str, corpus: str, split: str | None, out: Path, *, context: Context, scoring: Scoring | None,
                  should_stop: Callable[[], bool] = lambda: False,
                  report: Report = lambda answered, of, seconds, failures: None) -> Run:
    """Check everything, then answer, write and score. Raises `ConfigError` or `CorpusError` before a model is loaded."""
    settings, dialogues = read_agent_config(config), load_dialogues(corpus, split)
    if not out.parent.is_dir():
        raise ConfigError(f"{out}: there is no folder {out.parent}. Make it, or name another file with --out.")
    benchmark = load_benchmark(scoring.data, scoring.goals) if scoring else None
    references = load_references(scoring.references, benchmark.names) if scoring and scoring.references and benchmark else None
    if scoring and benchmark:
        _check(dialogues, benchmark, scoring)
    started, tally, replies = time.monotonic(), Tally(), list[Reply]()
    agent, total = build_agent(settings), sum(len(dialogue.turns) for dialogue in dialogues)
    for reply in answered(agent, dialogues, context=context, batch_size=settings.batch_size, should_stop=should_stop):
        replies.append(reply)
        tally.add(reply)
        report(len(replies), total, time.monotonic() - started, sum(tally.failures.values()))
    seconds = time.monotonic() - started
    _write(out, json.dumps(predictions(replies), ensure_ascii=False, indent=1))
    scores = score_predictions(load_predictions(out), benchmark, references=references, allow_unknown=True,
                               allow_missing=scoring.allow_missing) if scoring and benchmark else None
    return Run(out, len(dialogues), context, seconds, tally, scores)


def _check(dialogues: list[Dialogue], benchmark: Benchmark, scoring: Scoring) -> None:
    """Before hours of work: do goals and corpus belong together?"""
    known = {dialogue_key(dialogue.dialogue_id) for dialogue in dialogues}
    unknown = [name for name in known if name not in benchmark.goals]
    if unknown:
        raise ConfigError(f"{len(unknown)} of {len(known)} dialogues, such as {min(unknown)!r}, have no goal in "
                          f"{scoring.data}/goals_{scoring.goals}.json. Name the goals of this split with --goals.")
    absent = len(benchmark.goals.keys() - known)
    if absent and not scoring.allow_missing:
        raise ConfigError(f"{absent} dialogues with goals are not in the corpus. Answer the whole split, or score a part of it "
                          "with --allow-missing.")


def _write(path: Path, text: str) -> None:
    """Replace the file whole: an earlier one stays until the new one is on the disk."""
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_text(text + "\n", encoding="utf-8", errors="replace")
    os.replace(temporary, path)
