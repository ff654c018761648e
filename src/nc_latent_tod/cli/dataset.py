"""Commands on datasets: `dataset export`, `check`, `import`, and those on versions of them in a store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.cli.console import Commands, JsonOption, ManifestOption, epilog, print_json, say
from nc_latent_tod.cli.views.transfer import transfer
from nc_latent_tod.errors import ConfigError

if TYPE_CHECKING:
    from nc_latent_tod.api.versions import Moved, Repository

app = typer.Typer(cls=Commands, no_args_is_help=True, help="Datasets as folders: export, check, import, keep versions.")

OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", show_default=False, help="A new folder.")]
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", show_default=False, help="A dataset's folder.")]
EnvironmentOption = Annotated[str, typer.Option("-e", "--environment", help="development, staging or production.")]
LocalOption = Annotated[Path, typer.Option("-l", "--local-path", metavar="FOLDER", show_default=False,
                                           help="The dataset's folder on this machine.")]
DatasetOption = Annotated[str, typer.Option("-d", "--dataset", metavar="NAME[@VERSION]", show_default=False,
                                            help="Without a version: the newest.")]
WorkersOption = Annotated[int, typer.Option("--max-workers", help="Files at a time.")]
SettingsOption = Annotated[Path | None, typer.Option("--settings", envvar="NC_LATENT_TOD_SETTINGS", show_default=False,
                                                     help="A JSON file: {\"staging\": {\"bucket\": ...}, ...}.")]


@app.callback()
def datasets() -> None:
    """Datasets as folders: export, check, import, keep versions."""


@app.command(epilog=epilog("nc-latent-tod dataset export --group-id quickstart --manifest quickstart/manifest --out chats",
                           "nc-latent-tod dataset export --corpus packaged:simulated --schema packaged:schema --out raw"))
def export(
    out: OutOption,
    group_id: Annotated[str | None, typer.Option("--group-id", show_default=False, help="The group whose labels to write.")]
    = None,
    corpus: Annotated[str | None, typer.Option("--corpus", show_default=False,
                                               help="Or a corpus, as data.eval_set_path_or_name: text without labels.")] = None,
    split: Annotated[str | None, typer.Option("--split", show_default=False, help="The corpus's split, or a range.")] = None,
    corpus_format: Annotated[str, typer.Option("--corpus-format", help="As data.format of a job file.")] = "auto",
    manifest: ManifestOption = "manifest",
    schema: Annotated[str | None, typer.Option("--schema", show_default=False, help="The services. Default: those of the "
                                                                                    "group's jobs; a corpus needs it.")] = None,
    name: Annotated[str, typer.Option("--name", help="The dataset's name. Default: the folder's.")] = "",
    format: Annotated[str, typer.Option("--format", help="csv, or db: SQLite.")] = "csv",
    as_json: JsonOption = False,
) -> None:
    """Write a dataset folder from a group's labels, or from a corpus."""
    from nc_latent_tod.api.dataset import export_corpus, export_group

    if (group_id is None) == (corpus is None):
        raise ConfigError("Export labels or a corpus: name --group-id or --corpus, one of them.")
    if corpus is not None:
        if schema is None:
            raise ConfigError("Which services? Name the schema of the corpus with --schema.")
        done = export_corpus(corpus, schema=schema, out=out, split=split, corpus_format=corpus_format, name=name, format=format)
    else:
        done = export_group(str(group_id), out=out, manifest=manifest, schema=schema, name=name, format=format)
    if as_json:
        print_json({"path": str(done.path), "name": done.name, "turns": done.turns, "dialogues": done.dialogues})
    else:
        say(f"{done.path}: the dataset {done.name}, {done.turns} turns of {done.dialogues} dialogues.")


@app.command(epilog=epilog("nc-latent-tod dataset check chats"))
def check(
    folder: FolderArgument,
    name: Annotated[str, typer.Option("--name", help="What the dataset has to be called.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Find every fault of a dataset in one pass; exit code 2 where there is one."""
    from nc_latent_tod.api.dataset import check_dataset

    checked = check_dataset(folder, name=name)
    if as_json:
        print_json({"rows": len(checked.rows), "splits": len(checked.splits),
                    "faults": [{"where": fault.where, "what": fault.what} for fault in checked.faults]})
    else:
        for fault in checked.faults:
            say(str(fault))
        say(f"{folder}: {len(checked.rows)} examples, {len(checked.faults) or 'no'} "
                   f"fault{'' if len(checked.faults) == 1 else 's'}.")
    if checked.faults:
        raise typer.Exit(2)


@app.command("import", epilog=epilog("nc-latent-tod dataset import chats --out corpus"))
def import_(folder: FolderArgument, out: OutOption, as_json: JsonOption = False) -> None:
    """Make a dataset a corpus for jobs: logs, schema, and labels as gold."""
    from nc_latent_tod.api.dataset import import_dataset

    done = import_dataset(folder, out=out)
    if as_json:
        print_json({"corpus": str(done.corpus), "schema": str(done.schema),
                    "labels": str(done.labels) if done.labels else None, "dialogues": done.dialogues, "turns": done.turns})
    else:
        say(f"{done.turns} turns of {done.dialogues} dialogues. In a job file: eval_set_path_or_name {done.corpus}, "
                   f"schema_path {done.schema}" + (f"; evaluate --gold {done.labels}." if done.labels else "."))


@app.command(epilog=epilog("nc-latent-tod dataset upload -e staging -l chats"))
def upload(
    local: LocalOption,
    environment: EnvironmentOption = "development",
    name: Annotated[str, typer.Option("-d", "--dataset", help="What it has to be called. Default: as its schema.json says.")]
    = "",
    workers: WorkersOption = 8,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Upload a dataset as a version: what is there already is not sent, and an upload that was stopped goes on."""
    with transfer("upload") as progress:
        moved = _repository(settings).upload(local, environment, name=name, workers=workers, progress=progress)
    _tell(moved, f"{environment}, {moved.version.faults} faults, sent", as_json)


@app.command(epilog=epilog("nc-latent-tod dataset download -e staging -d chats@1f0c -l here",
                           "nc-latent-tod dataset download -d chats -r files -l here"))
def download(
    reference: DatasetOption,
    local: LocalOption,
    environment: EnvironmentOption = "development",
    remote: Annotated[str, typer.Option("-r", "--remote-path", help="A file or folder of the dataset. Default: all.")] = "",
    workers: WorkersOption = 8,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a version of a dataset, every file with its sha256 checked. Nothing is written over."""
    with transfer("download") as progress:
        moved = _repository(settings).download(reference, local, environment, path=remote, workers=workers, progress=progress)
    _tell(moved, f"{local}, fetched", as_json)


@app.command(epilog=epilog("nc-latent-tod dataset promote chats@1f0c staging production"))
def promote(
    reference: Annotated[str, typer.Argument(metavar="NAME[@VERSION]", show_default=False)],
    source: Annotated[str, typer.Argument(metavar="FROM", show_default=False)],
    target: Annotated[str, typer.Argument(metavar="TO", show_default=False)],
    workers: WorkersOption = 8,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy a version between environments, on the server. Production takes only what has no fault."""
    with transfer("promote") as progress:
        moved = _repository(settings).promote(reference, source, target, workers=workers, progress=progress)
    _tell(moved, f"{source} -> {target}, copied", as_json)


@app.command(epilog=epilog("nc-latent-tod dataset ls -e staging"))
def ls(environment: EnvironmentOption = "development", settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """List the datasets of an environment."""
    names = _repository(settings).store(environment).datasets()
    if as_json:
        print_json(names)
    else:
        say("\n".join(names) or f"No dataset is in {environment}.")


@app.command(epilog=epilog("nc-latent-tod dataset versions chats -e staging"))
def versions(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    environment: EnvironmentOption = "development",
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the versions of a dataset, the oldest first."""
    found = _repository(settings).store(environment).versions(name)
    if as_json:
        print_json([{"version": one.version, "uploaded_at": one.uploaded_at, "files": len(one.files), "bytes": one.size,
                     "faults": one.faults} for one in found])
    else:
        for one in found:
            say(f"{one.version}  {one.uploaded_at[:19]}  {len(one.files)} files  {one.size} bytes  {one.faults} faults")


@app.command(epilog=epilog("nc-latent-tod dataset diff chats@1f0c chats@9b1e"))
def diff(
    old: Annotated[str, typer.Argument(metavar="NAME@VERSION", show_default=False)],
    new: Annotated[str, typer.Argument(metavar="NAME@VERSION", show_default=False)],
    environment: EnvironmentOption = "development",
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say which files differ between two versions."""
    found = _repository(settings).compare(old, new, environment)
    if as_json:
        print_json({"added": found.added, "removed": found.removed, "changed": found.changed})
    else:
        lines = [f"{sign} {path}" for sign, paths in (("+", found.added), ("-", found.removed), ("~", found.changed))
                 for path in paths]
        say("\n".join(lines) or "The same files.")


@app.command(epilog=epilog("nc-latent-tod dataset rm chats@1f0c -e staging"))
def rm(
    reference: Annotated[str, typer.Argument(metavar="NAME@VERSION", show_default=False)],
    environment: EnvironmentOption = "development",
    settings: SettingsOption = None,
) -> None:
    """Delete a version, and the files that no other version has. Not while the dataset is uploaded."""
    count = _repository(settings).remove(reference, environment)
    say(f"{environment}: {reference} is deleted, {count} files with it.")


def _repository(settings: Path | None) -> Repository:
    from nc_latent_tod.api.versions import Repository

    return Repository(os.environ, settings)


def _tell(moved: Moved, done: str, as_json: bool) -> None:
    version = moved.version
    if as_json:
        print_json({"name": version.name, "version": version.version, "faults": version.faults, "files": moved.sent,
                    "bytes": moved.bytes})
    else:
        say(f"{version.name}@{version.version}: {done} {len(moved.sent)} of {len(version.files)} files, "
                   f"{moved.bytes} bytes.")
