"""Imports run one way, from the estimators down to the kernels."""

import ast
import graphlib
from pathlib import Path

import pytest

import sklearn_dbn

ROOT = Path(sklearn_dbn.__file__).parent
ENGINE = "sklearn_dbn.boltzmann"

# A module of the engine imports from lower floors only. What is not listed is above
# all that is; there only circles are forbidden.
FLOORS = {
    "compiled": 0,
    "teams": 0,
    "vectors": 0,
    "kernels": 1,
    "units": 2,
    "rbm": 3,
    "data": 4,
    "dbm": 4,
    "samplers": 4,
    "updates": 4,
    "labels": 5,
    "likelihood": 5,
    "training": 5,
    "deep_likelihood": 6,
    "joint": 6,
}


def module_name(path):
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in PATHS.items()}


def package_of(module):
    is_package = PATHS[module].name == "__init__.py"
    return module if is_package else module.rpartition(".")[0]


def imported(tree, package, modules):
    """Names of all modules that a source imports; late imports count."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level]
            origin = ".".join([*above, *filter(None, [node.module])])
            origin = origin if node.level else node.module
            for alias in node.names:
                name = f"{origin}.{alias.name}"
                yield name if name in modules else origin


def late_imports(tree):
    """Lines of imports inside functions."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return sorted(
        {
            node.lineno
            for function in ast.walk(tree)
            if isinstance(function, functions)
            for node in ast.walk(function)
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
    )


def is_within(name, package):
    return name == package or name.startswith(package + ".")


GRAPH = {m: set(imported(tree, package_of(m), TREES)) for m, tree in TREES.items()}
OWN = {m: {n for n in GRAPH[m] if is_within(n, "sklearn_dbn")} for m in GRAPH}
ENGINE_MODULES = [m for m in GRAPH if m.startswith(ENGINE + ".")]
SHARED = {
    f"sklearn_dbn._{name}"
    for name in (
        "base",
        "blocks",
        "dbm_networks",
        "neighbors",
        "parameters",
        "perceptron",
        "version",
    )
}
ESTIMATORS = [m for m in GRAPH if m.startswith("sklearn_dbn._") and m not in SHARED]

every_module = pytest.mark.parametrize("module", GRAPH)
every_listed_module = pytest.mark.parametrize(
    "module", [f"{ENGINE}.{m}" for m in FLOORS]
)
every_estimator = pytest.mark.parametrize("module", ESTIMATORS)


@pytest.mark.parametrize("module", [ENGINE, *ENGINE_MODULES])
def test_engine_imports_neither_sklearn_nor_what_is_above_it(module):
    assert not any(is_within(name, "sklearn") for name in GRAPH[module])
    assert all(is_within(name, ENGINE) for name in OWN[module])


@every_listed_module
def test_engine_modules_import_from_lower_floors(module):
    floors = {FLOORS.get(name.removeprefix(ENGINE + ".")) for name in OWN[module]}
    below = set(range(FLOORS[module.removeprefix(ENGINE + ".")]))
    assert floors <= below


def test_units_import_the_kernels_only():
    assert OWN[ENGINE + ".units"] == {ENGINE + ".kernels"}


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("_blocks", set()),
        ("_neighbors", set()),
        ("_base", {"sklearn_dbn._blocks"}),
    ],
)
def test_base_imports_the_engine_and_blocks_only(name, others):
    names = OWN[f"sklearn_dbn.{name}"] - others
    assert names and all(is_within(name, ENGINE) for name in names)


@every_estimator
def test_estimators_import_base_and_the_engine(module):
    names = OWN[module]
    assert "sklearn_dbn._base" in names
    others = SHARED.union(ESTIMATORS)
    assert all(is_within(name, ENGINE) or name in others for name in names)


def test_imports_have_no_circles():
    graphlib.TopologicalSorter(OWN).prepare()


@every_module
def test_no_import_is_late(module):
    assert late_imports(TREES[module]) == []


def test_there_are_modules_to_check():
    assert set(FLOORS) <= {m.removeprefix(ENGINE + ".") for m in ENGINE_MODULES}
    assert "sklearn_dbn._rbm" in ESTIMATORS


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import sklearn.base", {"sklearn.base"}),
        ("from sklearn import base", {"sklearn"}),
        ("from sklearn_dbn import _base", {"sklearn_dbn._base"}),
        ("from sklearn_dbn._base import row_dtype", {"sklearn_dbn._base"}),
        ("from . import rbm", {"sklearn_dbn.boltzmann.rbm"}),
        ("from .rbm import RBM", {"sklearn_dbn.boltzmann.rbm"}),
        ("from .. import _base", {"sklearn_dbn._base"}),
        ("from .._base import row_dtype", {"sklearn_dbn._base"}),
        ("def f():\n    import sklearn", {"sklearn"}),
    ],
)
def test_every_way_of_importing_is_seen(source, expected):
    assert set(imported(ast.parse(source), ENGINE, TREES)) == expected


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import x",
        "async def f():\n    from x import y",
        "class A:\n    def f(self):\n        if self:\n            import x",
    ],
)
def test_late_imports_are_seen(source):
    assert len(late_imports(ast.parse(source))) == 1
    assert late_imports(ast.parse("import x\nfrom y import z")) == []
