"""The rules of the house as tests: layers, kernels, what an import costs, file sizes."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "malsar_py"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = [path for path in FILES if path != PACKAGE / "__init__.py"]
KERNELS = sorted((PACKAGE / "_kernels").glob("[!_]*.py"))

# What each part of the package may import from it, directly. A new module gets its line here.
_PROXIMAL = {"_kernels", "prox", "penalties"}
_DATA = {"_kernels", "_linalg", "losses", "design", "graphs"}
_SMOOTH = _DATA | {"_protocols", "intercepts", "hessian", "smooth", "objective"}
_SMOOTH |= {"rotated", "parts"}
_SMOOTH |= {"solvers"}
_CORE = _PROXIMAL | _SMOOTH | {"_given", "_labels", "_tasks", "_centring", "_scoring", "_condensed"}
_CORE |= {"_edges", "_family", "_mean_model", "_threads", "_units", "_solution", "_limits"}
_CORE |= {"_doc_link", "_intervals"}
_CORE |= {"_sparse", "_standins", "_weights", "_new_tasks", "_task_prior"}
MAY_IMPORT = {
    "_typing": set(),
    "_doc_link": set(),
    "_intervals": set(),
    "_threads": set(),
    "_family": set(),
    "_edges": {"_labels", "graphs"},
    "_given": set(),
    "_labels": {"_given"},
    "_classes": {"_labels"},
    "_stack": {"_given", "_labels"},
    "_features": {"_given", "_labels", "_sparse"},
    "_sparse": {"_given", "_labels"},
    "_standins": set(),
    "_tasks": {"_classes", "_family", "_features", "_given", "_labels", "_sparse", "_standins"},
    "_counted": {"_given", "_tasks"},
    "_new_tasks": {"_labels", "_tasks"},
    "_task_prior": {"losses"},
    "_summary": {"_kernels", "_features", "_labels", "_sparse", "_standins", "_tasks"},
    "_scoring": {"_given", "_labels", "_tasks", "losses"},
    "_centring": {"_kernels", "_sparse", "_tasks", "_threads", "design"},
    "_condensed": {"_sparse", "_standins", "_tasks"},
    "_weights": {"_centring", "_labels", "_tasks"},
    "_units": {"_kernels", "_sparse", "_tasks"},
    "_keep_tasks": {"_doc_link", "_labels"},
    "_pipelines": set(),
    "_linalg": set(),
    "_mean_model": {"_linalg"},
    # arrays -> proximal operators -> penalties
    "_kernels": set(),
    "prox": {"_kernels"},
    "penalties": {"_kernels", "prox", "graphs"},
    # loss, design and task graph -> objective -> solvers
    "losses": {"_kernels", "_labels"},
    "design": {"_kernels", "_linalg", "_threads"},
    "graphs": set(),
    "_protocols": set(),
    "_certificates": set(),
    "_free_part": {"_certificates", "_protocols"},
    "intercepts": {"losses"},
    "hessian": {"_linalg", "_protocols", "design", "intercepts"},
    "smooth": {"_protocols", "_certificates", "_free_part"},
    "objective": _DATA | {"_protocols", "_certificates", "hessian", "intercepts", "smooth"},
    "rotated": _DATA | {"_protocols", "_certificates", "objective", "smooth"},
    "parts": {"design", "losses", "objective"},
    "solvers": _SMOOTH - {"solvers"},
    "_solution": {"_centring", "_labels", "_mean_model", "_tasks", "_units"}
    | {"objective", "solvers"},
    "_limits": {"_solution", "_units", "objective", "penalties", "solvers"},
    # all of them -> estimators
    "base": _CORE | {"_classes", "_summary"},
    "models": _CORE | {"base"},
    "mixed": {"_kernels", "_labels", "_sparse", "_tasks", "_new_tasks", "_threads"}
    | {"_intervals", "penalties", "base"},
    "model_selection": _CORE | {"_counted", "_pipelines", "_summary", "base", "models", "metrics"},
    # leaves: nothing of the core imports them
    "metrics": {"losses", "_counted", "_given", "_labels", "_pipelines", "_tasks"},
    "datasets": _CORE,
    "plotting": {"model_selection", "metrics"},
    "inspection": {
        "_features",
        "_intervals",
        "_keep_tasks",
        "_labels",
        "_pipelines",
        "_tasks",
        "_threads",
        "base",
        "losses",
        "model_selection",
        "models",
        "plotting",
    },
    "persistence": {"", "graphs", "losses", "penalties"},
    "_report": {"", "_table", "inspection", "plotting"},
    # the command line, a user of the public names ("" is the package itself)
    "_table": {"datasets"},
    "_compare": {
        "",
        "_report",
        "_saved",
        "_keep_tasks",
        "_table",
        "inspection",
        "mixed",
        "models",
        "model_selection",
        "metrics",
        "plotting",
    },
    "_saved": {"_table", "persistence"},
    "_predict": {"_saved", "_table"},
    "__main__": {"", "_table", "_compare", "_saved", "_predict"},
}


def module_name(path: Path) -> str:
    """Dotted name below the package: "" for its __init__, "solvers", "solvers.accelerated"."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    return module.partition(".")[0]


def own_imports(path: Path) -> Iterator[tuple[int, str]]:
    """Lines and names (below the package) of the modules of malsar_py that a file imports."""
    module = module_name(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = imported_from(node, package)
        else:
            continue
        for name in names:
            top, _, rest = name.partition(".")
            if top == "malsar_py":
                yield node.lineno, rest


def imported_from(node: ast.ImportFrom, package: str) -> list[str]:
    """Full module names of one ``from ... import ...``."""
    if node.level:
        above = package.split(".") if package else []
        base = above[: len(above) - (node.level - 1)]
        source = ".".join(["malsar_py", *base, *([node.module] if node.module else [])])
    else:
        source = node.module or ""
    folder = PACKAGE.joinpath(*source.split(".")[1:])
    # "from . import prox" names modules, "from .prox import prox_l1" names what is in one.
    return [
        f"{source}.{alias.name}"
        if (folder / f"{alias.name}.py").exists() or (folder / alias.name).is_dir()
        else source
        for alias in node.names
    ]


def jitted_functions(path: Path) -> list[ast.FunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.decorator_list
    ]


def test_imports_follow_the_layers():
    wrong = []
    for path in MODULES:
        part = part_of(module_name(path))
        assert part in MAY_IMPORT, f"add {part!r} to MAY_IMPORT in {Path(__file__).name}"
        allowed = MAY_IMPORT[part] | {part, "_typing"}
        wrong += [
            f"{path}, line {line}: may not import {name}"
            for line, name in own_imports(path)
            if part_of(name) not in allowed
        ]
    assert not wrong


def test_the_table_has_no_cycle():
    order: list[str] = []
    left = dict(MAY_IMPORT)
    while left:
        ready = [part for part, below in left.items() if not (below - {""}) & set(left)]
        assert ready, f"cycle among {sorted(left)}"
        order += ready
        for part in ready:
            del left[part]
    assert order.index("prox") < order.index("penalties") < order.index("base")
    assert order.index("objective") < order.index("solvers") < order.index("base")


def test_solvers_know_no_penalty_and_no_model():
    for path in FILES:
        if part_of(module_name(path)) == "solvers":
            imported = {part_of(name) for _, name in own_imports(path)}
            assert not imported & {"penalties", "prox", "models", "base"}, path.name


def test_leaves_are_not_imported_by_the_core():
    core = _CORE | {"base", "models", "_typing", "_keep_tasks", ""}
    for path in FILES:
        if part_of(module_name(path)) in core:
            imported = {part_of(name) for _, name in own_imports(path)}
            assert not imported & {"metrics", "datasets", "plotting", "inspection"}, path.name


def test_graphs_need_no_more_than_numpy_and_scipy():
    tree = ast.parse((PACKAGE / "graphs.py").read_text(encoding="utf-8"))
    tops = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            tops |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            tops.add((node.module or "").partition(".")[0])
    assert tops - set(sys.stdlib_module_names) == {"numpy", "scipy"}


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_kernels_stay_in_their_file(path):
    """numba's cache does not notice a change in another file, of a function or of a constant."""
    imported = {name for _, name in own_imports(path)}
    assert imported <= {"_kernels._jit", "_typing"}, imported
    tree = ast.parse(path.read_text(encoding="utf-8"))
    outside = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    } - {"np", "math", "numpy"}
    for function in jitted_functions(path):
        used = {
            node.id
            for statement in function.body
            for node in ast.walk(statement)
            if isinstance(node, ast.Name)
        }
        assert not used & outside, f"{function.name} uses {used & outside}"


@pytest.mark.parametrize("path", KERNELS, ids=lambda path: path.stem)
def test_kernels_use_the_decorators(path):
    functions = jitted_functions(path)
    assert functions, "no kernel here"
    for function in functions:
        # A call would carry a signature (compiled at import) or options of its own.
        decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
        assert decorators in (["jit"], ["jit_inline"]), f"{function.name}: {decorators}"


def test_numba_is_used_in_one_place():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            else:
                continue
            if any(name.partition(".")[0] == "numba" for name in names):
                assert module_name(path) == "_kernels._jit", path


def test_the_decorator_has_no_signature_and_no_threads():
    tree = ast.parse((PACKAGE / "_kernels" / "_jit.py").read_text(encoding="utf-8"))
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "njit"
    ]
    assert calls
    for call in calls:
        assert not call.args
        options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert "parallel" not in options
        assert options["nogil"] == "True"
        assert "cache" in options


# Imported inside the functions that need them, if at all.
LATE = [
    "numba",
    "dask",
    "pyarrow",
    "matplotlib",
    "pandas",
    "pooch",
    "polars",
    "networkx",
    "jinja2",
    "skops",
    "skrub",
    "sklearn.cluster",
]


def test_heavy_packages_are_imported_late():
    wrong = []
    for path in FILES:
        if module_name(path) == "_kernels._jit":
            continue  # itself imported late
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            names = []
            if isinstance(statement, ast.Import):
                names = [alias.name for alias in statement.names]
            elif isinstance(statement, ast.ImportFrom) and not statement.level:
                source = statement.module or ""
                names = [source, *(f"{source}.{alias.name}" for alias in statement.names)]
            wrong += [
                f"{path}, line {statement.lineno}: import {name} inside the function"
                for name in names
                for late in LATE
                if f"{name}.".startswith(f"{late}.")
            ]
    assert not wrong


def run_python(code: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize(
    "module",
    [
        "malsar_py",
        "malsar_py.datasets",
        "malsar_py.graphs",
        "malsar_py.plotting",
        "malsar_py.inspection",
    ],
)
def test_import_is_cheap(module):
    """Nothing heavy on top of scikit-learn (which imports pandas itself, if it is installed)."""
    code = f"""
import sys, threading
import sklearn.linear_model
before = set(sys.modules)
import {module}
print([name for name in {LATE} if name in set(sys.modules) - before], threading.active_count())
"""
    assert run_python(code) == "[] 1"


def test_import_without_optional_packages():
    code = f"""
import sys
for name in {[name for name in LATE if not name.startswith(("numba", "sklearn"))]}:
    sys.modules[name] = None
import malsar_py, malsar_py.datasets, malsar_py.graphs, malsar_py.metrics, malsar_py.plotting
print(malsar_py.datasets.load_exam().data.shape)
"""
    assert run_python(code) == "(4059, 15)"


def test_norms_of_rows_are_known_in_one_place():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Compare) or isinstance(node.ops[0], ast.Is | ast.IsNot):
                continue
            if ast.unparse(node.left) == "code":
                assert module_name(path) == "_kernels.row_norms", f"{path}, line {node.lineno}"


def test_kernels_are_loaded_at_first_use():
    code = """
import sys
from malsar_py import _kernels
assert "numba" not in sys.modules
names = [getattr(_kernels, name).__name__ for name in _kernels.__all__]
assert "numba" in sys.modules
print(names)
"""
    expected = [f"malsar_py._kernels.{path.stem}" for path in KERNELS]
    assert sorted(ast.literal_eval(run_python(code))) == expected


def test_x_stays_behind_its_design():
    """No one asks of what type a design is, or looks at its X."""
    kinds = {"Shared", "Masked", "Ragged", "FeatureRows"}
    wrong = []
    for path in FILES:
        if part_of(module_name(path)) == "design":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "X":
                inside = ast.unparse(node.value).rpartition(".")[2] in ("design", "_design")
            elif isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance":
                inside = bool(kinds & {n.id for n in ast.walk(node) if isinstance(n, ast.Name)})
            elif isinstance(node, ast.Compare):
                inside = bool(kinds & {ast.unparse(other) for other in node.comparators})
            else:
                inside = False
            if inside:
                wrong.append(f"{path}, line {node.lineno}: {ast.unparse(node)}")
    assert not wrong


# Kernels that know the norms of rows, and what calls these, cannot be in two files.
LONG = {"_kernels.row_norms"}


def lines_of_code(path: Path) -> int:
    """Lines without docstrings: those are for users, written out parameter by parameter."""
    text = path.read_text(encoding="utf-8")
    docstrings = [
        node.body[0]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and ast.get_docstring(node) is not None
    ]
    return len(text.splitlines()) - sum(
        (node.end_lineno or 0) - node.lineno + 1 for node in docstrings
    )


def test_files_are_short():
    n_lines = {path: lines_of_code(path) for path in FILES}
    long = {str(p): n for p, n in n_lines.items() if n > 500 and module_name(p) not in LONG}
    assert not long, "one idea a file"


def test_long_functions_say_why():
    """More than 60 lines, or excused from ruff's limit of complexity: a comment above says why.

    In the core and the models; leaves and the command line are tables and texts more than loops.
    """
    wrong = []
    for path in FILES:
        if part_of(module_name(path)) not in _CORE | {"base", "models", "model_selection", "mixed"}:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for node in ast.walk(ast.parse("\n".join(lines))):
            if not isinstance(node, ast.FunctionDef):
                continue
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            doc = node.body[0] if ast.get_docstring(node) is not None else None
            length = (node.end_lineno or 0) - node.lineno + 1
            length -= 0 if doc is None else (doc.end_lineno or 0) - doc.lineno + 1
            excused = "noqa: C901" in lines[node.lineno - 1]
            says_why = lines[first - 2].strip().startswith("# In one piece: ")
            if (length > 60 or excused) != says_why:
                wrong.append(f"{path}, line {node.lineno}: {node.name}, {length} lines")
    assert not wrong


def test_one_version():
    """The package says it; pyproject.toml reads it there, and the citation has none of its own."""
    import malsar_py

    config = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert config["project"]["dynamic"] == ["version"]
    assert config["tool"]["hatch"]["version"]["path"] == "malsar_py/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+(rc\d+)?", malsar_py.__version__)
    assert "\nversion:" not in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


LOSS_NAMES = {
    "Squared",
    "SquareRoot",
    "Huber",
    "Poisson",
    "Gamma",
    "Logistic",
    "Quantile",
    "PerTask",
}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_no_one_asks_which_loss_it_is(path):
    """What a loss is like, it says itself: no type tests outside of ``losses``."""
    if part_of(module_name(path)) == "losses":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("isinstance", "type"):
            named = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
            named |= {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
            assert not named & (LOSS_NAMES | {"loss"}), f"{path}:{node.lineno}"
