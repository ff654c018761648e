"""A model and its tokenizer from a folder or from the Hub, with one clear error for each way that this goes wrong."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils import is_flash_attn_2_available
from transformers.utils import logging as transformers_logging

from nc_latent_tod.errors import ConfigError, ModelError, nearest, require_extra
from nc_latent_tod.lm.huggingface.loading_errors import explained

logger = logging.getLogger(__name__)

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16, "auto": "auto"}


def load_parts(name_or_path: str, *, dtype: str, device_map: Any, attn_implementation: str | None, load_in_8bit: bool,
               load_in_4bit: bool, adapter: str | None) -> tuple[Any, Any]:
    """Load (model, tokenizer). See `huggingface.load` for the options and what is raised."""
    transformers_logging.disable_progress_bar()  # it would tear the display of a job's own progress
    options = _model_options(dtype, device_map, attn_implementation, load_in_8bit, load_in_4bit)
    if adapter is not None:
        require("peft", f"the adapter {adapter!r}")
    source, is_local = locate(name_or_path)
    with explained(name_or_path, "configuration"):
        config = AutoConfig.from_pretrained(source, local_files_only=is_local, trust_remote_code=False)
    with explained(name_or_path, "tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=is_local, trust_remote_code=False)
    with explained(name_or_path, "weights"):
        loaded: Any = AutoModelForCausalLM.from_pretrained(source, config=config, local_files_only=is_local,
                                                           output_loading_info=True, trust_remote_code=False,
                                                           use_safetensors=True, **options)
    model, report = loaded
    _refuse_untrained(name_or_path, report)
    if adapter is not None:
        model = _with_adapter(model, adapter, may_merge=not (load_in_8bit or load_in_4bit))
    logger.info("%s: loaded %s parameters as %s on %s", name_or_path, f"{model.num_parameters():,}", model.dtype,
                model.device)
    return model, tokenizer


def locate(name_or_path: str) -> tuple[str, bool]:
    """The folder or Hub id to load, and whether it is a folder. Raises `ModelError` for a path that is not there."""
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ModelError(f"the model folder {name_or_path!r} has no config.json. Give the folder that save_pretrained "
                             "wrote.")
        return str(path), True
    if path.is_file():
        raise ModelError(f"the model {name_or_path!r} is a file. Give the folder that save_pretrained wrote, with "
                         "config.json; what another program runs, such as a GGUF file, is used with model_type 'openai'.")
    if name_or_path.startswith((".", "/", "~")) or name_or_path.count("/") > 1 or "\\" in name_or_path:
        raise ModelError(f"the model folder {name_or_path!r} does not exist (looked for {path.absolute()}). Check the path, "
                         "or give a Hub id such as 'bigcode/starcoder'.")
    return name_or_path, False


def require(package: str, purpose: str) -> None:
    """Raise `ModelError` with the pip command where an optional package is not installed."""
    if importlib.util.find_spec(package) is None:
        raise ModelError(f"{purpose} needs the package {package}, which is not installed. Run: pip install {package}")


def _model_options(dtype: str, device_map: Any, attn_implementation: str | None, load_in_8bit: bool,
                   load_in_4bit: bool) -> dict[str, Any]:
    if dtype not in _DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not known.{nearest(dtype, _DTYPES)} Valid: {', '.join(_DTYPES)}.")
    if load_in_8bit and load_in_4bit:
        raise ConfigError("load_in_8bit and load_in_4bit are both set. Set one of them.")
    if str(device_map).startswith("cuda") and not torch.cuda.is_available():
        raise ModelError(f"device_map {device_map!r}: torch {torch.__version__} finds no CUDA GPU here. Leave device_map out "
                         "to use what there is, or say 'cpu'.")
    options: dict[str, Any] = {"dtype": _DTYPES[dtype], "device_map": device_map}
    if device_map is None and torch.cuda.is_available():
        options["device_map"] = {"": 0}
    if attn_implementation is not None:
        options["attn_implementation"] = _attention(attn_implementation, dtype)
    if load_in_8bit or load_in_4bit:
        require("bitsandbytes", "loading in 8 or 4 bits")
        options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=load_in_8bit, load_in_4bit=load_in_4bit)
    return options


def _attention(wanted: str, dtype: str) -> str:
    known = ["eager", *ALL_ATTENTION_FUNCTIONS.valid_keys()]
    if wanted not in known:
        raise ConfigError(f"attn_implementation {wanted!r} is not known.{nearest(wanted, known)} Valid: {', '.join(known)}.")
    if wanted != "flash_attention_2":
        return wanted
    if not is_flash_attn_2_available():
        reason = "flash-attn and a GPU that it supports are not both here"
    elif dtype == "float32":
        reason = "it computes in half precision only, and dtype is float32"
    else:
        return wanted
    logger.warning("attn_implementation 'flash_attention_2' is not possible: %s. Using 'sdpa' instead: the same results, "
                   "slower", reason)
    return "sdpa"


def _refuse_untrained(name_or_path: str, report: dict[str, Any]) -> None:
    """A tensor that the files lack would be filled with random numbers, and its labels would look like labels."""
    untrained = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if untrained:
        raise ModelError(f"the weights of {name_or_path!r} do not fit its config.json: {len(untrained)} tensors are missing "
                         f"or of another shape, such as {untrained[0]}. Save or download the model again.")


def _with_adapter(model: Any, adapter: str, *, may_merge: bool) -> Any:
    require_extra("an adapter (model.adapter)", "train", "peft")
    from peft import PeftModel

    source, is_local = locate_adapter(adapter)
    with explained(adapter, "adapter"):
        adapted = PeftModel.from_pretrained(model, source, local_files_only=is_local)
    return adapted.merge_and_unload() if may_merge else adapted  # merged weights cost nothing a token


def locate_adapter(adapter: str) -> tuple[str, bool]:
    """Like `locate`, for a folder that holds adapter_config.json."""
    path = Path(adapter).expanduser()
    if path.is_dir() and not (path / "adapter_config.json").is_file():
        raise ModelError(f"the adapter folder {adapter!r} has no adapter_config.json. Give the folder that peft wrote.")
    return (str(path), True) if path.is_dir() else locate(adapter)
