"""Whether the confidence of a group's labels means what it says, and at which temperatures it does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from nc_latent_tod.api.groups import group_pairs, known_schema
from nc_latent_tod.corpus.gold.load import load_gold
from nc_latent_tod.evaluation.labels.calibration import Calibration, calibrate
from nc_latent_tod.reporting.reliability import NAMES, reliability_svg
from nc_latent_tod.system.files import write_bytes

__all__ = ["NAMES", "Calibration", "calibrate_group", "write_calibration"]


def calibrate_group(manifest: str, group_id: str, *, gold: str, gold_format: str = "auto", schema: str | None = None,
                    tell: Callable[[str], None] = lambda note: None) -> Calibration:
    """Fit the temperatures of confidence to gold; dialogues without gold are left out, and `tell` is told how many.

    Raises `ConfigError` where there is no finished run, no gold, or no schema.
    """
    known = known_schema(gold, schema)
    return calibrate(group_pairs(manifest, group_id, load_gold(gold, gold_format, known), part=True, tell=tell), known)


def write_calibration(calibration: Calibration, group_id: str, *, to: Path | None = None, picture: Path | None = None) -> None:
    """Write the temperatures as `publish --temperature` reads them, and draw accuracy against confidence (SVG)."""
    if to:
        stored = {"temperature": dict(calibration.temperature), "group_id": group_id, "dialogues": calibration.dialogues,
                  "turns": calibration.turns}
        write_bytes(to, f"{json.dumps(stored, indent=2)}\n".encode())
    if picture:
        write_bytes(picture, reliability_svg(calibration.raw, calibration.fitted).encode())
