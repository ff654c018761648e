"""Commands on datasets: `dataset export`, `check`, `import`, and those on versions of them in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nc_latent_tod.cli.console import Commands, JsonOption, ManifestOption, epilog, print_json
from nc_latent_tod.errors import ConfigError

app = typer.Typer(cls=Commands, no_args_is_help=True, help="Datasets as folders: export, check, import, keep versions.")

OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", show_default=False, help="A new folder.")]
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", show_default=False, help="A dataset's folder.")]


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
        typer.echo(f"{done.path}: the dataset {done.name}, {done.turns} turns of {done.dialogues} dialogues.")


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
            typer.echo(str(fault))
        typer.echo(f"{folder}: {len(checked.rows)} examples, {len(checked.faults) or 'no'} "
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
        typer.echo(f"{done.turns} turns of {done.dialogues} dialogues. In a job file: eval_set_path_or_name {done.corpus}, "
                   f"schema_path {done.schema}" + (f"; evaluate --gold {done.labels}." if done.labels else "."))
