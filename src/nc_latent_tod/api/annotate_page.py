"""A round as a page to be corrected in a browser."""

from __future__ import annotations

from pathlib import Path

from nc_latent_tod.annotation.form import Form, forms
from nc_latent_tod.annotation.page import page
from nc_latent_tod.annotation.rounds import Round, read_round
from nc_latent_tod.api.groups import labels_of, runs_of
from nc_latent_tod.corpus.schemas import load_schema
from nc_latent_tod.schema import Schema
from nc_latent_tod.system.files import write_bytes


def round_forms(path: str | Path, *, manifest: str | None = None,
                schema: str | None = None) -> tuple[Round, list[Form], Schema]:
    """A round, a form for each of its turns, and the schema that they follow. `manifest` and `schema`: where they are now.

    Raises `CorpusError` where the file is no round, `ConfigError` and `DamagedError` where its turns are not to be found.
    """
    made = read_round(path)
    followed = load_schema(schema or made.schema_path)
    return made, forms(made, labels_of(runs_of(manifest or made.manifest, made.group_id)), followed), followed


def write_page(path: str | Path, *, out: str | Path, manifest: str | None = None, schema: str | None = None) -> int:
    """Write the page of the round at `path` to `out`; its size in bytes. Raises as `round_forms` does."""
    data = page(*round_forms(path, manifest=manifest, schema=schema)).encode("utf-8", "replace")
    write_bytes(out, data)
    return len(data)
