"""A labeller fine-tuned on published labels: several prompt modes at once, the loss on what a model is asked for alone.

The method's second half (King & Flanigan 2024, section 4.5): both directions of the noisy channel and the agent's prompts are
learnt from labels that the model made itself. Prompts are those of labelling.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainingArguments
from transformers.utils import logging as transformers_logging

from nc_latent_tod.config.finetune import Finetune
from nc_latent_tod.errors import ConfigError, InterruptedJobError, ModelError
from nc_latent_tod.lm.tokenising import TextTokens
from nc_latent_tod.training.finetune.callbacks import Patience, Report, Tracking, Watch
from nc_latent_tod.training.finetune.material import Material, Packs, collate, gather
from nc_latent_tod.training.finetune.model import load_base
from nc_latent_tod.training.finetune.state import Finetuned, RunFolder, fingerprint_of, identity_of
from nc_latent_tod.training.mixture import Packer, Part


def finetune(config: Finetune, out: Path, *, report: Report = lambda row: None,
             should_stop: Callable[[], bool] = lambda: False) -> Finetuned:
    """Train to the end and return what was left; a finished run is returned as it is, one that was stopped goes on.

    Under `accelerate launch` every process calls this. Raises `ConfigError` (a folder of another run, too few labels, packs
    that the model cannot hold), `ModelError` (a model that cannot be loaded, a loss that is not a number: the last good
    checkpoint is kept), `InterruptedJobError` once `should_stop()`.
    """
    folder, identity = RunFolder(out), identity_of(config)
    out.mkdir(parents=True, exist_ok=True)
    material = gather(config)
    folder.claim({**identity, "digest": material.digest})
    if folder.finished:
        return folder.finished
    model, tokenizer = load_base(config)
    folder.check_tokenizer(tokenizer)
    watch = Watch(report, should_stop, _packs_a_step(config) * config.training.length)
    trainer = _trainer(config, material, model, tokenizer, folder, watch)
    trainer.train(resume_from_checkpoint=folder.last_good())
    if watch.stopped:
        raise InterruptedJobError(f"{out}: stopped after {trainer.state.global_step} of {config.training.steps} steps.")
    best = trainer.state.best_metric
    record = Finetuned(
        checkpoint=str(folder.checkpoint), is_adapter=config.lora is not None, base=config.model.model_name_or_path,
        dataset=config.data.dataset, steps=trainer.state.global_step, heldout_loss=best, labels=material.counts,
        stopped_early=trainer.state.global_step < config.training.steps, digest=material.digest,
        fingerprint=fingerprint_of(identity))
    if trainer.is_world_process_zero():
        folder.finish(trainer.accelerator.unwrap_model(trainer.model), tokenizer, record)
    trainer.accelerator.wait_for_everyone()
    return record


class _Trainer(Trainer):
    """Stops at a loss that is not a number, before it reaches the weights that are stored."""

    watch: Watch
    last_good: Callable[[], str | None]

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        loss = super().training_step(*args, **kwargs)
        value = float(loss)  # divided by what all passes of the step hold
        self.watch.saw(value)
        if not math.isfinite(value):
            self._give_up("loss", value)
        return loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        metrics = super().evaluate(*args, **kwargs)
        if not math.isfinite(metrics["eval_loss"]):
            self._give_up("held-out loss", metrics["eval_loss"])
        return metrics

    def _give_up(self, what: str, value: float) -> None:
        kept = self.last_good()
        raise ModelError(f"The {what} is {value} at step {self.state.global_step}: the run was stopped. "
                         f"{f'The last good checkpoint is {kept}' if kept else 'There was no checkpoint yet'}. Lower "
                         "training.learning_rate, or set training.precision to float32.")


def _trainer(config: Finetune, material: Material, model: Any, tokenizer: Any, folder: RunFolder, watch: Watch) -> Trainer:
    transformers_logging.set_verbosity_error()
    training, text = config.training, TextTokens(tokenizer)
    known: dict[str, list[int]] = {}

    def encode(piece: str) -> list[int]:
        if piece not in known:
            known[piece] = text.encode(piece)
        return known[piece]

    calls = None if config.prompts.k_examples is None else config.prompts.k_examples + 1
    packer = Packer(material.tasks, [Part(p.task, p.order, p.weight) for p in config.mixture], encode, calls=calls)
    _check_room(packer, config)

    def packs(sources: Any, count: int, name: str) -> Packs:
        return Packs(packer, sources, packs=count, length=training.length, seed=f"{config.seed}/{name}", leading=text.leading)

    heldout = all(material.heldout.get(part.task) for part in config.mixture)
    trainer = _Trainer(
        model, _arguments(config, folder, watch, is_evaluated=heldout), data_collator=collate,
        train_dataset=packs(material.train, training.steps * _packs_a_step(config), "train"),
        eval_dataset=packs([(1.0, material.heldout)], training.heldout_packs, "heldout") if heldout else None,
        callbacks=[watch, *([Patience(training.patience)] if heldout else []),
                   *([Tracking(config.tracking, folder.folder, _parameters(config, material))]
                     if config.tracking.enabled else [])])
    trainer.watch, trainer.last_good = watch, folder.last_good
    trainer.remove_callback(PrinterCallback)  # its lines would tear the progress
    return trainer


def _arguments(config: Finetune, folder: RunFolder, watch: Watch, *, is_evaluated: bool) -> TrainingArguments:
    training, has_gpu = config.training, torch.cuda.is_available()
    is_half = training.precision == "bfloat16" or (training.precision == "auto" and has_gpu and torch.cuda.is_bf16_supported())
    return TrainingArguments(
        output_dir=str(folder.checkpoints), max_steps=training.steps, per_device_train_batch_size=training.rows,
        per_device_eval_batch_size=training.rows, gradient_accumulation_steps=training.gradient_accumulation,
        learning_rate=training.learning_rate, lr_scheduler_type="cosine", warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay, bf16=is_half, use_cpu=not has_gpu, seed=config.seed, data_seed=config.seed,
        logging_steps=max(1, min(10, training.evaluate_every)), logging_nan_inf_filter=False, disable_tqdm=True, report_to=[],
        eval_strategy="steps" if is_evaluated else "no", eval_steps=training.evaluate_every, save_strategy="steps",
        save_steps=training.evaluate_every, save_total_limit=training.checkpoints, load_best_model_at_end=is_evaluated,
        metric_for_best_model="eval_loss" if is_evaluated else None, greater_is_better=False if is_evaluated else None,
        remove_unused_columns=False, dataloader_pin_memory=has_gpu, prediction_loss_only=True,
        train_sampling_strategy="sequential", ddp_find_unused_parameters=False)


def _packs_a_step(config: Finetune) -> int:
    from accelerate import PartialState

    return config.training.rows * config.training.gradient_accumulation * PartialState().num_processes


def _check_room(packer: Packer, config: Finetune) -> None:
    """Raise `ConfigError` where the preamble alone fills a pack."""
    for name, task in packer.tasks.items():
        if (tokens := len(packer.encode(task.preamble))) >= config.training.length // 2:
            raise ConfigError(f"The preamble of {name} has {tokens} tokens and a pack holds training.length = "
                              f"{config.training.length}: raise training.length to {4 * tokens} or so, or set prompts.preamble "
                              "to signatures or none (in the jobs that use the model too).")


def _parameters(config: Finetune, material: Material) -> dict[str, Any]:
    return {"model": config.model.model_name_or_path, "dataset": config.data.dataset, "seed": config.seed,
            "lora": config.lora and config.lora.r, "labels": material.counts, **config.training.model_dump(),
            **{f"weight.{part.task}.{part.order}": part.weight for part in config.mixture}}
