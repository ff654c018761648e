"""Models from folders and Hub ids, and one clear error for each way that loading goes wrong."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import tiny_model, tiny_tokenizer

from nc_latent_tod.errors import ConfigError, ModelError
from nc_latent_tod.lm import Sampling
from nc_latent_tod.lm.huggingface.model import HuggingFaceLM, load

TRY_TO_LOAD = """
import sys
from nc_latent_tod.errors import ModelError
from nc_latent_tod.lm.huggingface.model import load
for name in sys.argv[1:]:
    try:
        load(name)
    except ModelError as error:
        print(f"{name}: {error}")
"""


@pytest.fixture()
def folder(tmp_path: Path) -> Path:
    tokenizer = tiny_tokenizer()
    tiny_model("bigcode", len(tokenizer)).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_loaded_model_is_the_saved_one_and_touches_no_network(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: asked.append(args))
    loaded = load(str(folder))
    tokenizer = tiny_tokenizer()
    saved = HuggingFaceLM(tiny_model("bigcode", len(tokenizer)), tokenizer)
    [[a, b]], [[c, d]] = (lm.sample(["x"], Sampling(n=2), [1]) for lm in (loaded, saved))
    assert (a.text, b.text) == (c.text, d.text)
    assert a.logprob == pytest.approx(c.logprob, abs=1e-3)
    assert loaded.fingerprint == saved.fingerprint
    assert loaded.max_length == 512
    assert asked == []


def test_the_fingerprint_changes_with_weights_and_with_tokenizer() -> None:
    model, tokenizer = tiny_model("bigcode", len(tiny_tokenizer())), tiny_tokenizer()
    prints = {HuggingFaceLM(model, tokenizer).fingerprint}
    with torch.no_grad():
        model.transformer.h[1].mlp.c_fc.weight[-1, -1] += 1e-3
    prints.add(HuggingFaceLM(model, tokenizer).fingerprint)
    tokenizer.add_tokens(["new"])
    prints.add(HuggingFaceLM(model, tokenizer).fingerprint)
    assert len(prints) == 3


def test_the_fingerprint_does_not_change_with_use() -> None:
    model, tokenizer = tiny_model("bigcode", len(tiny_tokenizer())), tiny_tokenizer()
    lm = HuggingFaceLM(model, tokenizer)
    lm.sample(["x"], Sampling(), [1])
    assert HuggingFaceLM(model, tokenizer).fingerprint == lm.fingerprint


@pytest.mark.parametrize(("dtype", "expected"), [("bfloat16", torch.bfloat16), ("auto", torch.float32)])
def test_weights_are_loaded_in_the_given_precision(folder: Path, dtype: str, expected: torch.dtype) -> None:
    lm = load(str(folder), dtype=dtype)
    assert lm._cached._model.dtype == expected
    [[completion]] = lm.sample(["x"], Sampling(max_new_tokens=4), [1])
    assert completion.logprob < 0


def test_flash_attention_that_is_not_there_is_one_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "nc_latent_tod"):
        lm = load(str(folder), attn_implementation="flash_attention_2")  # float32: impossible on any machine
    assert lm._cached._model.config._attn_implementation == "sdpa"
    assert ["flash_attention_2" in record.message for record in caplog.records if record.name.startswith("nc_")] == [True]


@pytest.mark.parametrize(("options", "told"), [
    ({"dtype": "float23"}, "Did you mean 'float32'"),
    ({"attn_implementation": "sdpb"}, "Did you mean 'sdpa'"),
    ({"load_in_8bit": True, "load_in_4bit": True}, "Set one of them"),
])
def test_options_that_cannot_be_are_refused(folder: Path, options: dict, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load(str(folder), **options)


@pytest.mark.parametrize(("package", "options"), [("peft", {"adapter": "somewhere"}),
                                                  ("bitsandbytes", {"load_in_8bit": True})])
def test_a_missing_optional_package_is_named_with_its_command(folder: Path, package: str, options: dict) -> None:
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed here")
    with pytest.raises(ModelError, match=f"pip install {package}"):
        load(str(folder), **options)


@pytest.mark.parametrize("missing", ["/no/such/model", "../no_such", "a/b/c", "~/no_such"])
def test_a_missing_folder_is_told_as_such(missing: str) -> None:
    with pytest.raises(ModelError, match="does not exist .*Hub id"):
        load(missing)


def test_a_file_is_no_model_and_what_is_meant_by_it_is_said(folder: Path) -> None:
    with pytest.raises(ModelError, match="is a file. Give the folder .* GGUF"):
        load(str(folder / "model.safetensors"))


@pytest.mark.parametrize(("name", "content", "told"), [
    ("config.json", None, "no config.json"),
    ("config.json", b"{", "configuration .* cannot be read"),
    ("config.json", b'{"model_type": "t5"}', "Unrecognized configuration class"),
    ("tokenizer.json", None, "no tokenizer that can be read .*save_pretrained"),
    ("model.safetensors", None, "weights .* cannot be read"),
    ("model.safetensors", b"\x00" * 100, "weights .* cannot be read"),
])
def test_a_damaged_folder_is_told_by_its_part(folder: Path, name: str, content: bytes | None, told: str) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(ModelError, match=told):
        load(str(folder))


def test_a_tensor_that_the_files_lack_is_never_filled_with_random_numbers(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["transformer.h.1.attn.c_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="1 tensors are missing .*h.1.attn.c_proj.weight"):
        load(str(folder))


class Hub(BaseHTTPRequestHandler):
    """Answers like the Hub for a gated, an unknown and a failing repository."""

    def do_HEAD(self) -> None:
        status, code = {"gated": (403, "GatedRepo"), "unknown": (404, "RepoNotFound")}[self.path.split("/")[1]]
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *args: object) -> None: ...


@pytest.fixture()
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def errors_of_loading(names: list[str], home: Path, **environment: str) -> list[str]:
    """Load in a process of its own: the Hub's client reads its environment once."""
    env = {**os.environ, "HF_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path), **environment}
    found = subprocess.run([sys.executable, "-c", TRY_TO_LOAD, *names], env=env, capture_output=True, text=True, check=True)
    return found.stdout.splitlines()


def test_gated_and_unknown_repositories_are_told_with_what_to_do(hub: str, tmp_path: Path) -> None:
    gated, unknown = errors_of_loading(["gated/model", "unknown/model"], tmp_path, HF_ENDPOINT=hub, HF_HUB_OFFLINE="0")
    assert "is gated on the Hub. Accept its terms" in gated
    assert "hf auth login" in gated
    assert "there is no model 'unknown/model' on the Hub, or it is private" in unknown


def test_a_hub_id_without_a_network_is_told_with_what_to_do(tmp_path: Path) -> None:
    [told] = errors_of_loading(["bigcode/starcoder"], tmp_path, HF_HUB_OFFLINE="1")
    assert "'bigcode/starcoder' is not in the local cache, and the Hub cannot be reached" in told


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU that the test says is missing")
def test_a_gpu_that_is_not_there_is_named_before_anything_is_loaded() -> None:
    with pytest.raises(ModelError, match="device_map 'cuda:0': torch .* finds no CUDA GPU here. Leave device_map out"):
        load("absent", device_map="cuda:0")
