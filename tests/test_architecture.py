"""Imports point down only, the core is light, and text is never executed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "nc_latent_tod"

LAYERS = {
    0: {"__init__", "errors", "dialogue", "schema", "schema_spec", "labels", "job", "durable", "aws", "s3", "logs", "phases",
        "process_id"},
    1: {"corpus", "queues", "manifests", "retrieval", "lm", "simulate"},
    2: {"proposals", "grammar", "tasks", "prompts", "parsing", "printing", "normalise", "noisy_channel", "delexicalise",
        "diversity", "database", "metrics", "confidence"},
    3: {"labeller", "inference", "agent", "asking", "proposing", "evaluation"},
    4: {"pipeline", "progress", "seeding", "plan", "explain", "worker", "publish", "report", "training", "finetune",
        "agent_evaluation", "orphans", "migrate", "reuse"},
    5: {"cli", "build", "connect", "em", "quickstart", "own_logs", "experiments", "__main__"},
}
"""A module or package of `nc_latent_tod` has one layer. A new one is entered here."""

LAYER_OF = {unit: layer for layer, units in LAYERS.items() for unit in units}
WORLD = {"os", "io", "pathlib", "shutil", "socket", "subprocess", "tempfile", "urllib", "fsspec", "torch"}
ONLY_BUILD_IMPORTS = {"lm.huggingface", "retrieval.dense", "retrieval.encoder", "queues.sqs", "manifests.dynamo"}
_MODELS = {"lm", "retrieval", "training", "finetune"}
MAY_IMPORT = {"torch": _MODELS, "transformers": _MODELS,
              "faiss": {"retrieval"}, "prometheus_client": {"cli"}, "boto3": {"aws"}, "botocore": {"aws", "s3", "queues"}}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "import_module", "breakpoint"}
UNSAFE_IMPORTS = {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib"}
DOMAINS = {"hotel", "restaurant", "attraction", "taxi", "hospital", "police"}
MAY_NAME_DOMAINS = {"evaluation.multiwoz"}  # adapters of an evaluation
MAX_LINES = 250


def modules(root: Path) -> Iterator[tuple[str, str, ast.Module]]:
    """The layer table's unit, the dotted name below the package, and the syntax tree of every module."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        dotted = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        yield parts[0], dotted, ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every imported module with its line, imports inside of functions included; `from a import b` gives `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative imports hide the layer"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def own(name: str) -> str | None:
    """The unit that `nc_latent_tod.x.y` belongs to; None for other packages."""
    package, _, rest = name.partition(".")
    if package != "nc_latent_tod":
        return None
    unit = rest.split(".")[0]
    return unit if unit in LAYER_OF else "__init__"


def import_violations(root: Path) -> list[str]:
    found = []
    for unit, dotted, tree in modules(root):
        if unit not in LAYER_OF:
            found.append(f"{dotted} has no layer")
            continue
        layer = LAYER_OF[unit]
        for name, line in imported(tree):
            target = own(name)
            if layer == 2 and target is None and name.split(".")[0] in WORLD:
                found.append(f"{dotted}:{line} is pure but imports {name}")
            if target is None or target == unit or (unit, target) == ("__init__", "__init__"):
                continue
            below = LAYER_OF[target]
            is_allowed = below <= layer and not (layer == 1 and below == 1) and not (layer == 2 and below == 1)
            if not is_allowed:
                found.append(f"{dotted}:{line} (layer {layer}) imports {target} (layer {below})")
    return found


def heavy_imports(root: Path) -> list[str]:
    """Imports of heavy libraries and of the backends that need them, in places where they have no business."""
    found = []
    for unit, dotted, tree in modules(root):
        for name, line in imported(tree):
            package, _, rest = name.partition(".")
            if unit not in MAY_IMPORT.get(package, {unit}):
                found.append(f"{dotted}:{line} imports {package}")
            backend = ".".join(rest.split(".")[:2])
            may = {"build", "connect", backend.split(".")[0]}
            if package == "nc_latent_tod" and backend in ONLY_BUILD_IMPORTS and unit not in may:
                found.append(f"{dotted}:{line} imports {backend}")
    return found


def import_cycle(root: Path) -> list[str]:
    """One cycle of imports between modules, or an empty list."""
    trees = {dotted: tree for _, dotted, tree in modules(root)}
    graph = {dotted: {target for name, _ in imported(tree) for target in resolve(name, trees) if target != dotted}
             for dotted, tree in trees.items()}
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module):], module]
        if module in done:
            return []
        for target in sorted(graph[module]):
            if cycle := visit(target, [*path, module]):
                return cycle
        done.add(module)
        return []

    return next((cycle for module in sorted(graph) if (cycle := visit(module, []))), [])


def resolve(name: str, known: dict[str, ast.Module]) -> set[str]:
    """The module of this package that an imported name stands for."""
    parts = name.split(".")
    if parts[0] != "nc_latent_tod":
        return set()
    for end in (len(parts), len(parts) - 1):
        dotted = ".".join(parts[1:end]) or "__init__"
        if dotted in known:
            return {dotted}
    return set()


def unsafe(root: Path) -> list[str]:
    found = []
    for _, dotted, tree in modules(root):
        found += [f"{dotted}:{line} imports {name}" for name, line in imported(tree)
                  if name.split(".")[0] in UNSAFE_IMPORTS]
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
                # model.eval() and re.compile() are something else
                is_method = isinstance(node.func, ast.Attribute) and called in {"eval", "compile"}
                if called in UNSAFE_CALLS and not is_method:
                    found.append(f"{dotted}:{node.lineno} calls {called}")
            if isinstance(node, ast.ExceptHandler) and dotted != "worker":
                caught = getattr(node.type, "id", None if node.type else "everything")
                if caught in {"Exception", "BaseException", "everything"}:
                    found.append(f"{dotted}:{node.lineno} catches {caught}")
    return found


def named_domains(root: Path) -> list[str]:
    """Domains of one benchmark in strings of the code; docstrings may use them as examples."""
    found = []
    for _, dotted, tree in modules(root):
        if dotted in MAY_NAME_DOMAINS:
            continue
        prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                words = set(node.value.lower().replace("_", " ").replace("-", " ").split())
                found += [f"{dotted}:{node.lineno} names {word!r}" for word in sorted(words & DOMAINS)]
    return found


def tree_of(root: Path, **files: str) -> Path:
    for name, text in {"__init__": "", **files}.items():
        path = root / f"{name.replace('__slash__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_imports_point_down_only():
    assert import_violations(SOURCE) == []


def test_only_build_imports_the_heavy_backends():
    assert heavy_imports(SOURCE) == []


def test_a_heavy_import_elsewhere_is_found(tmp_path):
    root = tree_of(tmp_path, labeller="from nc_latent_tod.lm.huggingface import load", cli="def f():\n    import torch")

    assert heavy_imports(root) == ["cli:2 imports torch", "labeller:1 imports lm.huggingface"]


def test_no_module_imports_itself_through_others():
    assert import_cycle(SOURCE) == []


@pytest.mark.parametrize(
    ("module", "text", "found"),
    [
        ("labels", "from nc_latent_tod.tasks import dst", "labels:1 (layer 0) imports tasks (layer 2)"),
        ("queues", "import nc_latent_tod.manifests", "queues:1 (layer 1) imports manifests (layer 1)"),
        ("tasks", "from nc_latent_tod import lm", "tasks:1 (layer 2) imports lm (layer 1)"),
        ("corpus", "def f():\n    from nc_latent_tod.cli import main", "corpus:2 (layer 1) imports cli (layer 5)"),
        ("prompts", "import pathlib", "prompts:1 is pure but imports pathlib"),
        ("helpers", "", "helpers has no layer"),
    ],
)
def test_an_import_that_points_up_or_sideways_is_found(tmp_path, module, text, found):
    assert import_violations(tree_of(tmp_path, **{module: text})) == [found]


def test_a_cycle_of_imports_is_found(tmp_path):
    root = tree_of(tmp_path, pipeline="from nc_latent_tod.worker import x", worker="import nc_latent_tod.pipeline")

    assert import_cycle(root) == ["pipeline", "worker", "pipeline"]


def test_nothing_executes_text_unpickles_or_catches_everything():
    assert unsafe(SOURCE) == []


@pytest.mark.parametrize("text", ["eval('1')", "import pickle", "from marshal import loads", "import importlib\n"
                                  "importlib.import_module('x')", "try:\n    pass\nexcept Exception:\n    pass",
                                  "try:\n    pass\nexcept:\n    pass"])
def test_execution_unpickling_and_broad_catches_are_found(tmp_path, text):
    assert len(unsafe(tree_of(tmp_path, corpus=text))) == 1


def test_no_benchmark_is_built_in():
    assert named_domains(SOURCE) == []


def test_a_domain_in_code_is_found_and_one_in_a_docstring_is_not(tmp_path):
    assert named_domains(tree_of(tmp_path, tasks='"""Like hotel."""\nx = "hotel-area"')) == ["tasks:2 names 'hotel'"]


def test_files_are_short():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCE.rglob("*.py")}

    assert {str(path): count for path, count in lengths.items() if count > MAX_LINES} == {}


def test_importing_the_package_costs_no_heavy_library():
    heavy = {"torch", "transformers", "datasets", "boto3", "faiss", "pydantic", "numpy", "typer", "fsspec"}
    code = f"import sys, nc_latent_tod; print(sorted(set(sys.modules) & {heavy!r}))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.strip() == "[]"
