"""The model that is fine-tuned: loaded, checked against its tokenizer, with a LoRA adapter where one is asked for."""

from __future__ import annotations

from importlib import resources
from typing import Any

import torch
from accelerate import PartialState
from transformers import set_seed

from nc_latent_tod.config.finetune import Finetune, LoraSection
from nc_latent_tod.corpus.schemas import PACKAGED
from nc_latent_tod.errors import ConfigError, ModelError
from nc_latent_tod.lm.huggingface.loading import load_parts

PACKAGED_MODEL = f"{PACKAGED}tiny-starcoder"


def load_base(config: Finetune) -> tuple[Any, Any]:
    """Load (model, tokenizer), on this process's device. Raises `ModelError`, or `ConfigError` where packs are too long."""
    section, name = config.model, config.model.model_name_or_path
    source = str(resources.files("nc_latent_tod") / "data" / "tiny-starcoder") if name == PACKAGED_MODEL else name
    has_gpu = torch.cuda.is_available()
    dtype = section.torch_dtype
    if dtype == "auto":
        dtype = "bfloat16" if config.lora and has_gpu and torch.cuda.is_bf16_supported() else "float32"
    device = {"": PartialState().local_process_index} if has_gpu else None
    model, tokenizer = load_parts(source, dtype=dtype, device_map=device, attn_implementation=section.attn_implementation,
                                  load_in_8bit=False, load_in_4bit=False, adapter=None)
    _check(model, tokenizer, config)
    if section.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    if not config.lora:
        return model, tokenizer
    set_seed(config.seed)  # an adapter begins with random weights
    return _with_lora(model, config.lora), tokenizer


def _check(model: Any, tokenizer: Any, config: Finetune) -> None:
    name, rows = config.model.model_name_or_path, model.get_input_embeddings().num_embeddings
    largest = max(tokenizer.get_vocab().values())
    if largest >= rows:
        raise ModelError(f"{name!r}: the tokenizer has tokens up to number {largest}, the model knows {rows}: they are not of "
                         "the same checkpoint. Take model and tokenizer from one place.")
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if positions and config.training.length > positions:
        raise ConfigError(f"training.length is {config.training.length} tokens, but {name!r} holds {positions}: lower it.")


def _with_lora(model: Any, section: LoraSection) -> Any:
    from peft import LoraConfig, TaskType, get_peft_model

    def wrap(targets: Any) -> Any:
        return get_peft_model(model, LoraConfig(task_type=TaskType.CAUSAL_LM, r=section.r, lora_alpha=section.alpha,
                                                lora_dropout=section.dropout, target_modules=targets))

    try:
        if section.target_modules:
            return wrap(list(section.target_modules))
        return wrap(None) if _is_known(model) else wrap("all-linear")
    except ValueError as error:
        raise ConfigError(f"lora.target_modules: {error}") from error


def _is_known(model: Any) -> bool:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    return model.config.model_type in KNOWN
