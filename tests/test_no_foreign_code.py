"""A model's own code is never run, and pickled weights are never read, whoever made the folder."""

import ast
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from nc_latent_tod.api.models import packaged_model
from nc_latent_tod.errors import ModelError
from nc_latent_tod.lm.huggingface.model import load
from nc_latent_tod.retrieval.encoder import SentenceEncoder

SOURCE = Path(__file__).resolve().parents[1] / "src" / "nc_latent_tod"
READERS = {"AutoConfig", "AutoTokenizer", "AutoModel", "AutoModelForCausalLM"}
EVIL = "import pathlib\npathlib.Path({mark!r}).write_text('run')\nclass Evil: pass\n"


def loading_calls() -> list[tuple[str, str, dict[str, str]]]:
    """(where, what loads, keywords) of every call that loads a model, a tokenizer, an encoder or a dataset by name."""
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if name.removesuffix(".from_pretrained") in READERS or name in {"SentenceTransformer", "CrossEncoder"}:
                    keywords = {word.arg or "**": ast.unparse(word.value) for word in node.keywords}
                    found.append((f"{path.relative_to(SOURCE)}:{node.lineno}", name, keywords))
    return found


def test_every_call_that_loads_says_that_no_code_is_trusted() -> None:
    calls = loading_calls()

    assert len(calls) >= 8
    assert [where for where, _, keywords in calls if keywords.get("trust_remote_code") != "False"] == []
    weights = [(where, keywords) for where, name, keywords in calls if name.startswith("AutoModel")]
    assert weights and [where for where, keywords in weights if keywords.get("use_safetensors") != "True"] == []


def with_own_code(folder: Path, mark: Path) -> Path:
    """A model folder that asks transformers to run its code for everything."""
    config = json.loads((folder / "config.json").read_text())
    config.update(model_type="evil", auto_map=dict.fromkeys(READERS, "evil.Evil"))
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(EVIL.format(mark=str(mark)))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(packaged_model("tiny-starcoder"), tmp_path / "model"))


def test_a_model_that_needs_its_own_code_is_refused_with_a_line(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with_own_code(folder, mark)

    with pytest.raises(ModelError, match="needs code of its own, which is never run here"):
        load(str(folder))
    with pytest.raises(ModelError):
        SentenceEncoder(str(folder))

    assert not mark.exists()


def test_nobody_is_asked_on_a_terminal_whether_to_run_it(folder: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = f"from nc_latent_tod.lm.huggingface.model import load\nload({str(with_own_code(folder, mark))!r})"

    done = subprocess.run([sys.executable, "-c", code], input="y\ny\n", capture_output=True, text=True, timeout=120)

    assert done.returncode != 0 and "[y/N]" not in done.stdout + done.stderr and not mark.exists()


def test_pickled_weights_are_refused_with_a_line(folder: Path) -> None:
    from safetensors.torch import load_file

    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()

    with pytest.raises(ModelError, match="Pickled weights are not read"):
        load(str(folder))
