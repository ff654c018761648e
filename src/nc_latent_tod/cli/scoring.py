"""Scores of a group's labels against gold."""

from __future__ import annotations

from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nc_latent_tod.build import open_manifest
from nc_latent_tod.corpus.examples import read_examples
from nc_latent_tod.corpus.gold import load_gold
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.job_sections import ManifestSection
from nc_latent_tod.manifests import Manifest
from nc_latent_tod.metrics import PER_SERVICE, Scores, pair, score
from nc_latent_tod.metrics.bootstrap import Estimate


def manifest_at(path: str, group_id: str) -> Manifest:
    """The manifest at `path`. Raises `ConfigError` where there is none."""
    if not Path(path).is_dir():
        raise ConfigError(f"There is no manifest folder {path!r}. Name it with --manifest, as manifest.manifest_path in "
                          "the job file, or set NC_LATENT_TOD_MANIFEST_PATH.")
    return open_manifest(ManifestSection(type="local", manifest_path=path, group_id=group_id))


def evaluate_group(manifest: str, group_id: str, *, gold: str, gold_format: str, resamples: int, seed: int) -> Scores:
    """Score all finished runs of a group. Raises `ConfigError` where there is none, or gold is missing for a turn."""
    entries = manifest_at(manifest, group_id).entries(group_id)
    if not entries:
        raise ConfigError(f"The manifest {manifest!r} has no finished run of group {group_id!r}.")
    examples = [example for entry in entries for example in read_examples(entry.labels_url, entry.sha256)]
    return score(pair(examples, load_gold(gold, gold_format)), resamples=resamples, seed=seed)


def show_scores(scores: Scores) -> RenderableType:
    """Overall scores with intervals, those of each service, and failures by reason."""
    overall = Table("metric", "value", "95% interval", title=f"{scores.dialogues} dialogues, {scores.turns} turns",
                    title_justify="left")
    for metric, estimate in scores.overall.items():
        overall.add_row(metric.replace("_", " "), *_cells(estimate))
    parts: list[RenderableType] = [overall]
    if scores.by_service:
        services = Table("service", *(metric.replace("_", " ") for metric in PER_SERVICE), title="By service",
                         title_justify="left")
        for service, metrics in scores.by_service.items():
            services.add_row(Text(service), *(_cells(metrics[metric])[0] for metric in PER_SERVICE))
        parts.append(services)
    parts += [Text(f"{count} turns failed: {reason}", style="red") for reason, count in scores.failures.items()]
    return Group(*parts)


def _cells(estimate: Estimate) -> tuple[str, str]:
    if estimate.value is None:
        return "-", "nothing to count"
    interval = "" if estimate.low is None else f"{estimate.low:.3f} to {estimate.high:.3f}"
    return f"{estimate.value:.3f}", interval
