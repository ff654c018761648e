"""Imports point down only, the core is light, and text is never executed."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "nc_latent_tod"

VALUES = {"errors", "dialogue", "labels", "schema"}
"""The vocabulary, which every room may import and which imports nothing but itself."""

FACE = "__init__"
"""The package as its users import it. No room does: it would point up, at every verb."""

ROOMS: dict[str, tuple[int, set[str]]] = {
    "__main__": (6, {"cli"}),
    "cli": (6, {"api", "rounds", "worker", "config", "system"}),  # and the types of what it draws
    "experiments": (6, {"cli"}),
    "rounds": (5, {"annotation", "api", "config", "corpus", "evaluation", "manifests", "notation", "proposals", "publishing",
                   "ranking", "system"}),
    "api": (5, {"agent", "annotation", "config", "corpus", "evaluation", "labelling", "lm", "manifests", "notation", "pipeline",
                "proposals", "publishing", "queues", "ranking", "reporting", "repository", "retrieval", "simulation", "system",
                "tasks", "training", "worker"}),
    "worker": (4, {"pipeline", "queues", "system"}),
    "pipeline": (4, {"annotation", "config", "corpus", "labelling", "lm", "manifests", "retrieval", "system"}),
    "publishing": (4, {"annotation", "corpus", "manifests", "ranking", "system"}),
    "reporting": (4, {"annotation", "evaluation", "manifests", "ranking", "system"}),
    "training": (4, {"config", "corpus", "lm", "simulation", "system", "tasks"}),
    "labelling": (3, {"lm", "notation", "proposals", "ranking", "retrieval", "system", "tasks"}),
    "annotation": (3, {"corpus", "notation", "proposals", "ranking", "system", "tasks"}),
    "agent": (3, {"labelling", "notation", "tasks"}),
    "repository": (3, {"corpus", "system"}),
    "evaluation": (3, {"corpus", "notation", "ranking", "simulation", "tasks"}),
    "tasks": (2, {"notation"}),
    "ranking": (2, {"notation"}),
    "notation": (2, set()),
    "proposals": (2, set()),
    "corpus": (1, {"system"}),
    "queues": (1, {"system"}),
    "manifests": (1, {"system"}),
    "retrieval": (1, set()),
    "lm": (1, {"system"}),
    "simulation": (1, set()),
    "config": (0, set()),
    "system": (0, set()),
}
"""A room of `nc_latent_tod` has a floor, and rooms that it may import. A new room at the top is a decision: enter it here."""

PURE = {"tasks", "ranking", "notation", "proposals", "evaluation.labels"}
WORLD = {"os", "io", "pathlib", "shutil", "socket", "subprocess", "tempfile", "urllib", "fsspec", "torch"}
BACKENDS = {"lm.huggingface.model", "lm.openai.model", "retrieval.dense", "retrieval.encoder", "queues.sqs.queue",
            "manifests.dynamo"}  # for `api` alone
_MODELS = {"lm", "retrieval", "training"}
MAY_IMPORT = {"torch": _MODELS, "transformers": _MODELS, "faiss": {"retrieval"}, "prometheus_client": {"cli"},
              "boto3": {"system"}, "botocore": {"system", "queues"}, "rich": {"cli"}, "typer": {"cli"},
              "httpx2": {"annotation"}}
UNSAFE_CALLS = {"eval", "exec", "compile", "__import__", "import_module", "breakpoint"}
UNSAFE_IMPORTS = {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib"}
DOMAINS = {"hotel", "restaurant", "attraction", "taxi", "hospital", "police"}
MAY_NAME_DOMAINS = {"evaluation.responses.multiwoz"}  # adapters of an evaluation
MAX_LINES = 250


def modules(root: Path) -> Iterator[tuple[str, str, ast.Module]]:
    """The room, the dotted name below the package, and the syntax tree of every module."""
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


def for_types_alone(tree: ast.Module) -> set[int]:
    """Lines within `if TYPE_CHECKING:`, which nothing loads."""
    return {line for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
            for line in range(node.lineno, node.end_lineno + 1)}


def own(name: str) -> str | None:
    """The room that `nc_latent_tod.x.y` belongs to; None for other packages."""
    package, _, rest = name.partition(".")
    if package != "nc_latent_tod":
        return None
    room = rest.split(".")[0]
    return room if room in ROOMS or room in VALUES else FACE


def import_violations(root: Path) -> list[str]:
    found = []
    for room, dotted, tree in modules(root):
        if room not in ROOMS and room not in VALUES and room != FACE:
            found.append(f"{dotted} is no room of the house")
            continue
        allowed = {room} | VALUES | (ROOMS[room][1] if room in ROOMS else {"system"} if room == FACE else set())
        types = for_types_alone(tree) if room in {"cli", FACE} else set()
        is_pure = any(f"{dotted}.".startswith(f"{pure}.") for pure in PURE)
        for name, line in imported(tree):
            target = own(name)
            if is_pure and target is None and name.split(".")[0] in WORLD:
                found.append(f"{dotted}:{line} is pure but imports {name}")
            if target is not None and target not in allowed and line not in types:
                found.append(f"{dotted}:{line} imports {target}, which {room} may not")
    return found


def heavy_imports(root: Path) -> list[str]:
    """Imports of heavy libraries and of the backends that need them, in places where they have no business."""
    found = []
    for room, dotted, tree in modules(root):
        for name, line in imported(tree):
            package, _, rest = name.partition(".")
            if room not in MAY_IMPORT.get(package, {room}):
                found.append(f"{dotted}:{line} imports {package}")
            backend = next((known for known in BACKENDS if f"{rest}.".startswith(f"{known}.")), "")
            if package == "nc_latent_tod" and backend and room not in {"api", backend.split(".")[0]}:
                found.append(f"{dotted}:{line} imports {backend}")
    return found


def prints(root: Path) -> list[str]:
    """Calls of `print`, and writes to stdout and stderr, outside the command line."""
    found = []
    for room, dotted, tree in modules(root):
        for node in ast.walk(tree):
            if room in {"cli", "experiments", "__main__"} or not isinstance(node, ast.Call):
                continue
            if ast.unparse(node.func) in {"print", "sys.stdout.write", "sys.stderr.write"}:
                found.append(f"{dotted}:{node.lineno} calls {ast.unparse(node.func)}")
    return found


def procedures_of_inits(root: Path) -> list[str]:
    """Public functions of `__init__` files, which hold a contract or names: whoever wants a value must not load a procedure."""
    return [f"{path.parent.relative_to(root)} defines {node.name}" for path in sorted(root.rglob("__init__.py"))
            for node in ast.parse(path.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def import_cycle(root: Path) -> list[str]:
    """One cycle of imports between modules, or an empty list."""
    trees = {dotted: tree for _, dotted, tree in modules(root)}
    graph = {dotted: {target for name, line in imported(tree) if line not in for_types_alone(tree)
                      for target in resolve(name, trees) if target != dotted} for dotted, tree in trees.items()}
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
            if isinstance(node, ast.ExceptHandler) and dotted != "worker.worker":
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


def test_imports_are_those_of_the_table():
    assert import_violations(SOURCE) == []


def test_the_table_points_down_only_and_never_sideways_in_the_outside_world():
    floor = {room: number for room, (number, _) in ROOMS.items()}
    wrong = [f"{room} -> {other}" for room, (number, others) in ROOMS.items() for other in others
             if floor[other] > number or (number == floor[other] == 1) or (number == 2 and floor[other] < 2)]

    assert wrong == []


def test_every_room_of_the_table_stands():
    assert {room for room in ROOMS if not (SOURCE / room).is_dir() and not (SOURCE / f"{room}.py").exists()} == set()


def test_only_api_imports_the_heavy_backends():
    assert heavy_imports(SOURCE) == []


def test_a_heavy_import_elsewhere_is_found(tmp_path):
    root = tree_of(tmp_path, labelling="from nc_latent_tod.lm.huggingface.model import load", cli="def f():\n    import torch")

    assert heavy_imports(root) == ["cli:2 imports torch", "labelling:1 imports lm.huggingface.model"]


def test_only_the_command_line_prints():
    assert prints(SOURCE) == []


def test_a_print_in_api_is_found(tmp_path):
    assert prints(tree_of(tmp_path, api__slash__label="print('done')")) == ["api.label:1 calls print"]


def test_no_module_imports_itself_through_others():
    assert import_cycle(SOURCE) == []


@pytest.mark.parametrize(
    ("module", "text", "found"),
    [
        ("labels", "from nc_latent_tod.tasks import dst", "labels:1 imports tasks, which labels may not"),
        ("queues", "import nc_latent_tod.manifests", "queues:1 imports manifests, which queues may not"),
        ("tasks", "from nc_latent_tod import lm", "tasks:1 imports lm, which tasks may not"),
        ("corpus", "def f():\n    from nc_latent_tod.cli import main", "corpus:2 imports cli, which corpus may not"),
        ("publishing", "from nc_latent_tod.reporting import page", "publishing:1 imports reporting, which publishing may not"),
        ("notation", "import pathlib", "notation:1 is pure but imports pathlib"),
        ("annotation", "from nc_latent_tod import label", "annotation:1 imports __init__, which annotation may not"),
        ("helpers", "", "helpers is no room of the house"),
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


def test_an_init_holds_no_procedure():
    allowed = {"cli defines main", "cli defines options",  # the application itself
               "schema defines attribute", "schema defines identifier"}  # of the vocabulary

    assert set(procedures_of_inits(SOURCE)) - allowed == set()


def test_a_procedure_in_an_init_is_found(tmp_path):
    assert procedures_of_inits(tree_of(tmp_path, worker__slash____init__="def run(): ...")) == ["worker defines run"]


def test_what_a_file_may_say_is_read_without_a_heavy_library():
    files = [path for room in ("config", "queues", "manifests", "schema") for path in (SOURCE / room).rglob("*.py")]
    parts = [path.relative_to(SOURCE.parent).with_suffix("").parts for path in [*files, SOURCE / "labels.py"]]
    names = sorted(".".join(part).removesuffix(".__init__") for part in parts)
    code = (f"import importlib, sys\nfor name in {names!r}: importlib.import_module(name)\n"
            "print(sorted({'torch', 'transformers', 'datasets'} & set(sys.modules)))")

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert len(names) > 40 and done.stdout.strip() == "[]"
