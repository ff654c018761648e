"""Where the datasets of development, staging and production are: a settings file, environment variables, or both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nc_latent_tod.config.reading import read_section
from nc_latent_tod.config.section import Section
from nc_latent_tod.errors import ConfigError, nearest

ENVIRONMENTS = ("development", "staging", "production")
FOLDER = "NC_LATENT_TOD_DEVELOPMENT_FOLDER"
DEFAULT_FOLDER = "datasets"


class Development(Section):
    """On this machine, or a folder that several mount."""

    folder: str | None = None


class Shared(Section):
    """In S3. Credentials and endpoint come from the chain that every AWS tool uses (`AWS_ENDPOINT_URL`)."""

    bucket: str | None = None


class Environments(Section):
    """A settings file."""

    development: Development = Development()
    staging: Shared = Shared()
    production: Shared = Shared()


def bucket_variable(environment: str) -> str:
    """The variable that names an environment's bucket; it comes before the settings file."""
    return f"NC_LATENT_TOD_{environment.upper()}_BUCKET"


def dataset_urls(wanted: Sequence[str], *, settings: str | bytes | None, source: str,
                 variables: Mapping[str, str]) -> list[str]:
    """Where the datasets of the `wanted` environments are. Raises `ConfigError` that names all that is missing or wrong."""
    for environment in wanted:
        if environment not in ENVIRONMENTS:
            raise ConfigError(f"No environment {environment!r}.{nearest(environment, ENVIRONMENTS)} There are: "
                              f"{', '.join(ENVIRONMENTS)}.")
    told = read_section(Environments, settings, source, "settings file") if settings is not None else Environments()
    buckets = {name: variables.get(bucket_variable(name)) or getattr(told, name).bucket for name in ENVIRONMENTS[1:]}
    if missing := [name for name in wanted if name in buckets and not buckets[name]]:
        raise ConfigError("No bucket is set:\n- " + "\n- ".join(
            f"{name}: set {bucket_variable(name)}, or {name}.bucket in the settings file" for name in missing))
    folder = variables.get(FOLDER) or told.development.folder or DEFAULT_FOLDER
    return [f"s3://{buckets[name]}/datasets" if name in buckets else folder for name in wanted]
