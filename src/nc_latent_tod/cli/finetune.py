"""The command `finetune`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nc_latent_tod.cli.console import JsonOption, epilog, print_json, standard_error, standard_output

if TYPE_CHECKING:
    from nc_latent_tod.api.finetune import Finetuned
    from nc_latent_tod.config.finetune import Finetune

app = typer.Typer()


@app.command(epilog=epilog("nc-latent-tod finetune finetune.json --out finetuned",
                           "accelerate launch -m nc_latent_tod finetune finetune.json --out finetuned"))
def finetune(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.json", show_default=False, help="The run: data, model, mixture.")],
    out: Annotated[Path, typer.Option("--out", show_default=False, help="The run's folder; a run found there goes on.")],
    dataset: Annotated[str | None, typer.Option("--dataset", show_default=False,
                                                help="Take this dataset in place of data.dataset.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Fine-tune a labeller (and an agent) on a published dataset: several prompt modes at once, LoRA or all weights.

    Stop it and it can go on. The figures are in MLflow: `mlflow ui --backend-store-uri sqlite:///OUT/mlflow.db`.
    """
    from nc_latent_tod.cli.stop import orderly_stop
    from nc_latent_tod.cli.views.progress import LiveProgress
    from nc_latent_tod.errors import require_extra

    chosen = read_config(config, dataset)
    require_extra("finetune", "train", *(("mlflow",) if chosen.tracking.enabled else ()), *(("peft",) if chosen.lora else ()))
    with orderly_stop() as stop, LiveProgress(standard_error()) as progress:
        from nc_latent_tod.api.finetune import finetune as run

        done = run(chosen, out, report=progress.training, should_stop=stop.is_asked_for)
    if as_json:
        print_json(asdict(done))
    else:
        from nc_latent_tod.cli.views.tables import pairs

        standard_output().print(pairs(rows_of(done)))


def read_config(path: Path, dataset: str | None = None) -> Finetune:
    """Read a configuration file; `dataset` takes the place of its `data.dataset`. Raises `ConfigError`."""
    from nc_latent_tod.config.finetune import parse_finetune
    from nc_latent_tod.config.reading import decode
    from nc_latent_tod.errors import ConfigError

    try:
        decoded = decode(path.read_bytes(), str(path), "fine-tuning run")
    except OSError as error:
        raise ConfigError(f"{path}: the configuration cannot be read: {error.strerror}.") from error
    if dataset is not None and isinstance(decoded, dict):
        decoded = {**decoded, "data": {**decoded.get("data", {}), "dataset": dataset}}
    return parse_finetune(decoded, str(path))


def rows_of(done: Finetuned) -> list[tuple[str, str]]:
    """What a run left, for a table of names and values."""
    loss = "nothing was held out" if done.heldout_loss is None else f"{done.heldout_loss:.4f} nats a target token, held out"
    name = "dst.model.adapter" if done.is_adapter else "dst.model.model_name_or_path"
    return [("labels", ", ".join(f"{count} {task}" for task, count in done.labels.items())),
            ("steps", f"{done.steps}{', stopped early' if done.stopped_early else ''}"), ("loss", loss),
            ("checkpoint", done.checkpoint), ("in a job", f'{name} = "{done.checkpoint}", the same for act_tag')]
