"""Labels as a value: what `label` returns, and what the other verbs take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from nc_latent_tod.config.job import Job
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.labels import Example, by_dialogue
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.publishing.abstention import Abstention
from nc_latent_tod.publishing.rows import features, rows
from nc_latent_tod.schema import Schema

if TYPE_CHECKING:
    import pandas
    from datasets import Dataset


@dataclass(frozen=True)
class Labels:
    """The labelled turns of one job, in the order of the dialogues, one `Example` each.

    `manifest` and `group_id` name them to every command; without a folder of your own they are kept in a temporary one, which
    goes with this value.
    """

    examples: tuple[Example, ...]
    schema: Schema
    job: Job
    entry: ManifestEntry
    notes: tuple[str, ...] = ()  # keys of the job that change nothing, text that changed since a finished run
    _folder: TemporaryDirectory[str] | None = field(default=None, repr=False, compare=False)

    @property
    def group_id(self) -> str:
        return self.job.manifest.group_id

    @property
    def manifest(self) -> str:
        """The manifest's name as commands take it: a folder, or `dynamo:TABLE`."""
        place = self.job.manifest
        return f"dynamo:{place.manifest_path}" if place.type == "dynamo" else place.manifest_path

    @property
    def failures(self) -> Mapping[tuple[str, int], Mapping[str, str]]:
        """{(dialogue_id, turn_id): {task: reason}} of the turns with a failed task."""
        return {example.turn.key: example.label.failures for example in self.examples if example.label.failures}

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    def rows(self) -> list[dict[str, Any]]:
        """A dict a turn with the columns of a published dataset (docs/corpora.md)."""
        return [row for turns in by_dialogue(self.examples).values() for row in rows(turns, self.schema, Abstention())]

    def to_dataset(self) -> Dataset:
        """A `datasets.Dataset` with a row a turn and the columns of a published one."""
        from datasets import Dataset

        return Dataset.from_list(self.rows(), features=features(self.schema))

    def to_pandas(self) -> pandas.DataFrame:
        """A `pandas.DataFrame` with a row a turn; states, changes and acts are dicts and lists, without the slots that are
        empty."""
        import pandas

        made = self.rows()
        for row, example in zip(made, (e for turns in by_dialogue(self.examples).values() for e in turns), strict=True):
            row.update(slot_values=example.label.state, turn_slot_values=example.label.change,
                       last_slot_values=example.prior_state)
        return pandas.DataFrame(made)


def group_of(labels: Labels | str, manifest: str | Path | None) -> tuple[str, str]:
    """(group id, manifest name) of labels, or of a group by its id. Raises `ConfigError` where the manifest is not named."""
    if isinstance(labels, Labels):
        return labels.group_id, labels.manifest
    if manifest is None:
        raise ConfigError(f"Whose labels? Give the Labels that label() returned, or the manifest of the group {labels!r}: "
                          "manifest='FOLDER'.")
    return labels, str(manifest)
