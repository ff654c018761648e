"""Versions of datasets in development, staging and production: upload, download, promote, list, compare, delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from nc_latent_tod.api.dataset import refuse_faults
from nc_latent_tod.config.environments import dataset_urls
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.repository.check import check_dataset
from nc_latent_tod.repository.store import WORKERS, Moved, Progress, Store
from nc_latent_tod.repository.versions import Difference, Version, difference, files_of

__all__ = ["Difference", "Moved", "Repository", "Version"]

PRODUCTION = "production"


@dataclass(frozen=True)
class Repository:
    """The environments. `variables` are those of the process, `settings` a file that says what they leave out."""

    variables: Mapping[str, str]
    settings: Path | None = None

    def store(self, environment: str) -> Store:
        """The datasets of an environment. Raises `ConfigError` naming what is not set."""
        return self._stores(environment)[0]

    def _stores(self, *environments: str) -> list[Store]:
        try:
            text = self.settings.read_bytes() if self.settings else None
        except FileNotFoundError:
            raise ConfigError(f"There is no settings file {self.settings}: correct --settings.") from None
        return [Store(url) for url in dataset_urls(environments, settings=text, source=str(self.settings),
                                                   variables=self.variables)]

    def upload(self, folder: Path, environment: str = "development", *, name: str = "", workers: int = WORKERS,
               progress: Progress | None = None) -> Moved:
        """Upload a dataset as a version; its faults are counted, and production takes none.

        `name`: what it has to be called. Raises `CorpusError` where it has no name, or faults in production.
        """
        store = self.store(environment)
        checked = check_dataset(folder, name=name)
        if checked.schema is None or environment == PRODUCTION or (name and checked.schema.name != name):
            refuse_faults(folder, checked)
        assert checked.schema is not None
        version = Version(checked.schema.name, files_of(folder), len(checked.faults), datetime.now(UTC).isoformat())
        return store.upload(folder, version, workers=workers, progress=progress)

    def download(self, reference: str, folder: Path, environment: str = "development", *, path: str = "",
                 workers: int = WORKERS, progress: Progress | None = None) -> Moved:
        """Fetch `NAME` or `NAME@VERSION`, or the file or folder `path` of it. Raises as `Store.download` does."""
        store = self.store(environment)
        return store.download(store.version(reference), folder, path=path, workers=workers, progress=progress)

    def promote(self, reference: str, source: str, target: str, *, workers: int = WORKERS,
                progress: Progress | None = None) -> Moved:
        """Copy a version between environments. Production takes what has no fault; raises `ConfigError` else."""
        if source == target:
            raise ConfigError(f"{reference} is in {source} already: promote it to another environment.")
        before, after = self._stores(source, target)
        version = before.version(reference)
        if target == PRODUCTION and version.faults:
            raise ConfigError(f"{version.name}@{version.version} has {version.faults} faults, and production takes none: "
                              "see them with dataset check, mend them and upload it again.")
        return after.copy_from(before, version, workers=workers, progress=progress)

    def compare(self, old: str, new: str, environment: str = "development") -> Difference:
        """Files that were added, removed or changed between two versions."""
        store = self.store(environment)
        return difference(store.version(old), store.version(new))

    def remove(self, reference: str, environment: str = "development") -> int:
        """Delete the version `NAME@VERSION` and the files that no other has; how many files. Raises `ConfigError`."""
        if "@" not in reference:
            raise ConfigError(f"Which version of {reference!r}? One at a time is deleted: NAME@VERSION.")
        store = self.store(environment)
        return store.remove(store.version(reference))
